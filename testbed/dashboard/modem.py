"""`testbed modem watch` on the terminal: levels as bars, RSRP as a line in time, what happened below.

Drawn when something is told and never by itself.  Where the output is no terminal, it is a line for each.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from drivers.modem.levels import Signal
from testbed.dashboard.radio import HISTORY, RadioScreen, RadioView, bar, clock, in_time, share

EVENTS = 8
# Name, unit, and the levels from useless to excellent: TS 36.133 9.1 has the ranges, practice what is useful of them.
SCALES = {
    "rsrp_dbm": ("RSRP", "dBm", -125.0, -75.0),
    "rsrq_db": ("RSRQ", "dB", -20.0, -5.0),
    "sinr_db": ("SINR", "dB", -5.0, 25.0),
    "rssi_dbm": ("RSSI", "dBm", -113.0, -51.0),
}
COLOURS = {"registered": "green", "roaming": "yellow", "denied": "red", "gone": "red", "back": "green"}


@dataclass(frozen=True)
class Reading:
    """One measurement; `area` and `cell` are numbers of the serving cell, `active` the contexts."""

    vendor: str
    model: str
    service: str
    operator: str | None
    rat: str | None
    area: int | None
    cell: int | None
    signal: Signal
    active: tuple[int, ...]


class View(RadioView):
    """What is told of a modem; each kind of view shows it in its way."""

    def reading(self, reading: Reading) -> None:
        raise NotImplementedError

    def event(self, what: str, detail: str = "", cid: int | None = None) -> None:
        raise NotImplementedError


class Screen(RadioScreen, View):
    """For people."""

    def __init__(self, console: Console, port: str, interval_s: float) -> None:
        super().__init__(console, interval_s, EVENTS)
        self._port = port
        self._last: Reading | None = None
        self._rsrp: deque[float | None] = deque(maxlen=HISTORY)

    def reading(self, reading: Reading) -> None:
        self._last, self._away = reading, ""
        self._rsrp.append(reading.signal.strength_dbm)
        self._show(Text(f"{clock()}  {_place(reading)}  {_levels(reading.signal)}"))

    def event(self, what: str, detail: str = "", cid: int | None = None) -> None:
        if what in ("gone", "away"):
            self._away = self._away or clock()
        about = f" {cid}" if cid is not None else ""
        line = Text(f"{clock()}  ").append(f"{what}{about}", style=COLOURS.get(what, "")).append(f"  {detail}")
        if what != "away" or not self._live:  # it is said every few seconds, and the screen says it anyway
            self._events.append(line)
        self._show(line)

    def picture(self) -> RenderableType:
        """All of it, as it stands."""
        away = Text(f"away since {self._away}: plug it in again", style="red")
        parts: list[RenderableType] = [away] if self._away else []
        title = self._port
        if self._last:
            title = f"{self._last.vendor} {self._last.model}  {self._port}"
            if not self._away:
                strength = in_time(self._rsrp, "RSRP", *SCALES["rsrp_dbm"][2:])
                parts += [_service(self._last), _bars(self._last.signal), strength]
        return self._framed(title, parts)


def _service(reading: Reading) -> Text:
    text = Text(reading.service, style=f"bold {COLOURS.get(reading.service, '')}")
    numbers = ", ".join(map(str, reading.active))
    contexts = f"context {numbers} active" if numbers else "no context active"
    return text.append(
        "".join(f"  {part}" for part in (_place(reading, state=False), contexts) if part), "not bold default"
    )


def _place(reading: Reading, *, state: bool = True) -> str:
    """Where it is; areas and cells are written in hexadecimal, as modems do."""
    area = None if reading.area is None else f"area {reading.area:04X}"
    cell = None if reading.cell is None else f"cell {reading.cell:07X}"
    parts = [reading.service if state else None, reading.operator, reading.rat, area, cell]
    return "  ".join(part for part in parts if part)


def _levels(signal: Signal) -> str:
    known = [(name, unit, getattr(signal, key)) for key, (name, unit, _, _) in SCALES.items()]
    return "  ".join(f"{name} {value:g} {unit}" for name, unit, value in known if value is not None) or "no signal"


def _bars(signal: Signal) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(justify="right")
    for key, (name, unit, worst, best) in SCALES.items():
        if (value := getattr(signal, key)) is not None:
            table.add_row(name, f"{value:g} {unit}", bar(share(value, worst, best)))
    return table if table.row_count else Text("no signal", style="red")
