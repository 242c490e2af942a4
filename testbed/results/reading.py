"""What the captures of a run say: both ends read, every handoff measured, and what speaks against trusting it.

Nothing that a capture holds or lacks is an error here.  It is a finding, and what is left is measured all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from testbed.errors import MeasurementInvalid
from testbed.measure.budget import Share, above_floor
from testbed.measure.chain import Scene
from testbed.measure.datagrams import segments
from testbed.measure.esp import EspKeys, read_esp_sa
from testbed.measure.handoff import End, HandoffFigures, around, measure_handoff, no_end, read_end, windows
from testbed.measure.packets import read_packets
from testbed.measure.sip_trace import SipMessage, sip_messages
from testbed.measure.verdict import (
    Finding,
    capture_findings,
    clock_findings,
    handoff_findings,
    marker_findings,
    security_findings,
)
from testbed.measure.words import Verdict
from testbed.results.context import RunContext
from testbed.results.folder import RunFolder
from testbed.results.steps import JudgedStep, faults, judge_steps

ENDS = ("ue", "far")
Read = TypeVar("Read")


@dataclass
class Reading:
    """Everything read from a run's folder.  `handoffs` and `shares` belong together, one for each trigger seen."""

    ends: dict[str, End | None] = field(default_factory=dict)
    servers: dict[str, list[SipMessage]] = field(default_factory=dict)
    keys: EspKeys = field(default_factory=EspKeys)
    handoffs: list[HandoffFigures] = field(default_factory=list)
    shares: list[list[Share]] = field(default_factory=list)
    steps: list[JudgedStep] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_run(folder: RunFolder, context: RunContext) -> Reading:
    """Read, measure and judge.  `findings` are in the order of what they are about: bench, captures, clock, product."""
    reading = Reading()
    found = reading.findings
    found += [Finding(Verdict.RIG_ERROR, sentence) for sentence in context.rig_errors]
    found += [Finding(Verdict.FAILED, sentence) for sentence in context.failures]
    reading.keys = _attempt(found, lambda: read_esp_sa(folder.esp_sa)) or EspKeys()
    _read_ends(folder, context, reading)
    _read_servers(folder, reading)
    _measure(context, reading)
    reading.steps = judge_steps(context, reading.ends, reading.handoffs)
    found += [Finding(Verdict.FAILED, sentence) for sentence in faults(reading.steps)]
    _judge(context, reading)
    return reading


def nothing_read(context: RunContext, why: str) -> Reading:
    """What there is to say of a run whose captures could not be gone through."""
    findings = [
        *(Finding(Verdict.RIG_ERROR, sentence) for sentence in context.rig_errors),
        Finding(Verdict.INVALID, why),
        *(Finding(Verdict.FAILED, sentence) for sentence in context.failures),
    ]
    return Reading(ends=dict.fromkeys(ENDS), findings=findings)


def ended_early(context: RunContext) -> bool:
    """The run was broken off, and says why: what it then lacks needs no explanation of its own."""
    return bool(context.rig_errors or context.failures)


def _read_ends(folder: RunFolder, context: RunContext, reading: Reading) -> None:
    ue = tuple(address for addresses in context.ue_addresses.values() for address in addresses)
    addresses = {"ue": (ue, context.far_addresses), "far": (context.far_addresses, ue)}
    for name in ENDS:
        path, (own, other) = folder.capture(name), addresses[name]
        if not path.exists() and ended_early(context):
            reading.ends[name] = None
            continue
        reading.ends[name] = _attempt(reading.findings, partial(read_end, path, own, other, reading.keys))


def _read_servers(folder: RunFolder, reading: Reading) -> None:
    """Captures at servers are an extra: they take the core's time apart, and nothing hangs on them."""
    for path in sorted(folder.captures.glob("*.pcapng")):
        if path.stem not in ENDS:
            messages = _attempt([], partial(_read_messages, path, reading.keys))
            if messages:
                reading.servers[path.stem] = messages


def _read_messages(path: Path, keys: EspKeys) -> list[SipMessage]:
    return sip_messages(segments(read_packets(path), keys))


def _measure(context: RunContext, reading: Reading) -> None:
    ue, far = reading.ends["ue"], reading.ends["far"] or no_end()
    if ue is None:
        return
    for plan, window in zip(context.handoffs, windows(ue.markers, context.handoffs, ue.last_ns), strict=False):
        new = context.ue_addresses.get(plan.new_access, ())
        here, there = (ue, far) if len(context.handoffs) == 1 else (around(ue, window), around(far, window))
        figures = measure_handoff(plan, window, here, there, new, context.ptime_ms)
        reading.handoffs.append(figures)
        reading.shares.append(above_floor(Scene(figures, here, there, frozenset(new), reading.servers)))


def _judge(context: RunContext, reading: Reading) -> None:
    found, expect, ue = reading.findings, context.expectations, reading.ends["ue"]
    found += capture_findings(context.capture_stats, reading.ends)
    lateness = {end: late.p99 for end, late in context.lateness_ms.items()}
    found += clock_findings(context.clock_step_ms, lateness, reading.ends, expect)
    absent = marker_findings(ue, len(context.handoffs), expect) if ue is not None else []
    absent += [finding for handoff in reading.handoffs for finding in handoff_findings(handoff, expect)]
    for finding in absent:
        # A run that was broken off lacks markers because of that; the reason stands already.
        if finding.verdict != Verdict.INVALID or not ended_early(context):
            found.append(finding)
    found += security_findings(reading.ends, expect, decrypted=len(reading.keys) > 0)


def _attempt(found: list[Finding], read: Callable[[], Read]) -> Read | None:
    """What could be read; else None and a finding that says why not."""
    try:
        return read()
    except MeasurementInvalid as error:
        found.append(Finding(Verdict.INVALID, f"{error.where}: {error.what}" if error.where else error.what))
        return None
