"""`testbed modem`: its verbs as a user starts them, on a virtual modem behind a pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from real_responses import MISSING, ROWS

from drivers.modem.transcript import read
from drivers.modem.usb import SerialPort
from testbed.cli.main import cli
from testbed.cli.modem_list import record

TESTBED = [sys.executable, "-m", "testbed.cli.main", "modem"]
SEEN_S = 30.0
CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Children heed Ctrl-C also where the tests themselves were started in a shell's background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Virtual:
    """A virtual modem as `testbed modem virtual` serves it."""

    def __init__(self, link: Path, *more: str) -> None:
        argv = [*TESTBED, "virtual", "--link", str(link), *more]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self._line()

    def order(self, line: str) -> Any:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def close(self) -> int:
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(ValueError):
            self.process.communicate(timeout=30)
        return self.process.returncode

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


class Terminal:
    """A person at `testbed modem at`: types, and sees what the screen was sent."""

    def __init__(self, port: str, state: Path) -> None:
        self._ours, theirs = os.openpty()
        environment = {**os.environ, "XDG_STATE_HOME": str(state), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        argv = ["setsid", "--ctty", "--wait", *TESTBED, "at", port]  # Ctrl-C goes to whose terminal it is
        self.process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        self._seen = ""

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def sees(self, text: str) -> None:
        """Read until this text comes; what was before it is forgotten."""
        until = time.monotonic() + SEEN_S
        while text not in self._seen:
            ready, _, _ = select.select([self._ours], [], [], max(until - time.monotonic(), 0.0))
            assert ready, f"{text!r} did not come; the screen was sent {self._seen!r}"
            self._seen += os.read(self._ours, 1 << 16).decode(errors="replace")
        self._seen = self._seen.partition(text)[2]

    def answers(self, text: str) -> None:
        """See a text and then the prompt anew: what is typed while lines are printed above it is the terminal's own."""
        self.sees(text)
        self.sees("AT>")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(stick: Virtual, tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(stick.port, tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Virtual]:
    virtual = Virtual(tmp_path / "stick")
    yield virtual
    virtual.close()


def modem(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TESTBED, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)


def lines(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def parsed(command: str, answer: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["modem", "parse", "--command", command], input=answer)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.skipif(not ROWS, reason=MISSING)
def test_parse_prints_what_is_expected_of_every_real_response() -> None:
    for row in ROWS:
        expected = {key: value for key, value in row["expected"].items() if key != "note"}
        found = parsed(row["command"], row["raw"])
        assert {key: found.get(key, "not read") for key in expected} == expected, row["command"]


def test_what_cannot_be_parsed_is_a_sentence_with_exit_code_2() -> None:
    result = modem("parse", "--command", "AT+CSQ", "--vendor", "quectel", stdin="hello\n")
    assert (result.returncode, result.stdout) == (2, "")
    assert "answer to AT+CSQ of Quectel: no line begins with +CSQ" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_vendor_and_a_port_that_are_none_are_wrong_usage() -> None:
    unknown = modem("parse", "--command", "AT+CSQ", "--vendor", "acme")
    assert unknown.returncode == 2 and "known: Quectel, Sierra" in unknown.stderr
    nameless = modem("at", "serial:", "AT")
    assert nameless.returncode == 2 and "names no port" in nameless.stderr


def test_a_port_of_the_list_has_names_that_stay() -> None:
    port = SerialPort("/dev/ttyUSB2", 0x2C7C, 0x0125, "0123ABCD", "1-1.2", 2, "Android")
    found = record(port)
    assert (found["vendor"], found["model"], found["usb_id"]) == ("Quectel", "EC25", "2c7c:0125")
    assert found["names"] == ["serial:0123ABCD:2", "usb:1-1.2:2"]


def test_list_is_an_object_for_scripts() -> None:
    result = modem("list", "--json")
    assert result.returncode == 0
    assert isinstance(json.loads(result.stdout)["ports"], list)


def test_info_tells_of_modem_card_network_and_contexts(stick: Virtual) -> None:
    found = json.loads(modem("info", stick.port, "--json").stdout)
    assert (found["vendor"], found["model"], found["imei"]) == ("Quectel", "EC25", "356938035643809")
    assert found["card"] == {"state": "READY", "iccid": "8900101000000000012", "imsi": "001010000000001"}
    assert (found["service"], found["operator"], found["rat"]) == ("registered", "Rig", "LTE")
    assert found["contexts"] == [{"cid": 1, "apn": None, "pdp_type": "IPV4V6", "active": True}]


def test_info_of_a_modem_without_a_card_says_so(stick: Virtual) -> None:
    stick.order("sim there=false")
    assert modem("reset", stick.port).returncode == 0  # it looks for a card when it starts
    found = json.loads(modem("info", stick.port, "--json").stdout)
    assert found["card"] == {"state": "there is no card", "iccid": None, "imsi": None}


def test_at_prints_answers_and_the_exit_code_tells_of_a_refusal(stick: Virtual) -> None:
    fine = modem("at", stick.port, "AT+CGMM", "AT+CSQ")
    assert (fine.returncode, fine.stdout) == (0, "EC25\nOK\n+CSQ: 26,99\nOK\n")
    refused = modem("at", stick.port, "AT+NONE", "AT+CGMM")
    assert refused.returncode == 3
    assert "AT+NONE was answered ERROR" in refused.stdout and refused.stdout.endswith("EC25\nOK\n")


def test_at_is_json_for_a_script_that_writes_commands_on_standard_input(stick: Virtual) -> None:
    stick.order("fault kind=urc command=+CSQ data=2b435245473a2031")
    answers = lines(modem("at", stick.port, "--json", stdin="AT+CSQ\n\nAT+NONE\n"))
    assert {"unsolicited": "+CREG: 1"} in answers
    assert {"command": "AT+CSQ", "ok": True, "lines": ["+CSQ: 26,99"]} in answers
    assert (answers[-1]["command"], answers[-1]["ok"], answers[-1]["kind"]) == ("AT+NONE", False, "Refused")


def test_at_sends_nothing_where_a_command_is_none(stick: Virtual) -> None:
    result = modem("at", stick.port, "AT+CFUN=4", "hello")
    assert result.returncode == 2 and "'hello' is no command line" in result.stderr
    assert stick.order("state")["result"]["functionality"] == 1


def test_a_port_that_is_not_there_or_held_is_said_at_once(stick: Virtual, tmp_path: Path) -> None:
    for verb in ("at", "info", "watch", "reset"):
        missing = modem(verb, str(tmp_path / "nothing"))
        assert missing.returncode == 3 and "there is no such port" in missing.stderr, verb
        assert "is not back" not in missing.stderr, verb  # it was never there
    descriptor = os.open(stick.port, os.O_RDWR | os.O_NOCTTY)
    with contextlib.closing(os.fdopen(descriptor, "rb", buffering=0)) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        busy = modem("info", stick.port)
    assert busy.returncode == 3 and "holds the port" in busy.stderr
    assert f"({os.getpid()})" in busy.stderr  # beside the virtual modem itself, which keeps its pseudo-terminal open


def test_record_writes_a_transcript_and_crosses_out_a_pin(stick: Virtual, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    modem("record", stick.port, str(file), "AT+CGMM", 'AT+CPIN="4711"')
    text = b"".join(chunk.data for chunk in read(file))
    assert b"AT+CGMM\r" in text and b"EC25" in text
    assert b"AT+CPIN=" in text and b"4711" not in text
    again = modem("record", stick.port, str(file), "AT")
    assert again.returncode == 2 and "name a new file" in again.stderr


def test_watch_tells_of_signal_and_of_what_happens(stick: Virtual) -> None:
    argv = [*TESTBED, "watch", stick.port, "--json", "--interval", "0.1", "--low", "-110"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        told = (json.loads(line) for line in watching.stdout)
        first = next(one["reading"] for one in told if "reading" in one)
        assert (first["service"], first["cell"], first["signal"]["rsrp_dbm"]) == ("registered", 0x101, -90)
        stick.order("signal rsrp_dbm=-118")
        low = next(one["event"] for one in told if one.get("event", {}).get("what") == "signal-low")
        assert low["detail"] == "-118 dBm"
        stick.order("coverage covered=false")
        assert next(one for one in told if one.get("event", {}).get("what") == "searching")
        lost = next(one["reading"] for one in told if "reading" in one)
        assert set(lost["signal"].values()) == {None}
        stick.order("unplug back_s=0.5")
        assert next(one for one in told if one.get("event", {}).get("what") == "gone")
        assert next(one for one in told if one.get("event", {}).get("what") == "back")
        assert next(one for one in told if "reading" in one)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0


def test_watch_ends_when_its_time_is_over_and_writes_lines_where_there_is_no_terminal(stick: Virtual) -> None:
    result = modem("watch", stick.port, "--for", "1.5")
    assert result.returncode == 0, result.stderr
    assert "registered  Rig  LTE  area 0001  cell 0000101  RSRP -90 dBm" in result.stdout


def test_reset_restarts_the_modem_and_waits_for_it(stick: Virtual) -> None:
    held = os.path.realpath(stick.port)
    found = json.loads(modem("reset", stick.port, "--json").stdout)
    assert (found["port"], found["path"], found["command"]) == (stick.port, stick.port, "AT+CFUN=1,1")
    assert found["away_s"] >= 1.0, held  # a virtual modem takes a second to start


def test_a_virtual_modem_of_each_vendor_leaves_nothing_behind(tmp_path: Path) -> None:
    virtual = Virtual(tmp_path / "stick", "--vendor", "u-blox")
    assert json.loads(modem("info", virtual.port, "--json").stdout)["vendor"] == "u-blox"
    assert virtual.order("nonsense") == {"error": "there is no order nonsense"}
    assert virtual.close() == 0
    assert not os.path.lexists(virtual.port)


def test_the_console_shows_answers_and_what_comes_by_itself(stick: Virtual, terminal: Terminal) -> None:
    terminal.sees("AT>")
    terminal.type("AT+CGMM\r")
    terminal.answers("EC25")
    terminal.type("AT+CEREG=2\r")
    terminal.answers("OK")
    stick.order("coverage covered=false")
    terminal.answers("* +CEREG: 2")
    terminal.type(CTRL_D)
    assert terminal.process.wait(30) == 0


def test_the_console_gives_a_command_up_and_outlives_a_modem_that_goes(stick: Virtual, terminal: Terminal) -> None:
    terminal.sees("AT>")
    stick.order("fault kind=silent command=+CGMM")
    terminal.type("AT+CGMM\r")
    until_fired(stick)
    terminal.type(CTRL_C)
    terminal.answers("AT+CGMM was given up")
    stick.order("unplug back_s=0.5")
    terminal.sees("* the modem has gone")
    terminal.answers("* the modem is back")
    terminal.type("AT+CGMR\r")
    terminal.sees("EC25EFAR06A06M4G")


def test_the_console_keeps_a_history_without_pins(terminal: Terminal, tmp_path: Path) -> None:
    terminal.sees("AT>")
    terminal.type('AT+CPIN="4711"\r')
    terminal.answers("AT+CPIN=... was answered")
    terminal.type("AT+CGMM\r")
    terminal.answers("EC25")
    terminal.type(UP + "\r")  # what was typed last
    terminal.answers("EC25")
    terminal.type(CTRL_D)
    assert terminal.process.wait(30) == 0
    kept = (tmp_path / "state/testbed/at-history").read_text()
    assert "AT+CGMM" in kept and "4711" not in kept


def until_fired(stick: Virtual) -> None:
    """Wait until the fault that was ordered has happened."""
    until = time.monotonic() + 60.0
    while not stick.order("state")["result"]["faults"][0]["fired"]:
        assert time.monotonic() < until, "the fault did not fire"
        time.sleep(0.05)  # between questions; the stick tells of a fault only when it is asked
