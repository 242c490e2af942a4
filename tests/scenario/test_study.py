"""What a study runs, and the sentences that its figures support."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.measure.words import Direction, Procedure
from testbed.scenario.language.breaking import HandOff
from testbed.scenario.stepped import SteppedScenario
from testbed.scenario.study import AT_ONCE, ONE_BY_ONE, SWEEPS, Measured, Point, groups, points
from testbed.scenario.study_page import lines, page, sentences
from testbed.topology.load import loads
from testbed.topology.planning import make_plan

POINTS = [*points(1, identities=(1, 4), round_trips_ms=(10, 400))]
IDENTITIES, ROUND_TRIP = SWEEPS


def found(point: Point, downlink: float | None, floor: float = 80.0) -> Measured:
    return Measured(point, "passed", downlink, downlink, floor, floor, "runs/x")


def test_every_line_has_a_run_at_every_place() -> None:
    there = [(point.sweep, point.line, point.at) for point in POINTS]
    expected = [("identities", line, at) for at in (1, 4) for line in IDENTITIES.lines]
    expected += [("round-trip", line, at) for at in (10, 400) for line in ROUND_TRIP.lines]
    assert there == expected


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.sweep}-{point.line}-{point.at}")
def test_each_run_fits_its_topology(point: Point) -> None:
    plan = make_plan(loads(point.topology))
    point.scenario.fit(plan)
    assert not any(access.shape.jitter_ms for access in plan.accesses.values())
    if point.sweep == "round-trip":
        assert {plan.accesses[name].shape.delay_ms * 2 for name in ("lte", "wifi")} == {point.at}
    else:
        assert len(plan.ues["ue"].implicit_sets) == point.at


@pytest.mark.parametrize(
    ("line", "procedure"), [(ONE_BY_ONE, "explicit-reregistration"), (AT_ONCE, "global-reregistration")]
)
def test_identities_are_all_registered_before_they_move(line: str, procedure: str) -> None:
    (point,) = (point for point in POINTS if point.line == line and point.at == 4)
    assert isinstance(point.scenario, SteppedScenario)
    verbs = [step.verbs[0] for step in point.scenario.steps]
    assert verbs.count("add-identity") == 3
    assert max(at for at, verb in enumerate(verbs) if verb == "add-identity") < verbs.index("handoff")
    (handoff,) = (step.verb for step in point.scenario.steps if isinstance(step.verb, HandOff))
    assert handoff.procedure is Procedure(procedure)


def test_runs_share_a_core_where_topology_and_profile_are_the_same(tmp_path: Path) -> None:
    made = groups(POINTS, tmp_path)
    assert sorted(len(shared) for _, shared in made) == [1, 1, 2, 2, 2, 2]  # release 7 wants a core of its own
    for group, shared in made:
        assert [point.scenario for point in shared] == list(group.runs)
        assert {point.topology for point in shared} == {Path(group.topology).read_text()}


def test_the_sentence_of_identities_has_the_slope_and_the_most() -> None:
    ms = {(ONE_BY_ONE, 1): 80.0, (ONE_BY_ONE, 4): 140.0, (AT_ONCE, 1): 80.0, (AT_ONCE, 4): 81.0}
    measured = [found(point, ms[point.line, point.at]) for point in POINTS if point.sweep == "identities"]
    (sentence,) = sentences(IDENTITIES, measured)
    assert "20.0 ms more" in sentence and "140 ms with 4" in sentence and "80 to 81 ms" in sentence


def test_the_sentence_of_round_trips_has_a_slope_for_each_line() -> None:
    measured = [found(point, 40 + 3 * point.at) for point in POINTS if point.sweep == "round-trip"]
    (sentence,) = sentences(ROUND_TRIP, measured)
    assert sentence.count("3.00") == 3 and sentence.count("1240 ms") == 3


def test_what_was_not_measured_is_a_gap_and_no_sentence() -> None:
    measured = [found(point, None) for point in POINTS]
    assert not list(sentences(IDENTITIES, measured)) and not list(sentences(ROUND_TRIP, measured))
    assert all(value is None for line in lines(IDENTITIES, measured, Direction.UPLINK) for value in line.ms)
    assert "– / –" in page(measured, "how")


def test_a_page_has_a_row_for_each_place_with_both_directions_and_their_floors() -> None:
    measured = [replace(found(point, 100.0), uplink=50.0) for point in POINTS]
    text = page(measured, "how", "pictures/")
    assert text.count("| 50.0 / 100.0 | 80.0 / 80.0") == len(POINTS)
    assert "![Interruption by the round trip to the P-CSCF](pictures/round-trip.svg)" in text
