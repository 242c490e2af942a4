"""The steps of a scenario as the captures show them: when each was, and what those say that packets decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from testbed.measure.handoff import End, HandoffFigures
from testbed.measure.markers import Marker
from testbed.measure.sip_check import Check, InterruptionCheck, interruption_fault, sip_fault
from testbed.results.context import RunContext, StepRecord

MARK = "step"  # the marker of a step; `state` is `begun`, or how it ended
LATE_NS = 1_000_000  # a message at the very end of a step may be stamped behind its marker


@dataclass
class JudgedStep:
    """A step, with the moments of its markers; None where they were not captured."""

    record: StepRecord
    begun_ns: int | None = None
    ended_ns: int | None = None
    fault: str = ""
    state: str = "not reached"

    @property
    def took_ms(self) -> float | None:
        """By the kernel's stamps."""
        if self.begun_ns is None or self.ended_ns is None:
            return None
        return (self.ended_ns - self.begun_ns) / 1e6


def judge_steps(
    context: RunContext, ends: Mapping[str, End | None], handoffs: list[HandoffFigures]
) -> list[JudgedStep]:
    """Every step, and for those that passed so far what the captures say of their checks."""
    ue = ends.get("ue")
    marks = [marker for marker in ue.markers if marker.event == MARK] if ue is not None else []
    return [_judged(record, marks, ends, handoffs) for record in context.steps]


def faults(steps: list[JudgedStep]) -> Iterator[str]:
    """What the captures found wrong; what the runner found stands in the context already."""
    for step in steps:
        if step.fault and not step.record.fault:
            yield f"step {step.record.number}: {step.fault}"


def _judged(
    record: StepRecord, marks: list[Marker], ends: Mapping[str, End | None], handoffs: list[HandoffFigures]
) -> JudgedStep:
    own = [mark for mark in marks if mark.detail.get("number") == record.number]
    begun = next((mark.time_ns for mark in own if mark.detail.get("state") == "begun"), None)
    ended = next((mark.time_ns for mark in own if mark.detail.get("state") != "begun"), None)
    step = JudgedStep(record, begun, ended, record.fault, record.state)
    if ends.get("ue") is None or step.state != "passed":
        return step
    for check in record.checks:
        if (there := _fault(check, marks, ends, handoffs, ended)) is not None:
            step.state, step.fault = "failed", f"expected that {record.text}; {there}"
    return step


def _fault(
    check: Check,
    marks: list[Marker],
    ends: Mapping[str, End | None],
    handoffs: list[HandoffFigures],
    ended_ns: int | None,
) -> str | None:
    if isinstance(check, InterruptionCheck):
        return interruption_fault(check, handoffs)
    end = ends.get(check.end)
    if end is None:
        return f"there is no capture at {check.end}"
    since_ns = 0
    if check.since is not None:
        named = [mark.time_ns for mark in marks if mark.detail.get("name") == check.since]
        if not named:
            return f"the moment `{check.since}` was not captured"
        since_ns = named[-1]
    until_ns = end.last_ns if ended_ns is None else ended_ns + LATE_NS
    return sip_fault(check, end.messages, since_ns, until_ns)
