"""The dialogue of a virtual modem: echo, result codes, errors, what waits and what is said by itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_modem import IMEI, SUBSCRIPTION, VirtualModem, card

from drivers.virtual.card_files import Subscription
from drivers.virtual.models import MODELS
from drivers.virtual.state import Signal
from drivers.virtual.vendors import DIALECTS

LOCKED = Subscription(SUBSCRIPTION.imsi, SUBSCRIPTION.iccid, pin="1234")


@pytest.fixture
def modem() -> VirtualModem:
    return VirtualModem(sim=card())


def test_echo_comes_character_by_character_until_it_is_switched_off(modem: VirtualModem) -> None:
    assert modem.type("AT") == b"AT"
    assert modem.type("E0\r") == b"E0\r\r\nOK\r\n"
    assert modem.type("AT\r") == b"\r\nOK\r\n"


def test_result_codes_in_digits(modem: VirtualModem) -> None:
    modem.at("ATE0V0")
    assert modem.type("AT\r") == b"0\r"
    assert modem.type("AT+NONSENSE\r") == b"4\r"
    assert modem.type("AT+CSQ\r") == b"+CSQ: 26,99\r\n0\r"


def test_a_quiet_modem_says_what_it_is_asked_and_no_result(modem: VirtualModem) -> None:
    modem.at("ATE0Q1")
    assert modem.type("AT\r") == b""
    assert modem.type("AT+CSQ\r") == b"\r\n+CSQ: 26,99\r\n"


def test_a_line_stops_at_the_first_command_that_fails(modem: VirtualModem) -> None:
    assert modem.at("AT+CSQ;+NONSENSE;+CMEE=2") == ["+CSQ: 26,99", "ERROR"]
    assert modem.at("AT+CMEE?") == ["+CMEE: 0", "OK"]


@pytest.mark.parametrize(("cmee", "text"), [(0, "ERROR"), (1, "+CME ERROR: 10"), (2, "+CME ERROR: SIM not inserted")])
def test_errors_are_told_as_cmee_says(cmee: int, text: str) -> None:
    modem = VirtualModem(sim=None)
    modem.at(f"AT+CMEE={cmee}")
    assert modem.at("AT+CPIN?") == [text]


def test_it_registers_by_itself_and_has_its_default_bearer(modem: VirtualModem) -> None:
    assert modem.at("AT+CEREG?") == ["+CEREG: 0,1", "OK"]
    assert modem.at("AT+CEREG=2;+CEREG?") == ['+CEREG: 2,1,"0001","00000101",7', "OK"]
    assert modem.at("AT+CGACT?") == ["+CGACT: 1,1", "OK"]
    assert modem.at("AT+COPS=3,2;+COPS?") == ['+COPS: 0,2,"00101",7', "OK"]
    assert modem.at("AT+CGPADDR=1") == ['+CGPADDR: 1,"10.1.0.2"', "OK"]


def test_a_pin_is_wanted_before_it_registers() -> None:
    modem = VirtualModem(sim=card(LOCKED))
    modem.at("AT+CMEE=1;+CEREG=1")
    assert modem.at("AT+CPIN?") == ["+CPIN: SIM PIN", "OK"]
    assert modem.at("AT+CIMI") == ["+CME ERROR: 11"]
    assert modem.at("AT+CEREG?") == ["+CEREG: 1,0", "OK"]
    assert modem.at('AT+CPIN="0000"') == ["+CME ERROR: 16"]
    assert modem.at('AT+CPIN="1234"') == ["OK", "+CPIN: READY", "+CEREG: 2"]
    assert modem.settle() == ["+CEREG: 1"]
    assert modem.at("AT+CIMI") == [SUBSCRIPTION.imsi, "OK"]


def test_three_wrong_pins_need_the_puk() -> None:
    modem = VirtualModem(sim=card(LOCKED))
    modem.at("AT+CMEE=1")
    answers = [modem.at("AT+CPIN=9999")[-1] for _ in range(3)]
    assert answers == ["+CME ERROR: 16", "+CME ERROR: 16", "+CME ERROR: 12"]
    assert modem.at("AT+CPIN?") == ["+CPIN: SIM PUK", "OK"]
    assert modem.at('AT+CPIN="12345678","4321"') == ["OK", "+CPIN: READY"]
    assert modem.at("AT+CPIN?") == ["+CPIN: READY", "OK"]


def test_a_registration_that_is_refused_says_why() -> None:
    modem = VirtualModem(sim=card(), boot=False)
    modem.network.attach_cause = 11
    modem.firmware.power_on(modem.now)
    modem.settle()
    assert modem.at("AT+CEREG=3;+CEREG?") == ["+CEREG: 3,3,,,,0,11", "OK"]
    modem.at("AT+CMEE=1")
    assert modem.at("AT+CGATT=1") == ["+CEREG: 2", "+CEREG: 3,,,,0,11", "+CME ERROR: 111"]


def test_coverage_goes_and_comes_back(modem: VirtualModem) -> None:
    modem.at("AT+CEREG=2;+CGEREP=2")
    modem.network.cover(False, modem.now)
    assert modem.settle() == ["+CGEV: ME PDN DEACT 1", "+CEREG: 2"]
    assert modem.at("AT+CSQ") == ["+CSQ: 99,99", "OK"]
    modem.network.cover(True, modem.now)
    assert modem.settle() == ['+CEREG: 1,"0001","00000101",7', "+CGEV: ME PDN ACT 1"]


def test_airplane_mode_leaves_the_network_and_comes_back(modem: VirtualModem) -> None:
    modem.at("AT+CEREG=1;+CGEREP=1")
    assert modem.at("AT+CFUN=4") == ["OK", "+CGEV: ME PDN DEACT 1", "+CGEV: ME DETACH", "+CEREG: 0"]
    assert modem.at("AT+CFUN?") == ["+CFUN: 4", "OK"]
    assert modem.at("AT+CFUN=1") == ["OK", "+CEREG: 2"]
    assert modem.settle() == ["+CEREG: 1", "+CGEV: ME PDN ACT 1"]


def test_an_event_does_not_break_into_a_half_typed_line(modem: VirtualModem) -> None:
    modem.at("ATE0;+CEREG=1")
    modem.type("AT+CS")
    modem.network.cover(False, modem.now)
    assert modem.settle() == []
    assert modem.at("Q") == ["+CSQ: 99,99", "OK", "+CEREG: 2"]


def test_an_event_comes_while_a_command_waits(modem: VirtualModem) -> None:
    modem.at('AT+CGEREP=2;+CGDCONT=2,"IPV4V6","ims"')
    assert modem.at("AT+CGACT=1,2") == ["+CGEV: ME PDN ACT 2", "OK"]


def test_what_is_typed_while_a_command_waits_is_run_afterwards(modem: VirtualModem) -> None:
    modem.at('ATE0;+CGDCONT=2,"IPV4V6","ims"')
    modem.type("AT+CGACT=1,2\r")
    assert modem.type("AT+CMEE?\r") == b""
    assert modem.settle() == ["OK", "+CMEE: 0", "OK"]


def test_a_reset_is_asked_for_after_ok(modem: VirtualModem) -> None:
    assert modem.at("AT+CFUN=1,1") == ["OK"]
    assert modem.actions[-1] == "reboot"


def test_the_signal_is_told_when_it_changes(modem: VirtualModem) -> None:
    modem.at('AT+QINDCFG="csq",1')
    modem.firmware.set_signal(Signal(rsrp_dbm=-120, rsrq_db=-18, sinr_db=-5, rssi_dbm=-91), modem.now)
    assert modem.settle() == ['+QIND: "csq",11,99']
    assert modem.at("AT+QCSQ") == ['+QCSQ: "LTE",-91,-120,75,-18', "OK"]
    assert modem.at("AT+CESQ") == ["+CESQ: 99,99,255,255,4,21", "OK"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_says_who_it_is(name: str) -> None:
    modem = VirtualModem(name, card())
    known = MODELS[name]
    assert modem.at("AT+CGMI") == [known.manufacturer, "OK"]
    assert modem.at("AT+CGMM;+CGMR;+CGSN") == [known.model, known.revision, IMEI, "OK"]
    assert known.model in " ".join(modem.at("ATI"))


COMMANDS = sorted({(name, command) for name in MODELS for command in DIALECTS[MODELS[name].dialect].commands})
PARAMETERS = st.lists(
    st.sampled_from(["", "0", "1", "2", "3", "99", '"IP"', '"ims"', '"', "x", "-1", '"A0000000871004"'])
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(COMMANDS), st.sampled_from(["", "?", "=?", "="]), PARAMETERS, st.booleans())
def test_any_parameters_of_any_command_are_answered(
    command: tuple[str, str], form: str, parameters: list[str], has_card: bool
) -> None:
    modem = VirtualModem(command[0], card() if has_card else None)
    modem.at("ATE0")
    answer = modem.at(f"AT{command[1]}{form}{','.join(parameters) if form == '=' else ''}")
    assert answer or command[1] in ("Q", "V", "E")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_leave_a_modem_that_answers(chunks: list[bytes]) -> None:
    modem = VirtualModem(sim=card())
    for chunk in chunks:
        modem.type(chunk.decode("latin-1"))
    modem.settle()
    modem.type("\r")
    modem.settle(1000)
    if modem.firmware.on and "reboot" not in modem.actions:
        modem.type("ATE0V1Q0&F\r")
        assert modem.at("AT") == ["OK"]
