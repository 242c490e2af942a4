"""The stand-in for a network: what it answers, when, and what it no longer answers."""

from __future__ import annotations

from virtual_modem import IMS, IMSI, INTERNET, VirtualModem, card

from drivers.virtual.network import (
    Attach,
    Cell,
    ConfiguredNetwork,
    Connect,
    CoverageBack,
    CoverageLost,
    Detach,
    Registered,
)

NOW = 50.0


def network() -> ConfiguredNetwork:
    return ConfiguredNetwork({"internet": INTERNET, "ims": IMS}, attach_s=0.2, connect_s=0.1)


def test_an_answer_comes_after_its_delay() -> None:
    own = network()
    own.ask(Attach(IMSI), NOW)
    assert own.deadline == NOW + 0.2
    assert own.tick(NOW + 0.1) == []
    assert own.tick(NOW + 0.2) == [Registered(Cell())]
    assert own.deadline is None


def test_a_modem_that_left_is_not_answered() -> None:
    own = network()
    own.ask(Attach(IMSI), NOW)
    own.ask(Connect(1, "", "IP"), NOW)
    own.ask(Detach(), NOW)
    assert own.deadline is None


def test_coverage_that_goes_takes_answers_with_it_and_is_told_even_if_it_is_back_at_once() -> None:
    own = network()
    own.ask(Attach(IMSI), NOW)
    own.cover(False, NOW)
    own.cover(True, NOW)
    assert own.tick(NOW + 60) == [CoverageLost(), CoverageBack()]


def test_nobody_is_answered_without_coverage() -> None:
    own = network()
    own.cover(False, NOW)
    assert own.tick(NOW) == [CoverageLost()]
    own.ask(Attach(IMSI), NOW)
    assert own.deadline is None


def test_a_modem_in_airplane_mode_takes_no_late_answer_to_its_attaching() -> None:
    modem = VirtualModem(sim=card())
    modem.at("AT+CFUN=4")
    modem.firmware.told(Registered(Cell()), modem.now)
    assert modem.at("AT+CEREG?") == ["+CEREG: 0,0", "OK"]
