"""For each row of the proposal: its scenario passes, and fails on a core that lacks the rule which the row is about.

So each row has a test that would notice.  What is judged is what happened, not how fast.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from living import TOPOLOGIES

from testbed.measure.words import Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Result
from testbed.scenario.catalogue import find
from testbed.scenario.rows import row
from testbed.scenario.runner import RunOptions, run_scenario

pytestmark = pytest.mark.simulated
UNTIMED = {"max_lateness_p99_ms": 10_000.0}
SHOWS = {
    1: "connection-ends-alone",
    2: "second-registration",
    3: "implicit-identities",
    4: "explicit-move-over-existing",
    5: "foreign-contact-refused",
    6: "global-move",
    7: "linger-expiry",
    8: "session-moves-by-re-invite",
    9: "reg-event",
    10: "gruu-before-and-after",
    11: "without-the-tag",
    12: "plain-core-refuses",
    13: "protected-only",
}


def carry_out(folder: Path, name: str, *without: str) -> Result:
    scenario = find(name)
    expect = {**scenario.as_data()["expect"], **UNTIMED}
    scenario = scenario.with_options(seed=1, expect=expect)
    options = RunOptions(rig="row", state=folder / "state", without=frozenset(without))
    runs = RunFolder.create(folder / "runs", name)
    topology = TOPOLOGIES / f"{scenario.topology}.yaml"
    return asyncio.run(run_scenario(scenario, topology, runs, options, lambda _: None))


@pytest.mark.parametrize("number", SHOWS)
def test_a_row_holds_and_its_scenario_notices_when_the_core_lacks_the_rule(number: int, tmp_path: Path) -> None:
    shown = row(number)
    assert number in find(SHOWS[number]).rows
    held = carry_out(tmp_path, SHOWS[number])
    assert held.verdict is Verdict.PASSED, held.reasons
    broken = carry_out(tmp_path, SHOWS[number], shown.rule)
    assert broken.verdict is Verdict.FAILED, broken.reasons
    assert any(step.state == "failed" for step in broken.steps)


def test_a_failed_check_says_what_was_expected_and_what_was_there(tmp_path: Path) -> None:
    result = carry_out(tmp_path, "implicit-identities", row(3).rule)
    faults = [step.fault for step in result.steps if step.state == "failed"]
    assert any("user1_public2@home1.net is bound to lte at the S-CSCF; " in fault for fault in faults), faults
    assert [step.number for step in result.steps] == list(range(1, len(result.steps) + 1))
    reached = [step for step in result.steps if step.state != "not reached"]
    assert all(step.t_ms is not None and step.took_ms is not None for step in reached)
