"""The live view of a run: what happens now, drawn in place on a terminal, told line by line elsewhere.

It draws when something is told, and never by itself: there is no thread that refreshes.  Where a rig runs in a guest
there is one CPU, and drawing takes milliseconds of it (more in a guest than on a host), which between the trigger and
the end of the handoff would stand in the figures as if the UE had been slow.  So from the moment the call stands until
the handoff is told to be over, what is told is only kept, and then drawn at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.live import Live

from testbed.dashboard.board import Board, draw, line
from testbed.scenario.progress import HANDOFF, Progress

CTRL_C = 3
Clock = Callable[[], float]


class _View:
    """What both kinds of view share: when to show, and when only to keep."""

    def __init__(self, console: Console, clock: Clock = time.monotonic, wall: Clock | None = None) -> None:
        self._console = console
        self._clock, self._wall = clock, wall
        self._wall_begun = wall() if wall else 0.0
        self._kept: list[tuple[Progress, float]] = []
        self._quiet = False
        self._triggered = False

    def told(self, event: Progress) -> None:
        """Take an event of the run; nothing is drawn while the handoff is measured."""
        self._kept.append((event, self._clock()))
        if event.stage == "call" and event.state == "done":
            self._quiet = True
        elif event.stage == "trigger":
            self._quiet = self._triggered = True
        elif event.state == "failed" or event.stage in ("hangup", "analysis", "failed"):
            self._quiet = False
        elif self._triggered and event.stage in HANDOFF and event.state == "done":
            self._quiet = False  # a run tells of these when the handoff is over
        if not self._quiet:
            self._flush()

    def _wall_s(self) -> float | None:
        return self._wall() - self._wall_begun if self._wall else None

    def _flush(self) -> None:
        kept, self._kept = self._kept, []
        if kept:
            self._show(kept)

    def _show(self, events: list[tuple[Progress, float]]) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()


class LiveView(_View):
    """For a terminal: one picture that grows, and stays on the screen as a log when the run is over."""

    def __init__(self, console: Console, title: str, clock: Clock = time.monotonic, wall: Clock | None = None) -> None:
        super().__init__(console, clock, wall)
        self._board = Board(title, clock())
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._board.now_s, self._board.wall_s = self._clock(), self._wall_s()
        self._live.update(self._picture(live=False))
        self._live.stop()

    def _show(self, events: list[tuple[Progress, float]]) -> None:
        for event, moment in events:
            self._board.take(event, moment)
        self._board.wall_s = self._wall_s()
        self._live.update(self._picture(live=True), refresh=True)

    def _picture(self, *, live: bool) -> RenderableType:
        # Room for the ^C that a terminal writes: if it went to the next line, the next picture would begin too low.
        width = self._console.width - CTRL_C
        return Constrain(draw(self._board, width, live=live), width)


class PlainView(_View):
    """For a pipe or a file: a line for each event, with the seconds since the view began (by both clocks)."""

    def __init__(self, console: Console, title: str, clock: Clock = time.monotonic, wall: Clock | None = None) -> None:
        super().__init__(console, clock, wall)
        self._begun = clock()
        self._write(title)

    def _show(self, events: list[tuple[Progress, float]]) -> None:
        for event, moment in events:
            self._write(line(event, moment - self._begun, self._wall_s()))

    def _write(self, text: str) -> None:
        self._console.file.write(f"{text}\n")  # not print(): it would wrap lines at 80 columns
        self._console.file.flush()


def watch(console: Console, title: str, wall: Clock | None = None) -> LiveView | PlainView:
    """The view that fits the console; `wall` is the clock outside where our own time is simulated."""
    kind = LiveView if console.is_terminal else PlainView
    return kind(console, title, wall=wall)
