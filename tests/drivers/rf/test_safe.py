"""A lever returns to its safe state by what the journal says alone, after SIGKILL too."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from numato_board import NumatoBoard
from virtual_rcdat import Rcdat, rcdat

from drivers.rf.errors import LeverError
from drivers.rf.safe import announcement
from drivers.rf.spec import LEVER, AttenuatorSpec, NumatoSpec
from testbed.rig.journal import Entry, Journal


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Rcdat]:
    with rcdat(tmp_path, "RC4DAT-6000-95", "--start-db", "3") as device:
        yield device


def spec(device: Rcdat, **more: object) -> AttenuatorSpec:
    return AttenuatorSpec(address="127.0.0.1", wire="telnet", port=device.telnet, **more)  # type: ignore[arg-type]


def test_after_sigkill_the_journal_puts_an_attenuator_back_as_it_was_found(device: Rcdat, tmp_path: Path) -> None:
    lever, journal = spec(device, channels=(2, 3)), Journal(tmp_path / "journal.jsonl")
    holder = os.fork()
    if holder == 0:
        journal.announce(Entry("radio-lever", announcement(lever)))
        lever.open().set_attenuation_db(60)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(holder, 0)[1]) == signal.SIGKILL
    assert journal.there() == [f"attenuator telnet 127.0.0.1:{device.telnet} is at 60 dB, 60 dB, not 3 dB, 3 dB"]
    told: list[str] = []
    assert journal.undo(told.append) == []
    assert told == [f"put attenuator telnet 127.0.0.1:{device.telnet} back to 3 dB, 3 dB"]
    assert lever.open().states() == [3.0, 3.0]
    assert journal.entries() == []


def test_a_lever_that_has_a_safe_state_of_its_own_returns_to_that(device: Rcdat, tmp_path: Path) -> None:
    lever, journal = spec(device, safe_db=0.0), Journal(tmp_path / "journal.jsonl")
    journal.announce(Entry("radio-lever", announcement(lever)))
    assert len(journal.there()) == 1
    journal.undo(lambda _: None)
    assert lever.open().states() == [0.0]


def test_what_is_in_its_safe_state_already_is_left_alone(device: Rcdat, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.announce(Entry("radio-lever", announcement(spec(device))))
    assert journal.there() == []
    told: list[str] = []
    assert journal.undo(told.append) == []
    assert told == []


def test_a_lever_that_cannot_be_asked_stays_in_the_journal_until_it_can(device: Rcdat, tmp_path: Path) -> None:
    lever, journal = spec(device, timeout_s=0.5), Journal(tmp_path / "journal.jsonl")
    journal.announce(Entry("radio-lever", announcement(lever)))
    lever.open().set_attenuation_db(60)
    device.fault("refuse")
    while True:
        try:
            lever.open().close()
        except LeverError:
            break
    failures = journal.undo(lambda _: None)
    assert "attenuator telnet" in failures[0].why
    assert len(journal.entries()) == 1
    device.fault("none")
    while failures:
        failures = journal.undo(lambda _: None)
    assert lever.open().states() == [3.0]


def test_a_relay_too_and_its_safe_state_is_said_as_on_or_off(tmp_path: Path) -> None:
    with NumatoBoard() as board:
        lever = NumatoSpec(device=board.port, relay=2, closed_is_on=False, safe_on=True)
        journal = Journal(tmp_path / "journal.jsonl")
        journal.announce(Entry("radio-lever", announcement(lever)))
        with lever.open() as relay:
            relay.set_on(False)
        assert board.closed[2]
        journal.undo(lambda _: None)
        assert not board.closed[2]


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "attenuator", "address": "192.0.2.1", "channels": [1, 2], "maximum_db": 60},
        {"kind": "numato", "device": "/dev/serial/by-id/usb-Numato", "relay": 3},
        {"kind": "usbrelay", "relay": "HURTM_1", "host": {"address": "192.0.2.2", "key": "/k"}},
        {"kind": "usb-power", "hub": "1-1.4", "port": 2, "safe_on": True},
    ],
)
def test_a_lever_is_data_that_survives_a_journal(given: dict[str, object]) -> None:
    lever = LEVER.validate_python(given)
    assert LEVER.validate_json(lever.model_dump_json()) == lever
