"""What a run's analysis needs to know that the captures cannot tell (see testbed.results.context)."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from testbed.measure.expected import PlannedHandoff
from testbed.results.context import ConnectionInfo, KernelInfo, RunContext
from testbed.scenario.common import FAR, MOVING
from testbed.scenario.model import Scenario
from testbed.scenario.stepped import SteppedScenario
from testbed.topology.plan import Plan

if TYPE_CHECKING:
    from testbed.scenario.record import Recorded


def clock_offset_s() -> float:
    """The time of day less the monotonic clock; between two calls it changes only when the clock is stepped.

    The two clocks cannot be read at once: of several readings the one counts that was interrupted least.
    """
    readings = []
    for _ in range(16):
        before, now, after = time.monotonic(), time.time(), time.monotonic()
        readings.append((after - before, now - (before + after) / 2))
    return min(readings)[1]


def run_context(
    scenario: Scenario | SteppedScenario, plan: Plan, recorded: Recorded, kernel: KernelInfo, ended: datetime
) -> RunContext:
    """Put together what scenario, plan and runner know."""
    moving, far = plan.ues[MOVING], plan.ues[FAR]
    handoffs = planned_handoffs(scenario, plan) if isinstance(scenario, Scenario) else tuple(recorded.handoffs)
    return RunContext(
        scenario=scenario.name,
        topology=plan.topology,
        kernel=kernel,
        started=recorded.started,
        ended=ended,
        ue_addresses={access: _ue_addresses(plan, access) for access in moving.accesses},
        far_addresses=scenario.far_addresses(plan),
        handoffs=handoffs,
        pcscf_addresses={access: _pcscf_addresses(plan, access) for access in (*moving.accesses, *far.accesses)},
        connections=tuple(
            ConnectionInfo(each["access"], each["pcscf"], each["state"], tuple(each["bindings"]), tuple(each["spi"]))
            for each in recorded.connections
        ),
        lateness_ms=recorded.lateness,
        capture_stats=recorded.captures,
        clock_step_ms=(clock_offset_s() - recorded.clock_s) * 1000,
        expectations=scenario.expectations(),
        failures=tuple(recorded.failures),
        rig_errors=tuple(recorded.rig_errors),
        timings_s=dict(recorded.timings_s),
        rows=tuple(scenario.rows),
        steps=tuple(recorded.steps),
        notes=(*plan.notes, *recorded.notes),
    )


def planned_handoffs(scenario: Scenario, plan: Plan) -> tuple[PlannedHandoff, ...]:
    """The scenario's handoffs, back and forth."""
    there = planned_handoff(scenario, plan, scenario.old_access(plan), scenario.new_access(plan))
    back = planned_handoff(scenario, plan, there.new_access, there.old_access)
    return tuple(back if number % 2 else there for number in range(scenario.handoffs))


def planned_handoff(scenario: Scenario, plan: Plan, from_access: str, to_access: str) -> PlannedHandoff:
    """One handoff with the topology's delays."""
    old, new = plan.accesses[from_access], plan.accesses[to_access]
    blackhole = scenario.trigger == "blackhole"
    return PlannedHandoff(
        trigger=scenario.trigger,
        old_access=old.name,
        new_access=new.name,
        procedure=scenario.procedure,
        old_delay_ms=old.shape.delay_ms,
        new_delay_ms=new.shape.delay_ms,
        far_delay_ms=scenario.far_delay_ms(plan),
        core_delay_ms=plan.core_delay_ms,
        transport=scenario.transport,
        detection_ms=scenario.silence_ms if blackhole and not scenario.make_before_break else 0.0,
    )


def _ue_addresses(plan: Plan, access: str) -> tuple[str, ...]:
    return tuple(address.address for address in plan.accesses[access].addresses)


def _pcscf_addresses(plan: Plan, access: str) -> tuple[str, ...]:
    return tuple(plan.servers[plan.accesses[access].pcscf].addresses.values())
