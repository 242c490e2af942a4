"""Every fault that can be injected, fired."""

from __future__ import annotations

import pytest
from virtual_modem import VirtualModem, card

from drivers.virtual.faults import KINDS, Fault


@pytest.fixture
def modem() -> VirtualModem:
    modem = VirtualModem(sim=card())
    modem.at("ATE0;+CMEE=1")
    return modem


def test_no_answer(modem: VirtualModem) -> None:
    modem.firmware.inject(Fault("silent", "+CSQ"))
    assert modem.at("AT+CMEE?") == ["+CMEE: 1", "OK"]  # another command is none of its business
    assert modem.at("AT+CSQ") == []
    assert modem.at("AT+CSQ") == ["+CSQ: 26,99", "OK"]


def test_a_late_answer_holds_up_what_follows(modem: VirtualModem) -> None:
    modem.firmware.inject(Fault("late", "+CSQ", seconds=3.0))
    begun = modem.now
    modem.type("AT+CSQ\rAT+CMEE?\r")
    assert modem.settle(2.9) == []
    assert modem.settle(0.2) == ["+CSQ: 26,99", "OK", "+CMEE: 1", "OK"]
    assert modem.now - begun == pytest.approx(3.1)


def test_garbage_in_an_answer(modem: VirtualModem) -> None:
    modem.firmware.inject(Fault("garbage", data=b"\xff\x00\x81", at=5))
    assert modem.type("AT+CSQ\r") == b"\r\n+CS\xff\x00\x81Q: 26,99\r\n\r\nOK\r\n"


@pytest.mark.parametrize("at", range(12))
def test_an_answer_breaks_off(modem: VirtualModem, at: int) -> None:
    modem.firmware.inject(Fault("half", at=at))
    assert modem.type("AT+CSQ\r") == b"\r\n+CSQ: 26,99\r\n"[:at]
    assert modem.type("AT\r") == b"\r\nOK\r\n"


def test_an_error_in_place_of_the_command(modem: VirtualModem) -> None:
    modem.firmware.inject(Fault("error", "+CMEE=2", code=100))
    modem.firmware.inject(Fault("error", "+CSQ"))
    assert modem.at("AT+CMEE=2") == ["+CME ERROR: 100"]
    assert modem.at("AT+CMEE?") == ["+CMEE: 1", "OK"]
    assert modem.at("AT+CSQ") == ["ERROR"]


def test_an_event_in_the_middle_of_a_line(modem: VirtualModem) -> None:
    modem.firmware.inject(Fault("urc", data=b"+CREG: 2", at=8))
    assert modem.type("AT+CSQ\r") == b"\r\n+CSQ: \r\n+CREG: 2\r\n26,99\r\n\r\nOK\r\n"


def test_a_wrong_echo(modem: VirtualModem) -> None:
    modem.at("ATE1")
    modem.firmware.inject(Fault("wrong-echo"))
    assert modem.type("AT\r")[:2] == bytes((ord("A") ^ 0x7F, ord("T") ^ 0x7F))
    assert modem.type("AT\r")[:2] == b"AT"


@pytest.mark.parametrize("at", range(1, 7))
def test_it_vanishes_while_it_is_written_to(modem: VirtualModem, at: int) -> None:
    fault = Fault("vanish", at=at, direction="in")
    modem.firmware.inject(fault)
    heard = b"".join(modem.type(character) for character in "AT+CSQ\r"[:at])
    assert heard == b""
    assert (modem.actions[-1], fault.fired) == ("vanish", 1)


@pytest.mark.parametrize("at", range(20))
def test_it_vanishes_while_it_answers(modem: VirtualModem, at: int) -> None:
    modem.firmware.inject(Fault("vanish", at=at))
    assert modem.type("AT+CSQ\r") == b"\r\n+CSQ: 26,99\r\n\r\nOK\r\n"[:at]
    assert modem.actions[-1] == "vanish"


def test_a_reboot_in_place_of_an_answer(modem: VirtualModem) -> None:
    modem.firmware.inject(Fault("reboot", "+CSQ"))
    assert modem.at("AT+CSQ") == []
    assert modem.actions[-1] == "reboot"
    modem.firmware.power_off(modem.now)
    assert modem.at("AT") == []
    modem.firmware.power_on(modem.now)
    assert "RDY" in modem.settle()
    assert modem.at("AT") == ["OK"]


def test_a_fault_fires_as_often_as_it_says(modem: VirtualModem) -> None:
    fault = Fault("silent", times=3)
    modem.firmware.inject(fault)
    assert [modem.at("AT") for _ in range(4)] == [[], [], [], ["OK"]]
    assert (fault.fired, fault.used_up) == (3, True)


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault nonsense; there are silent"):
        Fault("nonsense")  # type: ignore[arg-type]


def test_each_kind_has_a_test_above() -> None:
    assert set(KINDS) == {"silent", "late", "garbage", "half", "error", "urc", "wrong-echo", "vanish", "reboot"}
