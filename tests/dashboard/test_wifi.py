"""`testbed wifi watch` on a terminal: what stands there, in which units, and how one leaves."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from drivers.protocols import AssociatedStation
from drivers.wifi.reports import LinkSignal
from testbed.dashboard.wifi import HISTORY, STATIONS, Reading, Screen

AP, UE = "02:00:5e:10:00:01", "02:00:5e:10:00:03"


class Terminal:
    """A screen on a terminal without colours."""

    def __init__(self, width: int = 100, *, terminal: bool = True) -> None:
        self.written = io.StringIO()
        self._console = Console(
            file=self.written, force_terminal=terminal, width=width, color_system=None, highlight=False
        )
        self.screen = Screen(self._console, "wlan0", 2.0)

    def reads(self, rssi_dbm: int | None = -57) -> None:
        signal = None if rssi_dbm is None else LinkSignal(rssi_dbm, None, None, 2412, 54)
        state = "SCANNING" if signal is None else "COMPLETED"
        self.screen.reading(Reading("wlan0", "station", state, "rig", AP, 1, "SAE", signal))

    def shows(self) -> list[str]:
        with self._console.capture() as captured:
            self._console.print(self.screen.picture())
        return captured.get().splitlines()


def test_network_and_signal_have_units_and_the_screen_says_how_one_leaves() -> None:
    terminal = Terminal()
    terminal.reads()
    text = "\n".join(terminal.shows())
    for part in ("wlan0  station", "RSSI -57 dBm", "54 Mbit/s", "RSSI, -90 to -30 dBm", "every 2 s; Ctrl-C leaves"):
        assert part in text, part
    assert f"COMPLETED  `rig`  {AP}  channel 1  SAE" in text
    terminal.reads(None)
    assert "no signal" in "\n".join(terminal.shows())


@pytest.mark.parametrize("width", [80, 132])
def test_no_line_is_broken_whose_history_is_full_or_whose_event_is_long(width: int) -> None:
    terminal = Terminal(width)
    terminal.screen.event("note", "WPA: Key negotiation completed with " + "x" * 200)
    terminal.reads()
    few = len(terminal.shows())
    for _ in range(HISTORY):
        terminal.reads()
    assert len(terminal.shows()) == few


def test_an_access_points_stations_are_listed_and_the_rest_counted() -> None:
    terminal = Terminal()
    stations = tuple(AssociatedStation(UE, -43, True, 1, 0) for _ in range(STATIONS + 2))
    terminal.screen.reading(Reading("wlan0", "access point", "ENABLED", "rig", AP, 6, None, None, stations))
    text = "\n".join(terminal.shows())
    assert f"{UE} -43 dBm" in text and "and 2 more" in text and "RSSI" not in text


def test_a_program_that_is_away_is_said_once_and_housekeeping_pushes_no_event_out() -> None:
    terminal = Terminal()
    terminal.reads()
    terminal.screen.event("disconnected", "reason 3")
    for _ in range(20):
        terminal.screen.event("away", "it has ended")
        terminal.screen.event("CTRL-EVENT-BSS-ADDED", "0")
    text = "\n".join(terminal.shows())
    assert "its program is away since" in text and "disconnected  reason 3" in text
    assert text.count("it has ended") == 1 and "BSS-ADDED" not in text
    terminal.reads()
    assert "away since" not in "\n".join(terminal.shows())


def test_where_there_is_no_terminal_each_reading_and_event_is_a_line() -> None:
    terminal = Terminal(40, terminal=False)
    terminal.reads()
    terminal.screen.event("scan-results")
    first, second = terminal.written.getvalue().splitlines()
    assert first.endswith(f"COMPLETED  `rig`  {AP}  channel 1  SAE  -57 dBm")
    assert "scan-results" in second
