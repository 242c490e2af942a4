"""Statistics over repeats, and the tables that show results."""

from __future__ import annotations

import io
import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from synthetic_call import Call, Moments

from testbed.measure.expected import Expectations
from testbed.measure.words import Procedure
from testbed.results.analyse import analyse
from testbed.results.folder import RunFolder
from testbed.results.model import Result
from testbed.results.summary import quantile, spread, summarise
from testbed.results.table import comparison_table, result_table, runs_table, summary_table


def make(folder: Path, call: Call, **changes: object) -> Result:
    run = RunFolder.create(folder, str(call.procedure))
    call.write(run)
    return analyse(run, call.context(**changes))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    runs = tmp_path_factory.mktemp("runs")
    found = [make(runs, Call(grid_up=grid, grid_down=19.0 - grid)) for grid in (1.0, 6.0, 11.0, 16.0)]
    found.append(make(runs, Call(), rig_errors=("port 5060 is in use",)))
    never = replace(Moments(), invite=None, far_heard=None, far_answered=None, answered=None, moved=None)
    found.append(make(runs, Call(moments=never)))
    return found


def shown(what: RenderableType, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


def test_only_runs_that_can_be_trusted_count(results: list[Result]) -> None:
    summary = summarise(results)
    assert summary["runs"] == 6
    assert summary["verdicts"] == {"passed": 4, "failed": 1, "rig-error": 1, "invalid": 0}
    assert summary["handoffs"] == 5
    assert summary["interruption_ms"]["uplink"]["n"] == 4, "a lower bound is no figure"
    assert summary["never_resumed"] == {"uplink": 1, "downlink": 1}


def test_median_and_extremes_are_those_of_the_runs(results: list[Result]) -> None:
    values = [result.handoffs[0].interruption_ms.downlink.value or 0 for result in results[:4]]
    figures = summarise(results)["interruption_ms"]["downlink"]
    assert (figures["median"], figures["min"], figures["max"]) == (statistics.median(values), min(values), max(values))


def test_whose_time_above_the_floor_it_was_is_summed_up_too(results: list[Result]) -> None:
    whose = summarise(results)["whose_ms"]["uplink"]
    assert whose["core+network"]["median"] == 9.5
    assert set(whose) == {"UE", "core+network", "far UE", "measurement"}


def test_a_summary_is_json(results: list[Result]) -> None:
    assert json.loads(json.dumps(summarise(results))) == summarise(results)
    assert json.loads(json.dumps(summarise([])))["runs"] == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.sampled_from([0.1, 0.5, 0.9]))
def test_a_quantile_lies_between_the_extremes_and_the_half_is_the_median(values: list[float], share: float) -> None:
    ordered = sorted(values)
    assert ordered[0] - 1e-6 <= quantile(ordered, share) <= ordered[-1] + 1e-6
    assert quantile(ordered, 0.5) == pytest.approx(statistics.median(ordered), abs=1e-6)


def test_nothing_known_is_no_figure() -> None:
    assert spread([None, None])["median"] is None
    assert spread([3.0])["stdev"] == 0.0


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_says_all_that_a_person_reads_aloud(results: list[Result], width: int) -> None:
    text = shown(result_table(results[0], Path("runs/here")), width)
    for word in ("uplink", "downlink", "± 8.2 ms", "floor", "above the floor", "packets lost", "detect", "register",
                 "session", "media", "core+network", "PASSED", "runs/here/", "lte to wifi"):  # fmt: skip
        assert word in text
    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_table_fits_its_terminal(results: list[Result], width: int, tmp_path: Path) -> None:
    redialled = make(tmp_path, Call(procedure=Procedure.RELEASE7, ssrc_after=3))
    tables = [summary_table(results), comparison_table(results[0], redialled), *map(result_table, results)]
    tables.append(runs_table([(result.id, result) for result in results] + [("20260101T000000Z-x-0000", None)]))
    for table in tables:
        assert max(len(line) for line in shown(table, width).splitlines()) <= width


def test_reasons_stand_below_the_verdict(tmp_path: Path) -> None:
    expect = Expectations(max_over_floor=1.1)
    text = shown(result_table(make(tmp_path, Call(), expectations=expect, notes=("a stand-in database",))))
    assert "FAILED: the system under test did not do what was expected" in text
    assert "uplink interruption is 1.27 times its floor, more than 1.1" in text
    assert "a stand-in database" in text


def test_a_run_without_a_handoff_still_has_a_table(results: list[Result], tmp_path: Path) -> None:
    text = shown(result_table(make(tmp_path, Call(markers=False), rig_errors=("the kernel lacks ESP",))))
    assert "RIG-ERROR" in text
    assert "the kernel lacks ESP" in text


def test_the_comparison_says_what_became_of_the_call(results: list[Result], tmp_path: Path) -> None:
    redialled = make(tmp_path, Call(procedure=Procedure.RELEASE7, ssrc_after=3))
    text = shown(comparison_table(results[0], redialled))
    assert "went on" in text
    assert "lost and dialled again" in text


def test_many_runs_end_in_median_and_extremes(results: list[Result]) -> None:
    text = shown(summary_table(results))
    assert [word for word in ("median", "min", "max", "4 passed, 1 failed, 1 rig-error") if word not in text] == []
