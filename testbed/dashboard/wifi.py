"""`testbed wifi watch` on the terminal: network and signal above, the signal in time, what happened below.

Drawn when something is told and never by itself.  Where the output is no terminal, it is a line for each.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from drivers.protocols import AssociatedStation
from drivers.wifi.reports import LinkSignal

EVENTS, HISTORY, BAR, WIDTH, STATIONS = 10, 48, 30, 90, 8
BLOCKS = "▁▂▃▄▅▆▇█"
WORST_DBM, BEST_DBM = -90, -30
GOOD = ("COMPLETED", "ENABLED")
COLOURS = {
    "connected": "green",
    "station-connected": "green",
    "ap-enabled": "green",
    "back": "green",
    "disconnected": "red",
    "station-disconnected": "yellow",
    "ap-disabled": "red",
    "terminating": "red",
    "away": "red",
    "beacon-loss": "yellow",
    "interface-disabled": "red",
    "temporarily-disabled": "yellow",
}
UNSEEN = (  # a screen has few lines
    "scan-started",
    "scan-results",
    "CTRL-EVENT-BSS-ADDED",
    "CTRL-EVENT-BSS-REMOVED",
    "CTRL-EVENT-DSCP-POLICY",
    "CTRL-EVENT-SUBNET-STATUS-UPDATE",
)


@dataclass(frozen=True)
class Reading:
    """What is asked for at one moment; `signal` is a station's, `stations` an access point's."""

    device: str
    role: str  # station, access point
    state: str  # in the words of wpa_supplicant or hostapd
    ssid: str | None
    bssid: str | None
    channel: int | None
    security: str | None
    signal: LinkSignal | None
    stations: tuple[AssociatedStation, ...] = ()


class View:
    """What is told of a radio; each kind of view shows it in its way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to undo."""

    def reading(self, reading: Reading) -> None:
        raise NotImplementedError

    def event(self, what: str, detail: str = "") -> None:
        raise NotImplementedError


class Screen(View):
    """For people."""

    def __init__(self, console: Console, device: str, interval_s: float) -> None:
        self._console, self._device, self._interval_s = console, device, interval_s
        self._last: Reading | None = None
        self._away = ""  # since when
        self._rssi: deque[int | None] = deque(maxlen=HISTORY)
        self._events: deque[Text] = deque(maxlen=EVENTS)
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

    def reading(self, reading: Reading) -> None:
        self._last, self._away = reading, ""
        self._rssi.append(reading.signal.rssi_dbm if reading.signal else None)
        self._show(Text(f"{_clock()}  {'  '.join(_place(reading))}"))

    def event(self, what: str, detail: str = "") -> None:
        line = Text(f"{_clock()}  ").append(what, style=COLOURS.get(what, "")).append(f"  {detail}" if detail else "")
        said_already = what == "away" and bool(self._away)
        if what == "away":
            self._away = self._away or _clock()
        if said_already or (self._live and what in UNSEEN):
            return
        self._events.append(line)
        self._show(line)

    def _show(self, line: Text) -> None:
        if self._live:
            self._live.update(self.picture(), refresh=True)
        else:
            self._console.print(line, soft_wrap=True)

    def picture(self) -> RenderableType:
        """All of it, as it stands."""
        parts: list[RenderableType] = []
        title = f"{self._device}  {self._last.role}" if self._last else self._device
        if self._away:
            parts.append(Text(f"its program is away since {self._away}", style="red"))
        elif self._last:
            parts += _now(self._last)
            if self._last.role == "station":
                parts.append(_line(self._rssi))
        if self._events:
            parts.append(Text(""))
        for event in self._events:
            event.no_wrap, event.overflow = True, "ellipsis"
        return Panel(
            Group(*parts, *self._events),
            title=title,
            title_align="left",
            subtitle=f"every {self._interval_s:g} s; Ctrl-C leaves",
            subtitle_align="right",
            width=min(self._console.width, WIDTH),
        )


def _now(reading: Reading) -> list[RenderableType]:
    """State and network, then the signal or the stations."""
    state, *rest = _place(reading, with_signal=False)
    head = Text(state, style="bold green" if reading.state in GOOD else "bold yellow")
    head.append("".join(f"  {part}" for part in rest), "not bold default")
    if reading.role == "station":
        return [head, _bar(reading.signal)]
    shown = [Text(_station(one)) for one in reading.stations[:STATIONS]]
    if more := len(reading.stations) - len(shown):
        shown.append(Text(f"and {more} more", style="dim"))
    return [head, *(shown or [Text("no station", style="dim")])]


def _place(reading: Reading, *, with_signal: bool = True) -> list[str]:
    parts = [
        reading.state,
        None if reading.ssid is None else f"`{reading.ssid}`",
        reading.bssid,
        None if reading.channel is None else f"channel {reading.channel}",
        reading.security,
    ]
    if with_signal and reading.role == "station":
        parts.append(f"{reading.signal.rssi_dbm} dBm" if reading.signal else "no signal")
    elif with_signal:
        parts += [_station(one) for one in reading.stations] or ["no station"]
    return [part for part in parts if part]


def _station(one: AssociatedStation) -> str:
    signal = "" if one.signal_dbm is None else f" {one.signal_dbm} dBm"
    return f"{one.address}{signal}" + ("" if one.authorized else " (not authorized)")


def _bar(signal: LinkSignal | None) -> Text:
    if signal is None:
        return Text("no signal", style="red")
    share = _share(signal.rssi_dbm)
    style = "red" if share < 1 / 3 else "yellow" if share < 2 / 3 else "green"
    full = round(share * BAR)
    text = Text(f"RSSI {signal.rssi_dbm} dBm  ").append("█" * full, style=style).append("░" * (BAR - full), style="dim")
    if signal.rate_mbit_s is not None:
        text.append(f"  {signal.rate_mbit_s} Mbit/s")
    return text


def _line(values: deque[int | None]) -> Text:
    """The signal in time, newest at the right; a gap where there was none."""
    marks = "".join(" " if one is None else BLOCKS[min(int(_share(one) * 8), 7)] for one in values)
    return Text(marks.ljust(HISTORY), style="cyan").append(f"  RSSI, {WORST_DBM} to {BEST_DBM} dBm", style="dim")


def _share(dbm: float) -> float:
    return min(max((dbm - WORST_DBM) / (BEST_DBM - WORST_DBM), 0.0), 1.0)


def _clock() -> str:
    return time.strftime("%H:%M:%S")
