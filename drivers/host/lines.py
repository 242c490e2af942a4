"""What a long process says, line by line, as it comes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

CHUNK = 4096
LONGEST = 65536  # a line without an end is told in parts of this length

logger = logging.getLogger(__name__)


class Follower:
    """Reads in a thread of its own until there is no more; `read` blocks, and returns nothing at the end."""

    def __init__(
        self, read: Callable[[int], bytes | None], on_line: Callable[[str], None] | None, log: Path | None
    ) -> None:
        self._read, self._on_line, self._log = read, on_line, log
        self._thread = threading.Thread(target=self._follow, name="lines of a process", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; True when all was read."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _follow(self) -> None:
        rest = b""
        with ExitStack() as opened:
            log = opened.enter_context(self._log.open("ab", buffering=0)) if self._log else None
            while chunk := self._read(CHUNK):
                if log:
                    log.write(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LONGEST:
                    lines, rest = [*lines, rest], b""
                self._tell(lines)
        self._tell([rest] if rest else [])

    def _tell(self, lines: list[bytes]) -> None:
        if self._on_line is None:
            return
        for line in lines:
            try:
                self._on_line(line.decode(errors="replace").rstrip("\r"))
            except Exception:  # the process must not come to a halt because nobody reads what it says
                logger.exception("who listens to the lines of a process has failed")
