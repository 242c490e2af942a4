"""What can happen to which kind of access is known before a run begins, and the same to all who speak of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cli.run import TRIGGERS
from testbed.errors import UsageError
from testbed.measure.words import TriggerKind
from testbed.scenario import triggers
from testbed.scenario.catalogue import find
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan

TOPOLOGIES = Path(__file__).parents[2] / "topologies"


def plan(name: str) -> Plan:
    return make_plan(load(TOPOLOGIES / f"{name}.yaml"))


def test_the_command_line_knows_every_trigger_but_a_fade() -> None:
    assert set(TRIGGERS) == {str(kind) for kind in TriggerKind} - {"fade"}


def test_every_trigger_can_happen_to_something() -> None:
    assert {*triggers.WIFI, *triggers.STICK} == {*TriggerKind}


@pytest.mark.parametrize(
    ("topology", "scenario"),
    [("two-access", name) for name in ("modem-pulled", "ap-deauth", "walk-away")] + [("bench-lte", "modem-pulled")],
)
def test_what_cannot_happen_to_an_access_is_refused_with_what_can(topology: str, scenario: str) -> None:
    with pytest.raises(UsageError, match="cannot happen to access") as raised:
        find(scenario).fit(plan(topology))
    assert "blackhole" in str(raised.value.mend)


def test_the_short_form_is_held_to_it_too() -> None:
    scenario = find("global-reregistration").with_options(trigger="stick-pulled")
    scenario.fit(plan("lte-modem-wifi-wired"))
    with pytest.raises(UsageError, match="stick-pulled cannot happen to access lte"):
        scenario.fit(plan("two-access"))
