"""Row by row: which runs share a core, what a row comes to, and how it is written down."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from testbed.dashboard.conformance import conformance_table
from testbed.errors import UsageError
from testbed.measure.words import Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Kernel, LatenessRecord, Result, StepResult
from testbed.scenario.catalogue import catalogue
from testbed.scenario.conformance import (
    FAMILIES,
    TRANSPORTS,
    Outcome,
    by_row,
    check_rules,
    chosen,
    exit_code,
    figure,
    groups,
    read_job,
    write_job,
)
from testbed.scenario.conformance_page import page
from testbed.scenario.rows import ROWS, RULES
from testbed.scenario.site import RunOptions

SCENARIOS = [each for each in catalogue().values() if each.rows]


def one(scenario: str, verdict: Verdict = Verdict.PASSED, transport: str = "udp", ip: int = 4) -> Outcome:
    reasons = () if verdict is Verdict.PASSED else ("step 3: it is not so",)
    folder = f"runs/{scenario}-{transport}-{ip}"
    return Outcome(scenario, f"What {scenario} shows.", transport, ip, verdict, "4 checks", reasons, folder)


def result(*steps: StepResult) -> Result:
    return Result(
        id="r",
        scenario="s",
        topology="two-access",
        kernel=Kernel(name="uml", release="6.12"),
        started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:01:00+00:00",
        verdict=Verdict.PASSED,
        steps=list(steps),
        sender_lateness_ms=LatenessRecord(p50=None, p99=None),
        capture_drops=0,
    )


def test_rows_choose_the_scenarios_that_name_them() -> None:
    assert {each.name for each in chosen([])} == {each.name for each in SCENARIOS}
    assert all(5 in each.rows for each in chosen([5]))
    with pytest.raises(UsageError, match="no scenario shows row 5"):
        chosen([5], [])


def test_the_rules_are_those_of_the_core() -> None:
    from testbed.core.core import RULES as OF_THE_CORE

    assert tuple(OF_THE_CORE.values()) == RULES and list(OF_THE_CORE) == [row.number for row in ROWS]
    assert check_rules(["linger"]) == {"linger"}
    with pytest.raises(UsageError, match=r"the core has no rule `lingr`\n  mend: did you mean `linger`\?"):
        check_rules(["lingr"])


def test_every_scenario_is_run_over_everything_once_with_others_that_want_the_same_core() -> None:
    made = groups(SCENARIOS, TRANSPORTS, FAMILIES, seed=1)
    runs = [(run.name, run.transport, run.ip) for group in made for run in group.runs]
    assert sorted(runs) == sorted((each.name, t, ip) for each in SCENARIOS for t in TRANSPORTS for ip in FAMILIES)
    for group in made:
        assert {run.topology for run in group.runs} == {group.topology}
        assert len({(run.profile, run.transport, run.ip, run.linger_s, run.seed) for run in group.runs}) == 1


def test_a_group_is_the_same_after_it_was_written_for_another_process(tmp_path: Path) -> None:
    group = groups(SCENARIOS, ["tcp"], [6], seed=1)[0]
    folders = [RunFolder.create(tmp_path, run.name) for run in group.runs]
    options = RunOptions(rig="tb1", without=frozenset({"linger"}))
    write_job(tmp_path / "job.json", group, Path("topology.yaml"), folders, options)
    topology, runs, read = read_job(tmp_path / "job.json")
    assert (topology, read) == (Path("topology.yaml"), options)
    assert [scenario for scenario, _ in runs] == list(group.runs)
    assert [folder.path for _, folder in runs] == [folder.path for folder in folders]


def test_a_row_is_as_good_as_the_worst_run_of_any_scenario_that_names_it() -> None:
    outcomes = [one("linger-expiry"), one("no-session-no-linger", Verdict.FAILED), one("figure-1", Verdict.INVALID)]
    table = by_row(outcomes, SCENARIOS)
    assert [row.row.number for row in table] == list(range(1, 14))
    assert (table[6].verdict, table[0].verdict, table[4].verdict) == (Verdict.INVALID, Verdict.INVALID, None)
    assert exit_code(outcomes) == 4 and exit_code(outcomes[:2]) == 1 and exit_code(outcomes[:1]) == 0


def test_the_figure_is_what_has_a_name_or_else_how_much_was_checked() -> None:
    named = StepResult(number=2, verb="register", text="", state="passed", figure="moved in", took_ms=39.71)
    long = StepResult(number=3, verb="expect", text="", state="passed", figure="released after", took_ms=20_312.0)
    checks = [StepResult(number=n, verb="expect", text="", state="passed") for n in (4, 5)]
    assert figure(result(named, long, *checks)) == "moved in 39.7 ms, released after 20.31 s"
    assert figure(result(*checks)) == "2 checks"


def test_the_page_has_every_row_and_says_why_one_failed() -> None:
    outcomes = [one("linger-expiry"), one("linger-expiry", Verdict.FAILED, "tcp", 6)]
    text = page(by_row(outcomes, SCENARIOS), "uml 6.12", "simulated", "2026-01-01T00:00:00+00:00", 61.4)
    assert "1 of 2 runs passed, in 61 s." in text and "Kernel uml 6.12, simulated time." in text
    for row in ROWS:
        assert f"| {row.number} | {row.what} | {row.clause} |" in text
    assert "| 7 | an inactive connection's sessions linger, then are released | 2.2, 2.3, 3(4) | **failed** |" in text
    assert "linger-expiry, tcp IPv6: step 3: it is not so" in text


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_a_terminal_and_names_what_failed(width: int) -> None:
    outcomes = [one("linger-expiry"), one("linger-expiry", Verdict.FAILED, "tcp", 6), one("figure-1")]
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(conformance_table(by_row(outcomes, SCENARIOS)))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "✓ udp4 ✗ tcp6" in text and "not run" in text and "figure-1" in text
    json.dumps([row.as_record() for row in by_row(outcomes, SCENARIOS)])
