"""What the live views of radios share: a screen that is drawn when something is told, bars, and a signal in time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

HISTORY, BAR, WIDTH = 48, 30, 90
BLOCKS = "▁▂▃▄▅▆▇█"


class RadioView:
    """What is told of a radio; each kind of view shows it in its way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to undo."""


class RadioScreen(RadioView):
    """For people: drawn when something is told and never by itself; a line for each where that is no terminal."""

    def __init__(self, console: Console, interval_s: float, most_events: int) -> None:
        self._console, self._interval_s = console, interval_s
        self._away = ""  # since when
        self._events: deque[Text] = deque(maxlen=most_events)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def picture(self) -> RenderableType:
        """All of it, as it stands."""
        raise NotImplementedError

    def _show(self, line: Text) -> None:
        if self._live:
            self._live.update(self.picture(), refresh=True)
        else:
            self._console.print(line, soft_wrap=True)

    def _framed(self, title: str, parts: Sequence[RenderableType]) -> Panel:
        """The parts, and what happened below."""
        gap = [Text("")] if self._events else []
        return Panel(
            Group(*parts, *gap, *self._events),
            title=title,
            title_align="left",
            subtitle=f"every {self._interval_s:g} s; Ctrl-C leaves",
            subtitle_align="right",
            width=min(self._console.width, WIDTH),
        )


def bar(part: float) -> Text:
    """How much of the range a level has, 0 to 1, from red to green."""
    style = "red" if part < 1 / 3 else "yellow" if part < 2 / 3 else "green"
    full = round(part * BAR)
    return Text("█" * full, style=style).append("░" * (BAR - full), style="dim")


def in_time(values: Iterable[float | None], name: str, worst: float, best: float) -> Text:
    """A level in dBm in time, newest at the right; a gap where nothing was received."""
    shares = [None if value is None else share(value, worst, best) for value in values]
    marks = "".join(" " if one is None else BLOCKS[min(int(one * 8), 7)] for one in shares)
    return Text(marks.ljust(HISTORY), style="cyan").append(f"  {name}, {worst:g} to {best:g} dBm", style="dim")


def share(value: float, worst: float, best: float) -> float:
    """Where a level lies in its range: 0 at its worst, 1 at its best."""
    return min(max((value - worst) / (best - worst), 0.0), 1.0)


def clock() -> str:
    return time.strftime("%H:%M:%S")
