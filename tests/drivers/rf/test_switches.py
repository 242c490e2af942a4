"""Relays and the power of USB ports.

The Numato board is at a pseudo terminal.  `usbrelay` and `uhubctl` are Debian's own where no hardware is needed (to say
that there is none); otherwise scripts stand in for them that print what the tools print.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from numato_board import NumatoBoard

from drivers.host.errors import CommandFailed
from drivers.host.local import LocalHost
from drivers.protocols import PowerSwitch
from drivers.rf.errors import Garbled, LeverError, NotTaken, OutOfRange, Silent, Unreachable
from drivers.rf.numato import NumatoRelay
from drivers.rf.usb_power import UsbPortPower, port_states
from drivers.rf.usbrelay import UsbRelay

USBRELAY = """#!/bin/sh
for action; do name=${action%=*}; grep -q "^$name=" FILE && sed -i "s/^$name=.*/$action/" FILE; done
[ $# -gt 0 ] || cat FILE
"""
UHUBCTL = """#!/bin/sh
location= port= action=
while [ $# -gt 0 ]; do case $1 in -l) location=$2;; -p) port=$2;; -a) action=$2;; esac; shift 2; done
[ "$location" = 1-1 ] || { echo "No compatible devices detected at location $location!" >&2; exit 1; }
hub="hub 1-1 [2109:3431 USB2.0 Hub, USB 2.10, 4 ports, KIND]"
show() { echo "$1 status for $hub"; echo "  Port $port: $(cat FILE)"; }
show Current
[ "$action" ] || exit 0
if [ "$action" = off ]; then echo '0000 off' >FILE; else echo '0103 power enable connect []' >FILE; fi
echo "Sent power $action request"
show New
"""


@pytest.fixture
def board() -> Iterator[NumatoBoard]:
    with NumatoBoard() as board:
        yield board


def tool(folder: Path, name: str, script: str) -> LocalHost:
    """A host on which a tool is a script of ours; it keeps its state in `folder/state`."""
    (folder / name).write_text(script.replace("FILE", str(folder / "state")))
    (folder / name).chmod(0o755)
    return LocalHost()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def toggles(switch: PowerSwitch) -> None:
    for on in (True, True, False, True, False):
        switch.set_on(on)
        assert switch.is_on() == on


def test_a_numato_relay_is_switched_and_read_back(board: NumatoBoard) -> None:
    with NumatoRelay(board.port, 12) as relay:
        toggles(relay)
        relay.set_on(True)
    assert [number for number, closed in enumerate(board.closed) if closed] == [12]


def test_at_the_normally_closed_contact_on_is_an_open_relay(board: NumatoBoard) -> None:
    with NumatoRelay(board.port, 0, closed_is_on=False) as relay:
        assert relay.is_on()
        relay.set_on(False)
        assert board.closed[0]
        assert relay.states() == [True]
        relay.restore([False])
        assert relay.is_on()


def test_what_another_program_left_half_typed_does_no_harm(board: NumatoBoard) -> None:
    board.type(b"relay on 3 and then it di")
    with NumatoRelay(board.port, 5) as relay:
        relay.set_on(True)
    assert board.closed.index(True) == 5


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("stuck", NotTaken), ("garbage", (Garbled, NotTaken)), ("silent", Silent), ("gone", Unreachable)],
)
def test_a_board_that_misbehaves_is_named(board: NumatoBoard, fault: str, kind: type[LeverError]) -> None:
    with NumatoRelay(board.port, 1) as relay:
        relay.set_on(False)
        board.fault = fault
        if fault == "gone":
            board.unplug()
        with pytest.raises(kind, match=f"relay 1 at {board.port}"):
            relay.set_on(True)


def test_a_port_that_is_not_there_and_a_relay_that_no_board_has(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cannot be opened"):
        NumatoRelay(str(tmp_path / "none"), 0)
    with pytest.raises(OutOfRange, match="no relay 40"):
        NumatoRelay("/dev/null", 40)


def test_a_usb_relay_is_switched_and_read_back(path: Path) -> None:
    (path / "state").write_text("HURTM_1=0\nHURTM_2=1\n")
    relay = UsbRelay(tool(path, "usbrelay", USBRELAY), "HURTM_1")
    toggles(relay)
    relay.set_on(True)
    assert (path / "state").read_text() == "HURTM_1=1\nHURTM_2=1\n"


def test_a_usb_relay_that_does_not_move(path: Path) -> None:
    (path / "state").write_text("HURTM_1=0\n")
    stuck = USBRELAY.replace("sed", ": sed")
    with pytest.raises(NotTaken, match="was told to close"):
        UsbRelay(tool(path, "usbrelay", stuck), "HURTM_1").set_on(True)


def test_a_usb_relay_that_is_not_there_is_told_with_those_that_are(path: Path) -> None:
    (path / "state").write_text("HURTM_1=0\nHURTM_2=1\n")
    with pytest.raises(Unreachable, match=r"there are HURTM_1, HURTM_2"):
        UsbRelay(tool(path, "usbrelay", USBRELAY), "HURTM_3").set_on(True)


@pytest.mark.skipif(not shutil.which("usbrelay"), reason="no usbrelay")
def test_debians_usbrelay_without_a_module() -> None:
    with pytest.raises((Unreachable, CommandFailed)):
        UsbRelay(LocalHost(), "NOBODYHASTHIS_1").is_on()


def test_the_power_of_a_usb_port(path: Path) -> None:
    (path / "state").write_text("0103 power enable connect [2c7c:0125 Quectel EC25]\n")
    port = UsbPortPower(tool(path, "uhubctl", UHUBCTL.replace("KIND", "ppps")), "1-1", 2)
    assert port.is_on()
    toggles(port)


def test_a_hub_that_switches_all_its_ports_together_is_refused(path: Path) -> None:
    (path / "state").write_text("0103 power enable connect []\n")
    port = UsbPortPower(tool(path, "uhubctl", UHUBCTL.replace("KIND", "ganged")), "1-1", 2)
    with pytest.raises(LeverError, match="all its ports together"):
        port.is_on()


def test_a_hub_that_is_not_there(path: Path) -> None:
    (path / "state").touch()
    port = UsbPortPower(tool(path, "uhubctl", UHUBCTL), "1-7", 2)
    with pytest.raises(Unreachable, match="No compatible devices detected at location 1-7!"):
        port.set_on(False)


@pytest.mark.skipif(not shutil.which("uhubctl"), reason="no uhubctl")
def test_debians_uhubctl_says_that_there_is_no_such_hub() -> None:
    with pytest.raises(Unreachable, match="No compatible devices"):
        UsbPortPower(LocalHost(), "99-99", 1).is_on()


def test_a_tool_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for switch in (UsbPortPower(LocalHost(), "1-1", 1), UsbRelay(LocalHost(), "A_1")):
        with pytest.raises(Exception, match=r"mend: install the program that has `u\w+`"):
            switch.is_on()


def test_only_the_line_of_the_right_hub_and_port_counts() -> None:
    printed = (
        "Current status for hub 1-1 [2109:3431 Generic 4-Port USB 2.0 Hub, USB 2.00, 4 ports, ppps]\n"
        "  Port 2: 0103 power enable connect [046d:c52b Logitech, Inc. Unifying Receiver]\n"
        "Sent power off request\n"
        "New status for hub 1-1 [2109:3431 Generic 4-Port USB 2.0 Hub, USB 2.00, 4 ports, ppps]\n"
        "  Port 2: 0000 off\n"
        "Current status for hub 2-1 [1d6b:0003 Generic 4-Port USB 3.0 Hub, USB 3.00, 4 ports, ppps]\n"
        "  Port 2: 02a0 power 5gbps Rx.Detect\n"
    )
    assert port_states(printed, "1-1", 2) == [
        "power enable connect [046d:c52b Logitech, Inc. Unifying Receiver]",
        "off",
    ]
    assert port_states(printed, "1-1", 1) == []
