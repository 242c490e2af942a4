"""`testbed run`: what it checks before it starts anything, what it hands to the runner, and what it ends with.

The runner is a stand-in here, because its verdicts must be had at will; tests/rig runs the real one.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Outcome

from testbed.cli.main import cli
from testbed.cli.repeats import exit_code
from testbed.errors import RigError, TestbedError, UsageError
from testbed.measure.words import Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Kernel, LatenessRecord, Result
from testbed.rig.kernel.choose import Choice
from testbed.scenario.catalogue import find
from testbed.scenario.model import Scenario
from testbed.scenario.progress import Progress

Runner = Callable[..., Any]


def result(folder: RunFolder, scenario: Scenario, verdict: Verdict = Verdict.PASSED) -> Result:
    return Result(
        id=folder.id,
        scenario=scenario.name,
        topology="two-access",
        kernel=Kernel(name="host", release="6.1"),
        started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:00:10+00:00",
        verdict=verdict,
        reasons=["a reason"] if verdict is not Verdict.PASSED else [],
        sender_lateness_ms=LatenessRecord(p50=0.1, p99=0.2),
        capture_drops=0,
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the runner was started with; it passes at once.  The kernel will do, and every tool is there."""
    starts: list[tuple[Any, ...]] = []

    async def passes(scenario: Scenario, topology: Path, folder: RunFolder, options: Any, told: Any) -> Result:
        starts.append((scenario, topology, folder, options))
        told(Progress("rig", "begun", "namespaces"))
        told(Progress("rig", "done", "namespaces", 0.1))
        return result(folder, scenario)

    monkeypatch.setattr("testbed.cli.repeats.run_scenario", passes)
    monkeypatch.setattr("testbed.cli.repeats.media_strips", lambda folder, width: [])
    monkeypatch.setattr("testbed.rig.kernel.choose.choose", lambda wanted, clock: Choice("host", "a test"))
    monkeypatch.setattr("testbed.rig.kernel.uml.find", lambda tool: f"/usr/bin/{tool}")
    return starts


def instead(monkeypatch: pytest.MonkeyPatch, runner: Runner) -> None:
    async def run_scenario(scenario: Scenario, topology: Path, folder: RunFolder, options: Any, told: Any) -> Result:
        outcome = runner(scenario, folder)
        return await outcome if asyncio.iscoroutine(outcome) else outcome

    monkeypatch.setattr("testbed.cli.repeats.run_scenario", run_scenario)


def invoke(*argv: str, runs: Path) -> Outcome:
    return CliRunner().invoke(cli, ["run", *argv, "--runs", str(runs)])


def test_a_run_is_started_with_scenario_topology_and_options(started: list[Any], tmp_path: Path) -> None:
    line = (
        "global-reregistration --topology two-access --trigger blackhole --transport tcp --ip 6 --alg hmac-md5-96 "
        "--ealg aes-cbc --silence-ms 150 --move replaces --seed 7 --no-decryption-keys --rig other "
        "--set settle_s=3 --set expect.max_lost=4 --set from=wifi"
    )
    outcome = invoke(*shlex.split(line), runs=tmp_path)
    assert outcome.exit_code == 0, outcome.output
    scenario, topology, folder, options = started[0]
    assert (scenario.trigger, scenario.transport, scenario.ip) == ("blackhole", "tcp", 6)
    assert (scenario.alg, scenario.ealg, scenario.silence_ms, scenario.seed) == ("hmac-md5-96", "aes-cbc", 150.0, 7)
    assert (scenario.move, scenario.procedure.value) == ("replaces", "replaces")
    assert (scenario.settle_s, scenario.expect.max_lost, scenario.from_access) == (3.0, 4, "wifi")
    assert scenario.expect.max_over_floor == 15.0  # what the file expects beside it stays
    assert (options.rig, options.keep_keys) == ("other", False)
    assert topology.name == "two-access.yaml"
    assert folder.path.parent == tmp_path


def test_options_that_are_not_given_leave_the_scenario_as_it_is(started: list[Any], tmp_path: Path) -> None:
    from testbed.scenario.catalogue import find

    assert invoke("release7", runs=tmp_path).exit_code == 0
    scenario, topology, _, options = started[0]
    assert scenario == find("release7")
    assert topology.name == "two-access.yaml"
    assert (options.rig, options.keep_keys) == ("tb", True)


def test_make_before_break_is_a_procedure(started: list[Any], tmp_path: Path) -> None:
    assert invoke("global-reregistration", "--make-before-break", runs=tmp_path).exit_code == 0
    assert started[0][0].make_before_break


def test_json_is_one_object_on_standard_output_and_all_else_on_standard_error(
    started: list[Any], tmp_path: Path
) -> None:
    outcome = invoke("global-reregistration", "--json", "--repeat", "3", runs=tmp_path)
    said = json.loads(outcome.stdout)
    assert list(said) == ["runs", "summary"]
    assert [run["verdict"] for run in said["runs"]] == ["passed"] * 3
    assert said["runs"][0]["schema"] == 1
    assert said["summary"]["verdicts"]["passed"] == 3
    assert len({run["id"] for run in said["runs"]}) == len(list(tmp_path.iterdir())) == 3
    assert "run 3 of 3" in outcome.stderr
    assert "namespaces" in outcome.stderr


def test_a_single_run_ends_with_its_table_on_standard_output(started: list[Any], tmp_path: Path) -> None:
    outcome = invoke("global-reregistration", runs=tmp_path)
    assert "PASSED" in outcome.stdout
    assert "evidence: " in outcome.stdout
    assert "PASSED" not in outcome.stderr


def test_repeated_runs_end_with_a_summary(started: list[Any], tmp_path: Path) -> None:
    outcome = invoke("global-reregistration", "--repeat", "2", runs=tmp_path)
    assert "median" in outcome.stdout
    assert outcome.stdout.count(": passed") == 2


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["passed", "passed"], 0),
        (["passed", "failed"], 1),
        (["failed", "invalid"], 4),
        (["invalid", "rig-error", "failed"], 3),
    ],
)
def test_the_exit_code_is_that_of_the_worst_run(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdicts: list[str], code: int
) -> None:
    coming = iter(verdicts)
    instead(monkeypatch, lambda scenario, folder: result(folder, scenario, Verdict(next(coming))))
    outcome = invoke("global-reregistration", "--json", "--repeat", str(len(verdicts)), runs=tmp_path)
    assert outcome.exit_code == code
    assert [run["verdict"] for run in json.loads(outcome.stdout)["runs"]] == verdicts


def test_every_verdict_has_its_place_among_the_worst() -> None:
    assert [exit_code(iter([verdict])) for verdict in Verdict] == [0, 1, 3, 4]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_interrupted_undoes_and_keeps_what_it_has(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    undone, first = [], iter([True])

    async def interrupted(scenario: Scenario, folder: RunFolder) -> Result:
        if next(first, False):
            return result(folder, scenario)
        folder.write("evidence", "so far")
        try:
            signal.raise_signal(number)
            await asyncio.sleep(60)
        finally:
            undone.append(folder.id)
        raise AssertionError("not interrupted")

    instead(monkeypatch, interrupted)
    before = signal.getsignal(signal.SIGTERM)
    outcome = invoke("global-reregistration", "--json", "--repeat", "5", runs=tmp_path)
    assert outcome.exit_code == code
    assert len(undone) == 1
    assert (tmp_path / undone[0] / "evidence").read_text() == "so far"
    assert f"interrupted: the rig is undone; what it had recorded lies in {tmp_path / undone[0]}" in outcome.stderr
    assert len(json.loads(outcome.stdout)["runs"]) == 1  # the run that was over is still told of
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["nope"], "there is no scenario `nope`"),
        (["globalreregistration"], "did you mean `global-reregistration`?"),
        (["release7", "--topology", "nowhere"], "there is no topology `nowhere`"),
        (["release7", "--topology", "/dev/null"], "/dev/null"),
        (["release7", "--make-before-break"], "release 7 cannot move a session"),
        (["release7", "--move", "replaces"], "--move"),
        (["release7", "--silence-ms", "3"], "--silence-ms: 3 is less than 40"),
        (["release7", "--set", "setle_s=3"], "did you mean `settle_s`?"),
        (["release7", "--set", "settle_s"], "write --set KEY=VALUE"),
        (["release7", "--set", "settle_s=soon"], "--set settle_s: `soon` is not a number"),
        (["release7", "--set", "expect.max_lost=-1"], "--set expect.max_lost"),
        (["release7", "--set", "from=lte", "--set", "to=lte"], "is the access that the call begins on"),
        (["release7", "--set", "to=lan"], "`lan` is no access of UE `ue`"),
        (["release7", "--rig", "A_"], "is no name for a rig"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_before_anything_is_started(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: list[str], what: str
) -> None:
    monkeypatch.setattr("testbed.rig.kernel.choose.choose", lambda wanted, clock: pytest.fail("it was started"))
    outcome = invoke(*argv, runs=tmp_path / "runs")
    assert isinstance(outcome.exception, TestbedError), outcome.output
    assert outcome.exception.exit_code == 2
    assert what in str(outcome.exception)
    assert not (tmp_path / "runs").exists()


def test_the_scenario_must_be_named(tmp_path: Path) -> None:
    outcome = invoke(runs=tmp_path)
    assert outcome.exit_code == 2
    assert "--list shows those that ship" in outcome.stderr


def test_a_missing_tool_is_told_with_its_package_before_anything_is_started(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("testbed.rig.kernel.uml.find", lambda tool: None if tool == "kamailio" else "/usr/bin/x")
    monkeypatch.setattr("testbed.rig.kernel.choose.choose", lambda wanted, clock: pytest.fail("it was started"))
    outcome = invoke("release7", runs=tmp_path)
    assert isinstance(outcome.exception, TestbedError)
    assert outcome.exception.exit_code == 3
    assert "kamailio cannot be found" in str(outcome.exception)
    assert "apt-get install kamailio kamailio-ims-modules" in str(outcome.exception)


def test_where_this_kernel_will_not_do_the_command_line_is_repeated_in_a_guest(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def repeat_in_guest(writable: list[Path], *, clock: str) -> int:
        asked.append((writable, clock))
        return 4

    monkeypatch.setattr("testbed.rig.kernel.choose.choose", lambda wanted, clock: Choice("uml", f"asked for {wanted}"))
    monkeypatch.setattr("testbed.rig.kernel.choose.repeat_in_guest", repeat_in_guest)
    outcome = invoke("release7", "--kernel", "uml", "--json", runs=tmp_path / "runs")
    assert (outcome.exit_code, outcome.stdout, started) == (4, "", [])
    assert asked == [([tmp_path / "runs"], "real")]
    assert "asked for uml" in outcome.stderr


def test_in_simulated_time_each_run_has_a_guest_of_its_own_and_they_are_summed_up_here(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def repeat_in_guest(writable: list[Path], *, clock: str, seed: int, argv: list[str]) -> int:
        folder = Path(argv[-1])
        asked.append((writable, clock, seed, argv[-4:-1], folder.parent, (folder / "logs").is_dir()))
        return 0

    def analyse(folder: RunFolder, context: Any) -> Result:
        return result(folder, find("release7"), Verdict.PASSED if len(asked) == 1 else Verdict.FAILED)

    monkeypatch.setattr("testbed.results.analyse.read_context", lambda folder: None)
    monkeypatch.setattr("testbed.results.analyse.analyse", analyse)
    monkeypatch.setattr("testbed.rig.kernel.choose.choose", lambda wanted, clock: Choice("uml", f"{clock} time"))
    monkeypatch.setattr("testbed.rig.kernel.choose.repeat_in_guest", repeat_in_guest)
    runs = tmp_path / "runs"
    outcome = invoke("release7", "--clock", "simulated", "--seed", "7", "--repeat", "2", "--json", runs=runs)
    assert asked == [
        ([runs], "simulated", 7, ["--one-of", f"{number}/2", "--run-folder"], runs, True) for number in (1, 2)
    ]
    assert outcome.exit_code == 1
    assert [run["verdict"] for run in json.loads(outcome.stdout)["runs"]] == ["passed", "failed"]
    assert started == []


def test_what_the_runner_refuses_ends_the_command_with_its_sentence(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(scenario: Scenario, folder: RunFolder) -> Result:
        raise UsageError("this does not go together")

    instead(monkeypatch, refuse)
    outcome = invoke("release7", runs=tmp_path)
    assert isinstance(outcome.exception, UsageError)


def test_an_error_in_a_later_run_does_not_lose_the_runs_before_it(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    coming = iter([True, False])

    def breaks(scenario: Scenario, folder: RunFolder) -> Result:
        if next(coming):
            return result(folder, scenario)
        raise RigError("the disk is full")

    instead(monkeypatch, breaks)
    outcome = invoke("release7", "--json", "--repeat", "3", runs=tmp_path)
    assert isinstance(outcome.exception, RigError)
    assert [run["verdict"] for run in json.loads(outcome.stdout)["runs"]] == ["passed"]


def test_the_scenarios_are_listed() -> None:
    listed = CliRunner().invoke(cli, ["run", "--list"])
    assert listed.exit_code == 0
    assert {line.split()[0] for line in listed.output.splitlines()} >= {"global-reregistration", "release7", "replaces"}
    records = json.loads(CliRunner().invoke(cli, ["run", "--list", "--json"]).output)["scenarios"]
    assert all(record["title"].endswith(".") for record in records)
