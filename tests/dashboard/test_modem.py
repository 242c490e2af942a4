"""`testbed modem watch` on a terminal: what stands there, in which units, and how one leaves."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from drivers.modem.levels import Signal
from testbed.dashboard.modem import HISTORY, Reading, Screen

SIGNAL = Signal(rsrp_dbm=-118.0, rsrq_db=-10.0, sinr_db=15.0, rssi_dbm=-60.0)


class Terminal:
    """A screen on a terminal without colours."""

    def __init__(self, width: int = 80, *, terminal: bool = True) -> None:
        written = io.StringIO()
        self.console = Console(file=written, force_terminal=terminal, width=width, color_system=None, highlight=False)
        self.screen, self.written = Screen(self.console, "/dev/modem", 2.0), written

    def reads(self, signal: Signal = SIGNAL, active: tuple[int, ...] = (1, 2)) -> None:
        self.screen.reading(Reading("Quectel", "EC25", "registered", "Rig", "LTE", 1, 0x101, signal, active))

    def shows(self) -> list[str]:
        with self.console.capture() as captured:
            self.console.print(self.screen.picture())
        return captured.get().splitlines()


def test_levels_have_units_and_the_screen_says_how_one_leaves() -> None:
    terminal = Terminal()
    terminal.reads()
    text = "\n".join(terminal.shows())
    for part in ("Quectel EC25", "-118 dBm", "-10 dB", "15 dB", "RSRP, -125 to -75 dBm", "every 2 s; Ctrl-C leaves"):
        assert part in text, part
    assert "registered  Rig  LTE  area 0001  cell 0000101  context 1, 2 active" in text
    terminal.reads(Signal(), ())
    text = "\n".join(terminal.shows())
    assert "no signal" in text and "no context active" in text


@pytest.mark.parametrize("width", [80, 132])
def test_no_line_is_broken_whose_history_is_full(width: int) -> None:
    terminal = Terminal(width)
    terminal.reads()
    few = len(terminal.shows())
    for _ in range(HISTORY):
        terminal.reads()
    assert len(terminal.shows()) == few


def test_a_modem_that_is_away_is_said_once_and_pushes_no_event_out() -> None:
    terminal = Terminal()
    terminal.reads()
    terminal.screen.event("context-up", cid=1)
    terminal.screen.event("gone")
    for _ in range(20):
        terminal.screen.event("away", "the port is not back after 5 s")
    lines = terminal.shows()
    assert sum("away since" in line for line in lines) == 1
    assert [line.split()[2:4] for line in lines if line[2:4].isdigit()] == [["context-up", "1"], ["gone", "│"]]
    terminal.reads()
    assert not any("away since" in line for line in terminal.shows())


def test_where_there_is_no_terminal_everything_is_a_line() -> None:
    terminal = Terminal(terminal=False)
    terminal.reads()
    terminal.screen.event("away", "the port is not back after 5 s")
    said = terminal.written.getvalue().splitlines()
    assert len(said) == 2
    assert said[0].endswith("RSRP -118 dBm  RSRQ -10 dB  SINR 15 dB  RSSI -60 dBm") and "away" in said[1]
