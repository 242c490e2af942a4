"""`testbed rf`: its verbs as a user starts them, on a virtual attenuator that serves the real dialect."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from numato_board import NumatoBoard
from virtual_rcdat import Rcdat, rcdat

from drivers.rf.player import Played, Step
from testbed.cli.main import cli
from testbed.cli.rf_progress import LINE, marks
from testbed.cli.rf_ramp import Outcome

TESTBED = [sys.executable, "-m", "testbed.cli.main", "rf"]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Children heed Ctrl-C also where the tests themselves were started in a shell's background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Rcdat]:
    with rcdat(tmp_path, "RC4DAT-6000-95", "--start-db", "3") as device:
        yield device


@pytest.fixture
def bench(device: Rcdat, tmp_path: Path) -> str:
    """Two levers on one attenuator, and one where nobody listens."""
    levers = {
        "corridor": {"address": "127.0.0.1", "port": device.http, "channels": [1, 2], "maximum_db": 60, "safe_db": 0},
        "porch": {"address": "127.0.0.1", "wire": "telnet", "port": device.telnet, "channels": [4]},
        "cellar": {"address": "127.0.0.1", "port": 9, "safe_db": 0},
    }
    return written(tmp_path, {name: {"kind": "attenuator", **lever} for name, lever in levers.items()})


def written(folder: Path, levers: dict[str, Any]) -> str:
    file = folder / "rf.yaml"
    file.write_text(json.dumps({"levers": levers}))  # JSON is YAML
    return str(file)


def rf(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["rf", *arguments])


def told(*arguments: str) -> dict[str, Any]:
    result = rf(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def states(bench: str) -> dict[str, Any]:
    return {one["name"]: one["state"] for one in told("list", "--bench", bench)["levers"]}


def test_list_shows_state_and_limits_and_one_that_does_not_answer_keeps_no_other_from_it(bench: str) -> None:
    result = rf("list", "--bench", bench)
    assert result.exit_code == 0
    assert re.search(r"corridor  3 dB +0 to 60 dB by 0.25 +safe 0 dB +attenuator http://127", result.output)
    assert re.search(r"porch     3 dB +0 to 95 dB by 0.25 +no safe state +attenuator telnet", result.output)
    assert "cellar    no answer  attenuator http://127.0.0.1:9: cannot be asked" in result.output
    assert "mend: look whether it is on" in result.output
    cellar = told("list", "--bench", bench)["levers"][2]
    assert (cellar["state"], cellar["safe"]) == (None, {"db": [0.0]})
    assert cellar["trouble"]["where"] == "attenuator http://127.0.0.1:9"


def test_a_lever_that_answers_and_is_another_than_the_file_says_is_no_silent_one(device: Rcdat, tmp_path: Path) -> None:
    lever = {"kind": "attenuator", "address": "127.0.0.1", "port": device.http, "maximum_db": 200}
    output = rf("list", "--bench", written(tmp_path, {"corridor": lever})).output
    assert "corridor  trouble    attenuator http://127" in output and "it cannot do 0 to 200 dB" in output


def test_set_rounds_to_a_step_and_reads_back(bench: str, device: Rcdat) -> None:
    result = rf("set", "corridor", "12.3", "--bench", bench)
    assert result.output == "corridor: 12.25 dB (12.3 dB rounded to its step)\n"
    assert states(bench)["corridor"] == {"db": [12.25, 12.25]}
    assert told("set", "porch", "7", "--bench", bench) == {"name": "porch", "asked": 7.0, "db": [7.0]}


@pytest.mark.parametrize("value", ["61", "-3", "nan"])
def test_what_is_out_of_the_benchs_limits_is_not_sent(bench: str, value: str) -> None:
    result = rf("set", "corridor", value, "--bench", bench)
    assert "is out of range" in str(result.exception) and "ask for 0 to 60 dB" in str(result.exception)
    assert states(bench)["corridor"] == {"db": [3.0, 3.0]}


def test_a_relay_is_switched_shown_and_put_back_by_on_and_off(tmp_path: Path) -> None:
    with NumatoBoard() as board:
        lever = {"kind": "numato", "device": board.port, "relay": 2, "closed_is_on": False, "safe_on": True}
        bench = written(tmp_path, {"mains": lever})
        assert told("set", "mains", "off", "--bench", bench) == {"name": "mains", "asked": False, "on": False}
        assert board.closed[2]
        assert re.search(r"mains  off +on or off +safe on +relay 2 at", rf("list", "--bench", bench).output)
        assert rf("safe", "--bench", bench).output == "mains: on; it was off\n"
        assert not board.closed[2]
        assert rf("safe", "--bench", bench).output == "mains: on, as it was\n"
        wrong = rf("set", "mains", "3", "--bench", bench)
        assert "mend: say on or off" in str(wrong.exception)
        assert "can only be switched" in str(
            rf("ramp", "mains", "--to", "3", "--over", "1", "--bench", bench).exception
        )


def test_ramp_goes_from_where_it_is_and_says_of_each_step_how_late_it_was(bench: str, device: Rcdat) -> None:
    found = told("ramp", "porch", "--to", "8", "--over", "0.4", "--rate", "10", "--bench", bench)
    assert (found["from_db"], found["to_db"], found["at_db"], found["stopped"]) == (3.0, 8.0, 8.0, False)
    assert found["planned"] == len(found["steps"]) + found["left_out"]
    assert all(step["late_s"] >= 0 and step["took_s"] > 0 for step in found["steps"])
    assert found["steps"][-1]["db"] == 8.0
    printed = rf("ramp", "porch", "--to", "3", "--over", "0.2", "--bench", bench).output
    assert "porch: at 3 dB, from 8 dB" in printed and "late  median" in printed


def test_ctrl_c_ends_a_ramp_where_it_is_and_says_where(bench: str) -> None:
    argv = [*TESTBED, "ramp", "porch", "--to", "95", "--over", "60", "--bench", bench]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as ramp:
        assert ramp.stdout
        for line in ramp.stdout:
            if "3.25 dB" in line:
                break
        ramp.send_signal(signal.SIGINT)
        said = ramp.stdout.read()
        assert ramp.wait(60) == 130
    [stays] = re.findall(r"porch: stopped on its way from 3 to 95 dB; it stays at ([0-9.]+) dB", said)
    assert states(bench)["porch"] == {"db": [float(stays)]}


def test_a_lever_that_fails_on_its_way_is_an_error_after_what_was_played(bench: str, device: Rcdat) -> None:
    argv = [*TESTBED, "ramp", "porch", "--to", "95", "--over", "60", "--bench", bench]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ramp:
        assert ramp.stdout and ramp.stderr
        for line in ramp.stdout:
            if "3.25 dB" in line:
                break
        device.fault("failing")
        said, error = ramp.communicate(timeout=60)
        assert ramp.returncode == 3
    assert "porch: failed on its way from 3 to 95 dB; it stays at" in said
    assert "refused to set" in error and "Traceback" not in error


@pytest.mark.parametrize("over", ["0", "-1", "nan", "inf"])
def test_a_ramp_takes_a_time(bench: str, over: str) -> None:
    result = rf("ramp", "porch", "--to", "8", f"--over={over}", "--bench", bench)
    assert "--over" in str(result.exception)


def test_safe_puts_back_what_has_a_safe_state_and_tells_of_the_rest(bench: str) -> None:
    rf("set", "corridor", "20", "--bench", bench)
    result = rf("safe", "--bench", bench)
    assert result.exit_code == 3  # the cellar's
    assert "corridor: 0 dB; it was 20 dB" in result.output
    assert "porch: left as it is, for it has no safe state in the bench file" in result.output
    assert "cellar: not put back: attenuator http://127.0.0.1:9" in result.output
    assert states(bench)["corridor"] == {"db": [0.0, 0.0]}
    [again] = told("safe", "corridor", "--bench", bench)["levers"]
    assert again == {"name": "corridor", "before": {"db": [0.0, 0.0]}, "after": {"db": [0.0, 0.0]}, "trouble": None}
    assert "write safe_db" in str(rf("safe", "porch", "--bench", bench).exception)


def test_what_is_wrong_in_a_bench_file_is_said_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no bench file in this folder" in str(rf("list").exception)
    Path("rf.yaml").write_text("levers:\n  a: {kind: attenuator, address: x, minimum_db: 5, maximum_db: 3}\n")
    assert "rf.yaml:2:" in str(rf("list").exception) and "less than minimum_db" in str(rf("list").exception)
    Path("rf.yaml").write_text("levers:\n  a: {kind: attenuatr, address: x}\n")
    assert "did you mean `attenuator`?" in str(rf("list").exception)
    Path("rf.yaml").write_text("levers:\n  corridor: {kind: attenuator, address: x}\n")
    assert "did you mean `corridor`?" in str(rf("set", "coridor", "3").exception)


def test_a_lever_that_cannot_keep_up_has_steps_left_out() -> None:
    outcome = Outcome("a", 0.0, [Step(0.0, 0.0), Step(0.1, 1.0), Step(0.2, 2.0), Step(0.3, 3.0)])
    assert outcome.left_out == 0
    outcome.played += [Played(0.0, 0.0, 0.0, 0.25), Played(0.2, 2.0, 0.05, 0.01)]
    assert outcome.left_out == 1


def test_there_is_a_mark_for_each_step() -> None:
    assert marks([]) == []
    assert marks([0.1, 4.0, 8.0])[0] == "▁▅█"
    assert [len(line) for line in marks([0.1] * (LINE + 3))[:-1]] == [LINE, 3]
