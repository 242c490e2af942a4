"""A daemon on a host that says on its output how it does: started, waited for, found dead, ended."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from drivers.errors import DriverError
from drivers.protocols import Host, LongProcess
from drivers.waiting import within
from drivers.wifi.errors import DaemonGone, DaemonSilent

LOOK_S = 0.2  # so often we look whether it still runs: a host tells us only when asked
KEPT, LAST_WORDS = 40, 6  # lines of its output: to look at, and in an error

logger = logging.getLogger(__name__)


class Daemon:
    """One daemon, in the running event loop; it is started once.

    `on_line` gets each line of its output, `on_end` is called when it ends by itself, at most `LOOK_S` later.
    """

    def __init__(
        self,
        host: Host,
        argv: Sequence[str],
        where: str,
        *,
        log: Path | None = None,
        on_line: Callable[[str], None] = lambda _: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.where = where
        self._host, self._argv, self._log = host, list(argv), log
        self._on_line, self._on_end = on_line, on_end
        self._process: LongProcess | None = None
        self._lost: DriverError | None = None
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self._look: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def running(self) -> bool:
        """Whether it runs; one whose host cannot be asked any more does not, as far as we are concerned."""
        try:
            return self._process is not None and self._process.status is None
        except DriverError as lost:
            self._lost = lost
            return False

    @property
    def last_words(self) -> str:
        return " / ".join([*self._lines][-LAST_WORDS:])

    @property
    def lines(self) -> Sequence[str]:
        """The last of its output."""
        return tuple(self._lines)

    async def start(self, ready: Callable[[], bool], deadline_s: float, what: str) -> None:
        """Start it and wait until `ready`, which is asked again at each line.

        Raises DaemonGone with its last words when it ends before, DaemonSilent when the time is up; it is ended then.
        """
        self._process = await asyncio.to_thread(self._host.start, self._argv, on_line=self._hear, log=self._log)
        try:
            await self.until(ready, deadline_s, what)
        except BaseException:
            await self.end()
            raise
        self._look = self._loop.call_later(LOOK_S, self._look_after)

    async def until(self, true: Callable[[], bool], deadline_s: float, what: str) -> None:
        """Wait for something that shows in its output."""
        deadline = self._loop.time() + deadline_s
        while not true():
            self._news.clear()
            running = self.running
            if await within(self._news, LOOK_S):
                continue
            if not running:  # and nothing more has come of what it said
                raise self.gone()
            if self._loop.time() >= deadline:
                said = f": {self.last_words}" if self._lines else ""
                raise DaemonSilent(f"no {what} within {deadline_s:g} s{said}", where=self.where)

    def gone(self) -> DaemonGone:
        """That it has ended, with its last words."""
        if self._process and not self.running and self._lost:
            return DaemonGone(f"its host is lost: {self._lost.what}", where=self.where, mend=self._lost.mend)
        status = self._process.status if self._process else None
        said = f": {self.last_words}" if self._lines else ""
        return DaemonGone(f"it ended with status {status}{said}", where=self.where)

    async def end(self) -> None:
        """End it; it may have ended already."""
        if self._look:
            self._look.cancel()
            self._look = None
        if self._process:
            try:
                await asyncio.to_thread(self._process.end)
            except DriverError as lost:
                if not self._lost:
                    raise
                logger.info("%s: cannot be ended: %s", self.where, lost)  # it was tied to the connection

    def _look_after(self) -> None:
        if self.running:
            self._look = self._loop.call_later(LOOK_S, self._look_after)
        else:
            self._look = None
            self._on_end()

    def _hear(self, line: str) -> None:
        """In a thread of the host's."""
        with suppress(RuntimeError):  # our loop has ended
            self._loop.call_soon_threadsafe(self._heard, line)

    def _heard(self, line: str) -> None:
        if line.strip():
            self._lines.append(line.strip())
        self._on_line(line)
        self._news.set()
