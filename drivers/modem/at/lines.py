"""Bytes into lines, however they arrive: every CR and every LF ends one, lines of nothing are none.

What a line is depends only on the bytes and their order, never on how they were split into reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

LONGEST = 8192  # bytes; a longer line is cut there: a modem that sends no line end must not fill our memory
_PIECES = re.compile(rb"[^\r\n]+|[\r\n]")


class LineReader:
    """Collects the bytes of an unfinished line.  `wants_prompt` is asked at the beginning of each line."""

    def __init__(self, wants_prompt: Callable[[], bool] = lambda: False) -> None:
        self._line = bytearray()
        self._wants_prompt = wants_prompt

    def feed(self, data: bytes) -> Iterator[str | None]:
        """The lines that these bytes complete; None stands for a prompt (TS 27.005 3.5.1), which ends no line."""
        for piece in _PIECES.findall(data):
            if piece in (b"\r", b"\n"):
                yield from self._complete()
                continue
            yield from self._extend(piece)

    def _extend(self, piece: bytes) -> Iterator[str | None]:
        while piece:
            if piece[:1] == b">" and not self._line.strip(b"\0 ") and self._wants_prompt():
                self._line.clear()
                piece = piece[1:]
                yield None
                continue
            room = LONGEST - len(self._line)
            # With a prompt awaited its ">" may stand behind blanks and NULs only; look at those one by one.
            take = 1 if piece[:1] in (b"\0", b" ") and self._wants_prompt() else room
            self._line += piece[:take]
            piece = piece[take:]
            if len(self._line) == LONGEST:
                yield from self._complete()

    def _complete(self) -> Iterator[str]:
        line = self.unfinished
        self._line.clear()
        if line.strip():
            yield line

    @property
    def unfinished(self) -> str:
        """What has come of the line so far.  NULs are boot noise; bytes that are no UTF-8 are shown as \\xNN."""
        return self._line.replace(b"\0", b"").decode(errors="backslashreplace")

    def forget(self) -> None:
        """Drop the unfinished line."""
        self._line.clear()
