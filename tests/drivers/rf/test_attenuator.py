"""The attenuator's driver against a virtual RCDAT, a process of its own that serves the dialect by HTTP and telnet."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_rcdat import Rcdat, rcdat

from drivers.rf import minicircuits
from drivers.rf.attenuator import MiniCircuitsAttenuator
from drivers.rf.errors import Garbled, LeverError, NotTaken, OutOfRange, Silent, Unreachable
from drivers.rf.limits import Limits
from drivers.rf.spec import AttenuatorSpec
from drivers.rf.wires import HttpWire, TelnetWire, Wire

BENCH = Limits(0.0, 60.0, 0.25)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Rcdat]:
    with rcdat(tmp_path, "RC4DAT-6000-95", "--start-db", "0") as device:
        for channel in range(1, 5):
            assert device.moved() == (channel, 0.0)
        yield device


@pytest.fixture(params=["http", "telnet"])
def wire(request: pytest.FixtureRequest, device: Rcdat) -> Iterator[Wire]:
    if request.param == "http":
        yield HttpWire("127.0.0.1", device.http, timeout_s=1.0)
    else:
        wire = TelnetWire("127.0.0.1", device.telnet, timeout_s=1.0)
        yield wire
        wire.close()


def test_an_attenuation_is_set_rounded_to_its_step_read_back_and_moves_what_listens(wire: Wire, device: Rcdat) -> None:
    attenuator = MiniCircuitsAttenuator(wire, (2,), BENCH)
    assert (attenuator.model.name, attenuator.model.channels) == ("RC4DAT-6000-95", 4)
    assert attenuator.set_attenuation_db(12.3) == 12.25
    assert attenuator.attenuation_db() == 12.25
    assert device.moved() == (2, 12.25)
    assert device.moved_nothing()


def test_channels_that_belong_together_are_set_by_one_command(wire: Wire, device: Rcdat) -> None:
    attenuator = MiniCircuitsAttenuator(wire, (1, 3), BENCH)
    attenuator.set_attenuation_db(20)
    assert [device.moved(), device.moved()] == [(1, 20.0), (3, 20.0)]
    assert attenuator.states() == [20.0, 20.0]
    assert MiniCircuitsAttenuator(wire, (2, 4), BENCH).states() == [0.0, 0.0]


def test_channels_that_differ_are_not_told_as_one_and_are_put_back_each(wire: Wire, device: Rcdat) -> None:
    MiniCircuitsAttenuator(wire, (1,)).set_attenuation_db(10)
    both = MiniCircuitsAttenuator(wire, (1, 2))
    with pytest.raises(NotTaken, match=r"differ: 10, 0 dB"):
        both.attenuation_db()
    before = both.states()
    both.set_attenuation_db(50)
    both.restore(before)
    assert both.states() == [10.0, 0.0]


@pytest.mark.parametrize("db", [-0.25, 60.25, 1e9, float("nan"), float("inf")])
def test_what_is_out_of_the_benchs_range_is_not_sent(wire: Wire, device: Rcdat, db: float) -> None:
    attenuator = MiniCircuitsAttenuator(wire, (1,), BENCH)
    with pytest.raises(OutOfRange, match="mend: ask for 0 to 60 dB"):
        attenuator.set_attenuation_db(db)
    assert device.moved_nothing()


def test_limits_and_channels_that_the_model_has_not_are_refused(wire: Wire) -> None:
    with pytest.raises(OutOfRange, match="RC4DAT-6000-95: it cannot do 0 to 110 dB"):
        MiniCircuitsAttenuator(wire, (1,), Limits(0, 110, 0.25))
    with pytest.raises(OutOfRange, match="no channel 5"):
        MiniCircuitsAttenuator(wire, (1, 5))


def test_a_step_that_the_device_has_not_is_noticed_by_reading_back(wire: Wire) -> None:
    fine = MiniCircuitsAttenuator(wire, (1,), Limits(0, 60, 0.1), step_db=0.1)
    with pytest.raises(NotTaken, match=r"asked for 10\.1 dB, it has 10 dB"):
        fine.set_attenuation_db(10.1)


FAULTS = {
    "silent": (Silent, r"no answer within 1 s"),
    "garbage": (Garbled, r"answered"),
    "stuck": (NotTaken, r"asked for 30 dB, it has [01] dB"),
    "failing": (NotTaken, r"refused to set 30 dB"),
    "reset": (Unreachable, r"reset"),
    "refuse": (Unreachable, r"refused|hung up|reset"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_device_that_misbehaves_is_named_and_works_again_when_it_does(wire: Wire, device: Rcdat, fault: str) -> None:
    attenuator = MiniCircuitsAttenuator(wire, (1,), BENCH)
    device.fault(fault)
    kind, words = FAULTS[fault]
    until_it_shows(attenuator, device)
    with pytest.raises(kind, match=words) as trouble:
        attenuator.set_attenuation_db(30)
    assert trouble.value.where == wire.where
    device.fault("none")
    until_it_works(attenuator)
    assert attenuator.attenuation_db() == 30


def until_it_shows(attenuator: MiniCircuitsAttenuator, device: Rcdat) -> None:
    """The order goes its own way; wait until the fault bites, without asking the device for it."""
    for _ in range(200):
        try:
            attenuator.set_attenuation_db(0)
        except LeverError:
            return
        if _not_done(attenuator):
            return
    raise AssertionError("the fault never bit")


def _not_done(attenuator: MiniCircuitsAttenuator) -> bool:
    """Whether a device that is stuck shows it: it must be put back where it stood before."""
    try:
        attenuator.set_attenuation_db(1)
        attenuator.set_attenuation_db(0)
    except LeverError:
        return True
    return False


def until_it_works(attenuator: MiniCircuitsAttenuator) -> None:
    for _ in range(200):
        try:
            attenuator.set_attenuation_db(30)
            return
        except LeverError:
            continue
    raise AssertionError("it never worked again")


def test_a_slow_device_that_answers_in_time_is_waited_for(wire: Wire, device: Rcdat) -> None:
    attenuator = MiniCircuitsAttenuator(wire, (1,), BENCH)
    device.fault("slow", 0.2)
    assert attenuator.set_attenuation_db(7) == 7


def test_a_late_answer_is_not_taken_for_that_of_the_next_command(device: Rcdat) -> None:
    wire = TelnetWire("127.0.0.1", device.telnet, timeout_s=0.5)
    attenuator = MiniCircuitsAttenuator(wire, (1,), BENCH)
    device.fault("slow", 1.5)
    while True:  # until the order has come
        try:
            attenuator.set_attenuation_db(9)
        except Silent:
            break
    device.fault("none")
    wire_after = 0
    for _ in range(50):
        try:
            assert attenuator.attenuation_db() in (0.0, 9.0)
            wire_after += 1
        except Silent:
            continue
    assert wire_after


@pytest.mark.parametrize("wire_kind", ["http", "telnet"])
def test_nobody_there(wire_kind: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(Unreachable, match=r"refused[\s\S]*mend"):
            AttenuatorSpec(address="127.0.0.1", wire=wire_kind, port=port).open()  # type: ignore[arg-type]


def test_something_else_there_is_not_taken_for_an_attenuator(device: Rcdat) -> None:
    with pytest.raises((Garbled, Silent)):
        MiniCircuitsAttenuator(HttpWire("127.0.0.1", device.telnet, timeout_s=1.0))


def test_a_password_is_sent_as_the_manual_says_and_stands_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        spec = AttenuatorSpec(address="127.0.0.1", port=port, password_file=tmp_path / "password", timeout_s=0.3)
        assert "s3cret" not in spec.model_dump_json()
        with pytest.raises(Silent) as silent:
            spec.open()
        assert "s3cret" not in str(silent.value)
        assert server.accept()[0].recv(1000).startswith(b"GET /PWD=s3cret;:MN? HTTP/1.1\r\n")


def test_who_listens_slowly_to_the_virtual_device_still_hears_the_newest(device: Rcdat) -> None:
    attenuator = MiniCircuitsAttenuator(TelnetWire("127.0.0.1", device.telnet), (1,))
    for db in range(1, 61):
        attenuator.set_attenuation_db(db)
    heard = [0.0]
    while heard[-1] != 60.0:
        heard.append(device.moved()[1])
    assert heard == sorted(heard)
    assert device.moved_nothing()


def test_a_single_channel_model_by_its_own_commands(tmp_path: Path) -> None:
    with rcdat(tmp_path, "RCDAT-6000-110") as device:
        assert device.moved() == (1, 110.0)  # the factory's default at power-up is the most
        attenuator = AttenuatorSpec(address="127.0.0.1", port=device.http, maximum_db=90).open()
        assert attenuator.limits == Limits(0, 90, 0.25)
        attenuator.set_attenuation_db(3.5)
        assert device.moved() == (1, 3.5)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (":MN?", "MN=RC4DAT-6000-95"),
        ("MN?", "MN=RC4DAT-6000-95"),
        (":CHAN:1:SETATT:10.3", "1"),
        (":CHAN:1:ATT?", "10.25"),
        (":CHAN:2:3:4:SETATT:10.25", "1"),
        (":SETATT=12.5", "1"),
        (":ATT?", "12.50  12.50  12.50  12.50"),
        (":CHAN:1:SETATT:200", "2"),
        (":CHAN:1:ATT?", "95.00"),
        (":CHAN:1:SETATT:-1", "0"),
        (":CHAN:9:SETATT:1", "0"),
        (":CHAN:1:SETATT:many", "0"),
        (":NONSENSE", "-99 Unrecognized Command"),
    ],
)
def test_the_virtual_device_answers_a_plain_http_client_as_the_manual_says(
    device: Rcdat, path: str, answer: str
) -> None:
    for before in (":CHAN:1:SETATT:95",) if path == ":CHAN:1:ATT?" and answer == "95.00" else ():
        get(device, before)
    if path == ":CHAN:1:ATT?" and answer == "10.25":
        get(device, ":CHAN:1:SETATT:10.25")
    if path == ":ATT?":
        get(device, ":SETATT=12.5")
    assert get(device, path) == answer


def get(device: Rcdat, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{device.http}/{path}", timeout=10) as response:
        return str(response.read().decode())


MODELS = {
    "MN=RCDAT-8000-30": ("RCDAT-8000-30", 1, 30.0),
    "MN=RCDAT-6000-110": ("RCDAT-6000-110", 1, 110.0),
    "RC4DAT-6000-95\r\n": ("RC4DAT-6000-95", 4, 95.0),
    "MN=RC8DAT-8G-95": ("RC8DAT-8G-95", 8, 95.0),
    "MN=RUDAT-6000-90": ("RUDAT-6000-90", 1, 90.0),
    "MN=RCDAT-3000-63W2": ("RCDAT-3000-63W2", 1, 63.0),
}


@pytest.mark.parametrize("answer", MODELS)
def test_a_models_name_says_what_it_can(answer: str) -> None:
    model = minicircuits.parse_model(answer, "here")
    assert (model.name, model.channels, model.maximum_db) == MODELS[answer]


@given(st.text(max_size=40))
def test_anything_else_is_garbled_and_nothing_worse(answer: str) -> None:
    model = minicircuits.Model("RC4DAT-6000-95", 4, 95.0)
    for act in (
        lambda: minicircuits.parse_model(answer, "here"),
        lambda: minicircuits.check_set(answer, 1.0, "here"),
        lambda: minicircuits.parse_attenuation(answer, (1, 4), model, "here"),
    ):
        try:
            act()
        except (Garbled, NotTaken):
            continue


@given(st.floats(0, 95), st.sampled_from([0.25, 0.5, 1.0]), st.integers(0, 300))
def test_a_setting_is_a_step_within_the_limits_and_the_nearest_one(db: float, step_db: float, tenths: int) -> None:
    minimum_db = tenths / 10
    got = Limits(minimum_db, 95.0, step_db).clamped(db)
    assert minimum_db <= got <= 95.0
    assert got % step_db == 0
    if minimum_db + step_db <= db <= 95 - step_db:
        assert abs(got - db) <= step_db / 2
