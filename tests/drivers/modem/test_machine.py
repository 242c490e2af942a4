"""The modem's state from what it says: registration of several domains, signal, contexts, cards, coming and going."""

from __future__ import annotations

import random

import pytest
from garbled import garbled, line
from hypothesis import given
from hypothesis import strategies as st

from drivers.modem.machine import ModemMachine
from drivers.modem.responses.table import PARSERS, parse


def said(machine: ModemMachine, *lines: str) -> list[tuple[str, str]]:
    return [(event.what, event.detail) for text in lines for event in machine.line(text, 1.0)]


def with_contexts(*cids: int) -> ModemMachine:
    machine = ModemMachine()
    for cid in cids:
        machine.up(cid, 0.0)
    return machine


def test_a_registration_is_told_when_it_changes_and_only_then() -> None:
    machine = ModemMachine()
    lines = [
        "+CEREG: 2",
        '+CEREG: 1,"04BE","019E7703",7',
        '+CEREG: 1,"04BE","019E7704",7',
        "+CEREG: 5",
        "+CEREG: 3",
        "+CEREG: 0",
    ]
    assert [what for what, _ in said(machine, *lines)] == [
        "searching",
        "registered",
        "roaming",
        "denied",
        "unregistered",
    ]


def test_packet_domains_decide_and_the_best_of_them() -> None:
    machine = ModemMachine()
    assert said(machine, "+CREG: 1") == [("registered", "")]
    assert said(machine, "+CGREG: 2") == [("searching", "")], "the circuit-switched domain counts only alone"
    assert said(machine, "+CEREG: 5") == [("roaming", "")]
    assert said(machine, "+CGREG: 0") == []
    assert said(machine, "+C5GREG: 1") == [("registered", "")]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("+CGEV: NW PDN DEACT 2", "deactivated by the network"),
        ("+CGEV: ME PDN DEACT 2", "deactivated by the modem"),
        ("+CGEV: NW DEACT IP, 10.0.0.1, 2", "deactivated by the network"),
        ("+CGEV: NW DETACH", "detached by the network"),
        ("+CGEV: ME DETACH", "detached by the modem"),
        ("^NDISSTAT: 0,,,IPV4", "the data call ended"),
    ],
)
def test_a_context_that_ends_is_told_with_who_ended_it(text: str, detail: str) -> None:
    machine = with_contexts(2)
    assert said(machine, text) == [("context-lost", detail)]
    assert said(machine, text) == [], "it can be lost once"


@pytest.mark.parametrize(
    "text", ["+CGEV: NW PDN DEACT 3", "+CGEV: NW PDN ACT 2", "+CGEV: ME CLASS B", '^NDISSTAT: 1,,,"IPV4"']
)
def test_what_ends_no_context_of_ours_is_none(text: str) -> None:
    assert said(with_contexts(2), text) == []


@pytest.mark.parametrize("text", ["NO CARRIER", "+CGEV: NW DEACT IP, 10.0.0.1"])
def test_where_it_is_not_said_which_context_ended_somebody_must_look(text: str) -> None:
    machine = with_contexts(1, 2)
    assert [what for what, _ in said(machine, text)] == ["look"]
    events = machine.contexts(parse("AT+CGACT?", "+CGACT: 1,1\r\n+CGACT: 2,0"), 2.0)
    assert [(event.what, event.cid) for event in events] == [("context-lost", 2)]
    assert said(with_contexts(), text) == []


def test_what_we_end_ourselves_is_no_loss() -> None:
    machine = with_contexts(2)
    machine.leave(2)
    assert said(machine, "+CGEV: ME PDN DEACT 2") == []
    machine.down(2)
    machine.up(2, 3.0)
    assert said(machine, "+CGEV: NW PDN DEACT 2") == [("context-lost", "deactivated by the network")]


def test_a_low_signal_is_told_once_until_it_is_clearly_better() -> None:
    machine = ModemMachine(low_dbm=-110.0)
    told = [
        [event.what for event in machine.signal(level, 0.0)] for level in (-100, -111, -112, -109, -107, -106, None)
    ]
    low, back = ["signal", "signal-low"], ["signal", "signal-back"]
    assert told == [["signal"], low, ["signal"], ["signal"], back, ["signal"], low]


def test_huaweis_own_reports_move_the_signal() -> None:
    assert said(ModemMachine(), '^HCSQ:"LTE",48,35,86,14') == [("signal", "-106 dBm")]


@pytest.mark.parametrize(
    "text",
    ["+CPIN: NOT INSERTED", "+CPIN: NOT READY", "+QSIMSTAT: 1,0", "^SIMST:255,1", "#QSS: 0", "+SIMCARD: NOT AVAILABLE"],
)
def test_a_card_that_is_pulled_is_told(text: str) -> None:
    assert [what for what, _ in said(ModemMachine(), text)] == ["card-missing"]


@pytest.mark.parametrize("text", ["+CPIN: READY", "+QSIMSTAT: 1,1", "^SIMST: 1"])
def test_a_card_that_is_there_is_not(text: str) -> None:
    assert said(ModemMachine(), text) == []


def test_gone_is_told_once_and_takes_everything_with_it() -> None:
    machine = with_contexts(2)
    said(machine, "+CEREG: 1")
    assert [event.what for event in machine.gone(1.0) + machine.gone(1.1)] == ["gone"]
    assert (machine.service, machine.active) == ("unregistered", set())
    assert [event.what for event in machine.back(2.0) + machine.back(2.1)] == ["back"]
    assert said(machine, "+CREG: 2") == [("searching", "")], "what the packet domain said before is forgotten"
    assert said(machine, "+CEREG: 1") == [("registered", "")]


@given(st.integers(0, 1 << 32))
def test_no_line_makes_it_raise(seed: int) -> None:
    chance, machine = random.Random(seed), with_contexts(1, 2)
    for _ in range(20):
        machine.line(garbled(chance).decode("latin-1"), 0.0)
        machine.line(line(chance.choice(list(PARSERS)), chance), 0.0)
