"""Figures into the record that `result.json` holds: names as in DESIGN, milliseconds with three decimals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from testbed.measure.budget import Share, outage_ms
from testbed.measure.handoff import HandoffFigures
from testbed.measure.media import DirectionFigures
from testbed.measure.words import Direction, Verdict
from testbed.results.context import RunContext
from testbed.results.model import (
    AboveFloor,
    CaptureRecord,
    Connection,
    CountPair,
    DelayRecord,
    Handoff,
    Kernel,
    LatenessRecord,
    LossDetail,
    Measured,
    MeasuredPair,
    NumberPair,
    Result,
    StepResult,
)
from testbed.results.reading import ENDS, Reading

UP, DOWN = Direction.UPLINK, Direction.DOWNLINK


def result_record(
    run_id: str, context: RunContext, reading: Reading, verdict: Verdict, reasons: Sequence[str]
) -> Result:
    """The whole record but its artifacts."""
    first_ns = reading.handoffs[0].window.trigger_ns if reading.handoffs else 0
    return Result(
        id=run_id,
        scenario=context.scenario,
        topology=context.topology,
        kernel=Kernel(**asdict(context.kernel)),
        started=context.started.isoformat(),
        ended=context.ended.isoformat(),
        verdict=verdict,
        reasons=list(reasons),
        handoffs=[
            _handoff(figures, shares, first_ns)
            for figures, shares in zip(reading.handoffs, reading.shares, strict=True)
        ],
        connections=[
            Connection(access=c.access, pcscf=c.pcscf, state=c.state, bindings=list(c.bindings), spi=list(c.spi))
            for c in context.connections
        ],
        rows=list(context.rows),
        steps=_steps(reading),
        sender_lateness_ms=_lateness(context),
        capture_drops=_drops(context, reading),
        captures=_captures(context, reading),
        timings_s={stage: round(seconds, 3) for stage, seconds in context.timings_s.items()},
        notes=list(context.notes),
    )


def _handoff(figures: HandoffFigures, shares: Sequence[Share], first_ns: int) -> Handoff:
    plan, media, floor = figures.plan, figures.media, figures.floor
    up, down = media[UP].losses, media[DOWN].losses
    delays = plan.delays
    outage = {direction: outage_ms(media[direction].interruption_ms, shares, direction) for direction in Direction}
    return Handoff(
        trigger=plan.trigger,
        from_access=plan.old_access,
        to_access=plan.new_access,
        procedure=plan.procedure,
        transport=plan.transport,
        interruption_ms=MeasuredPair(uplink=_measured(media[UP]), downlink=_measured(media[DOWN])),
        lost=CountPair(uplink=up.lost, downlink=down.lost),
        loss_detail=LossDetail(
            sent_not_received=CountPair(uplink=up.sent_not_received, downlink=down.sent_not_received),
            never_sent=CountPair(uplink=up.never_sent, downlink=down.never_sent),
            duplicates=CountPair(uplink=up.duplicates, downlink=down.duplicates),
            reordered=CountPair(uplink=up.reordered, downlink=down.reordered),
        ),
        handoff_ms=_ms(figures.phases.total_ms),
        phases_ms={phase: _ms(value) for phase, value in figures.phases.ms.items()},
        floor_ms=NumberPair(uplink=_ms(floor.uplink), downlink=_ms(floor.downlink)),
        over_floor=NumberPair(uplink=_ms(figures.over_floor(UP)), downlink=_ms(figures.over_floor(DOWN))),
        outage_ms=NumberPair(uplink=_ms(outage[UP]), downlink=_ms(outage[DOWN])),
        outage_over_floor=NumberPair(
            uplink=_ms(_ratio(outage[UP], floor.uplink)), downlink=_ms(_ratio(outage[DOWN], floor.downlink))
        ),
        above_floor=[
            AboveFloor(what=s.what, ms=round(s.ms, 3), whose=s.whose, directions=list(s.directions)) for s in shares
        ],
        detection_ms=plan.detection_ms,
        delays_ms=DelayRecord(
            old_access=delays.old_access,
            new_access=delays.new_access,
            far_access=delays.far_access,
            core=delays.core,
        ),
        t_ms=round((figures.window.trigger_ns - first_ns) / 1e6, 3),
    )


def _ratio(value: float | None, least: float) -> float | None:
    return value / least if value is not None and least > 0 else None


def _steps(reading: Reading) -> list[StepResult]:
    triggers = [handoff.window.trigger_ns for handoff in reading.handoffs]
    zero_ns = min(triggers or [step.begun_ns for step in reading.steps if step.begun_ns is not None], default=0)
    return [
        StepResult(
            number=step.record.number,
            verb=step.record.verb,
            text=step.record.text,
            state=step.state,
            found=step.record.found,
            fault=step.fault,
            figure=step.record.figure,
            t_ms=None if step.begun_ns is None else _ms((step.begun_ns - zero_ns) / 1e6),
            took_ms=_ms(step.took_ms),
        )
        for step in reading.steps
    ]


def _measured(figures: DirectionFigures) -> Measured:
    return Measured(
        value=_ms(figures.interruption_ms),
        uncertainty=_ms(figures.uncertainty_ms),
        gap=_ms(figures.gap.ms) if figures.gap else None,
        resumed=figures.resumed,
    )


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _lateness(context: RunContext) -> LatenessRecord:
    ends = {
        end: {"p50": _ms(late.p50), "p99": _ms(late.p99), "max": _ms(late.max)}
        for end, late in context.lateness_ms.items()
    }
    worse = context.lateness_ms.values()
    return LatenessRecord(
        p50=_ms(max((late.p50 for late in worse), default=None)),
        p99=_ms(max((late.p99 for late in worse), default=None)),
        ends=ends,
    )


def _captures(context: RunContext, reading: Reading) -> dict[str, CaptureRecord]:
    """What dumpcap said at its end; where it was never asked, what the file itself admits."""
    found = {}
    for name in ENDS:
        stats, end = context.capture_stats.get(name), reading.ends.get(name)
        if stats is not None:
            found[name] = CaptureRecord(received=stats.received, dropped=stats.dropped)
        elif end is not None:
            found[name] = CaptureRecord(received=len(end.packets), dropped=end.packets.blocks.dropped)
    return found


def _drops(context: RunContext, reading: Reading) -> int | None:
    """Packets that the captures of both ends lost; None where one of them is not known."""
    records = _captures(context, reading)
    if any(name not in records for name in ENDS):
        return None
    return sum(record.dropped or 0 for record in records.values())
