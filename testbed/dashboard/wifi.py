"""`testbed wifi watch` on the terminal: network and signal above, the signal in time, what happened below.

Drawn when something is told and never by itself.  Where the output is no terminal, it is a line for each.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.text import Text

from drivers.protocols import AssociatedStation
from drivers.wifi.reports import LinkSignal
from testbed.dashboard.radio import HISTORY, RadioScreen, RadioView, bar, clock, in_time, share

EVENTS, STATIONS = 10, 8
RANGE_DBM = (-90.0, -30.0)
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


class View(RadioView):
    """What is told of a radio; each kind of view shows it in its way."""

    def reading(self, reading: Reading) -> None:
        raise NotImplementedError

    def event(self, what: str, detail: str = "") -> None:
        raise NotImplementedError


class Screen(RadioScreen, View):
    """For people."""

    def __init__(self, console: Console, device: str, interval_s: float) -> None:
        super().__init__(console, interval_s, EVENTS)
        self._device = device
        self._last: Reading | None = None
        self._rssi: deque[int | None] = deque(maxlen=HISTORY)

    def reading(self, reading: Reading) -> None:
        self._last, self._away = reading, ""
        self._rssi.append(reading.signal.rssi_dbm if reading.signal else None)
        self._show(Text(f"{clock()}  {'  '.join(_place(reading))}"))

    def event(self, what: str, detail: str = "") -> None:
        line = Text(f"{clock()}  ").append(what, style=COLOURS.get(what, "")).append(f"  {detail}" if detail else "")
        said_already = what == "away" and bool(self._away)
        if what == "away":
            self._away = self._away or clock()
        if said_already or (self._live and what in UNSEEN):
            return
        self._events.append(line)
        self._show(line)

    def picture(self) -> RenderableType:
        """All of it, as it stands."""
        parts: list[RenderableType] = []
        title = f"{self._device}  {self._last.role}" if self._last else self._device
        if self._away:
            parts.append(Text(f"its program is away since {self._away}", style="red"))
        elif self._last:
            parts += _now(self._last)
            if self._last.role == "station":
                parts.append(in_time(self._rssi, "RSSI", *RANGE_DBM))
        for event in self._events:
            event.no_wrap, event.overflow = True, "ellipsis"
        return self._framed(title, parts)


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
    text = Text(f"RSSI {signal.rssi_dbm} dBm  ").append_text(bar(share(signal.rssi_dbm, *RANGE_DBM)))
    if signal.rate_mbit_s is not None:
        text.append(f"  {signal.rate_mbit_s} Mbit/s")
    return text
