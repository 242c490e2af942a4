"""A virtual stick without USB: a process that serves its AT port on a pseudo-terminal."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from stick_process import SIM, plan, process

from drivers.errors import DriverError
from drivers.virtual.orders import Client

ANSWER_S = 10.0


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Client]:
    with process() as (_, client):
        link = tmp_path / "modem"
        client.order("setup", plan=plan("test", form="pty", link=str(link), boot_s=0.1))
        client.order("plug")
        yield client
    assert not link.is_symlink()


@pytest.fixture
def port(stick: Client, tmp_path: Path) -> Iterator[serial.Serial]:
    with serial.Serial(str(tmp_path / "modem"), timeout=ANSWER_S, exclusive=True) as port:
        yield port


def at(port: serial.Serial, command: str, end: bytes = b"OK\r\n") -> bytes:
    port.write(command.encode() + b"\r")
    return port.read_until(end)


def test_a_command_is_answered(port: serial.Serial) -> None:
    assert at(port, "ATE0").endswith(b"ATE0\r\r\nOK\r\n")
    assert at(port, "AT+CGMM") == b"\r\nEC25\r\n\r\nOK\r\n"


def test_the_network_answers_in_its_own_time(stick: Client, port: serial.Serial) -> None:
    at(port, 'ATE0;+CGDCONT=2,"IP","ims"')
    at(port, "AT+CGATT=1")
    assert stick.order("state")["stat"] == "home"
    assert at(port, "AT+CGACT=1,2").endswith(b"\r\nOK\r\n")
    assert stick.order("state")["contexts"]["2"] == {"apn": "ims", "active": True}
    at(port, "AT+QNETDEVCTL=1,2,1")
    assert stick.wait_for("data-call", cid=2)["addresses"] == ["10.2.0.2/24"]


def test_a_rig_changes_the_radio(stick: Client, port: serial.Serial) -> None:
    assert at(port, 'ATE0;+QINDCFG="csq",1;+CGATT=1').endswith(b"OK\r\n")
    stick.order("signal", rssi_dbm=-109)
    assert port.read_until(b"99\r\n") == b'\r\n+QIND: "csq",2,99\r\n'
    stick.order("say", line="+CREG: 2")
    assert port.read_until(b"2\r\n") == b"\r\n+CREG: 2\r\n"


def test_it_is_pulled_out_and_comes_back_behind_the_same_link(
    stick: Client, port: serial.Serial, tmp_path: Path
) -> None:
    stick.order("fault", kind="vanish", at=4, direction="in")
    with pytest.raises((serial.SerialException, OSError)) as raised:
        at(port, "AT+CSQ")
        port.read(1)
    assert isinstance(raised.value, serial.SerialException) or raised.value.errno == errno.EIO
    port.close()
    stick.wait_for("vanished")
    assert not (tmp_path / "modem").exists()
    stick.order("plug")
    with serial.Serial(str(tmp_path / "modem"), timeout=ANSWER_S) as again:
        assert at(again, "AT").endswith(b"OK\r\n")
    assert stick.order("state")["faults"] == [{"kind": "vanish", "fired": 1}]


def test_a_reset_brings_it_back(stick: Client, port: serial.Serial, tmp_path: Path) -> None:
    at(port, "AT+CFUN=1,1")
    stick.wait_for("usb", state="not attached")
    stick.wait_for("usb", state="configured")
    with serial.Serial(str(tmp_path / "modem"), timeout=ANSWER_S) as again:
        assert at(again, "AT").endswith(b"OK\r\n")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "nonsense"}, "no virtual stick nonsense"),
        ({"pdns": {"ims": {"addresses": [["10.2.0.2/99", "10.2.0.1"]]}}}, "plan is wrong"),
        ({"colour": "red"}, "plan is wrong"),
        ({"sim": {**SIM, "k": "xyz"}}, "non-hexadecimal"),
    ],
)
def test_a_wrong_plan_is_refused_and_the_process_lives_on(wrong: dict[str, Any], words: str, tmp_path: Path) -> None:
    good = plan("test", form="pty", link=str(tmp_path / "modem"))
    with process() as (_, client):
        with pytest.raises(DriverError, match=words):
            client.order("setup", plan={**good, **wrong})
        client.order("setup", plan=good)
        with pytest.raises(DriverError, match="no fault x"):
            client.order("fault", kind="x")
        with pytest.raises(DriverError, match="there is no order dance"):
            client.order("dance")
