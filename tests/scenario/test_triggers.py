"""What can happen to which kind of access is known before a run begins, and the same to all who speak of it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest

from testbed.cli.run import TRIGGERS
from testbed.errors import UsageError
from testbed.measure.words import TriggerKind
from testbed.rig.lever import AccessLever
from testbed.scenario import triggers
from testbed.scenario.catalogue import find
from testbed.scenario.levers import ORDERS, Levers
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan

TOPOLOGIES = Path(__file__).parents[2] / "topologies"


def plan(name: str) -> Plan:
    return make_plan(load(TOPOLOGIES / f"{name}.yaml"))


def test_the_command_line_knows_every_trigger_but_a_fade() -> None:
    assert set(TRIGGERS) == {str(kind) for kind in TriggerKind} - {"fade"}


@pytest.mark.parametrize("topology", ["two-access", "lte-modem-wifi-wired", "lte-wifi-virtual", "bench-lte"])
def test_what_is_said_to_be_possible_is_what_a_lever_or_the_ue_does(topology: str) -> None:
    """A fade is played on the signal by itself."""
    for access in plan(topology).accesses.values():
        stick = Mock() if access.modem and access.modem.stick else None
        port = Mock() if access.modem and not access.modem.stick else None
        lever = AccessLever(access, Mock(), None, stick, Mock() if access.wifi else None, port)
        said = {str(kind) for kind in triggers.possible(access)}
        assert lever.triggers == said - {*map(str, ORDERS), "fade"}


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


def test_a_fade_that_is_given_up_does_not_wait_for_its_next_step() -> None:
    """Its steps are 900 s apart; the program cannot end before its threads have."""
    lever = Mock(attenuation_db=lambda: 0.0, set_attenuation_db=lambda db: db)

    async def story() -> None:
        levers = Levers(Mock(), plan("lte-wifi-virtual"), Mock(attenuator=lambda _: lever), Mock(), Mock())
        fading = asyncio.create_task(levers.fade("wifi", 1.0, 3600.0, 1.0))
        await asyncio.sleep(0)  # it has begun, and waits
        await asyncio.sleep(0)
        fading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fading

    asyncio.run(story())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asyncio")]
