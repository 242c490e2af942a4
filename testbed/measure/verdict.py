"""The verdict: what the evidence says, in sentences.

A finding speaks against the product (`failed`), the bench (`rig-error`) or the measurement (`invalid`).  A broken
bench explains everything else, and figures that cannot be trusted prove no fault; so the bench's word comes first,
then the measurement's, then the product's.  No finding: `passed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from testbed.measure.capture import CaptureStats
from testbed.measure.expected import Expectations
from testbed.measure.handoff import End, HandoffFigures
from testbed.measure.media import DirectionFigures
from testbed.measure.sip_trace import SipMessage
from testbed.measure.words import Direction, Phase, Verdict

ORDER = (Verdict.RIG_ERROR, Verdict.INVALID, Verdict.FAILED)
# What ends each phase, in the words of a finding, and whose fault it is when it never came.
PHASE_ENDS: dict[Phase, tuple[Verdict, str]] = {
    Phase.DETECT: (Verdict.INVALID, "no `detected` marker was captured"),
    Phase.ACCESS: (Verdict.INVALID, "no `access-up` marker was captured"),
    Phase.REGISTER: (Verdict.FAILED, "no 200 to a protected REGISTER came over the new access"),
    Phase.SESSION: (Verdict.FAILED, "no 200 to an INVITE came over the new access"),
    Phase.MEDIA: (Verdict.FAILED, "media never flowed both ways over the new access"),
}
UNPROTECTED_ANSWERS = frozenset({100, 401, 403, 420, 421, 494, 500, 503, 504})  # of a REGISTER, before there are SAs


@dataclass(frozen=True)
class Finding:
    """One thing wrong, as a sentence."""

    verdict: Verdict
    sentence: str


def conclude(findings: Iterable[Finding]) -> tuple[Verdict, list[str]]:
    """The verdict, and the reasons: those that decided it first."""
    found = list(findings)
    verdict = next((kind for kind in ORDER if any(finding.verdict == kind for finding in found)), Verdict.PASSED)
    decisive = [finding.sentence for finding in found if finding.verdict == verdict]
    others = [f"({finding.verdict}) {finding.sentence}" for finding in found if finding.verdict != verdict]
    return verdict, list(dict.fromkeys(decisive + others))


def capture_findings(stats: Mapping[str, CaptureStats], ends: Mapping[str, End | None]) -> list[Finding]:
    """Whether the captures hold everything, in the kernel's order of time."""
    found = []
    for name, end in ends.items():
        dropped = max(stats[name].dropped if name in stats else 0, end.packets.blocks.dropped if end else 0)
        if dropped:
            sentence = f"the capture at {name} lost {dropped} packets: its gaps may be its own"
            found.append(Finding(Verdict.INVALID, sentence))
        if end is not None and end.packets.blocks.truncated:
            found.append(Finding(Verdict.INVALID, f"the capture at {name} ends in the middle of a packet"))
    return found


def clock_findings(
    step_ms: float, lateness_p99_ms: Mapping[str, float], ends: Mapping[str, End | None], expect: Expectations
) -> list[Finding]:
    """Whether time went on evenly: the clock, and the senders against it."""
    found = []
    backwards = max([end.backwards_ms for end in ends.values() if end is not None], default=0.0)
    step = max(abs(step_ms), backwards)
    if step > expect.max_clock_step_ms:
        found.append(Finding(Verdict.INVALID, f"the clock stepped by {step:.1f} ms during the run"))
    for name, p99 in lateness_p99_ms.items():
        if p99 > expect.max_lateness_p99_ms:
            sentence = (
                f"the media sender at {name} was late by {p99:.1f} ms (99th percentile), more than the "
                f"{expect.max_lateness_p99_ms:g} ms that the figures allow for: this machine is too busy"
            )
            found.append(Finding(Verdict.INVALID, sentence))
    return found


def marker_findings(end: End | None, planned: int, expect: Expectations) -> list[Finding]:
    """Whether the markers that the measurement hangs on were captured."""
    events = [marker.event for marker in end.markers] if end else []
    found = []
    if events.count("trigger") < planned:
        sentence = (
            f"{events.count('trigger')} of {planned} `trigger` markers were captured: there is nothing to measure"
        )
        found.append(Finding(Verdict.INVALID, sentence))
    for event in expect.required_markers:
        if event not in events:
            found.append(Finding(Verdict.INVALID, f"no `{event}` marker was captured"))
    return found


def security_findings(ends: Mapping[str, End | None], expect: Expectations, decrypted: bool) -> list[Finding]:
    """Whether SIP was protected as TS 33.203 wants it (clauses 7.1, 7.4)."""
    found = []
    for name, end in ends.items():
        messages = end.messages if end else []
        wrong = sum(message.icv_ok is False for message in messages)
        if wrong:
            found.append(Finding(Verdict.FAILED, f"{wrong} SIP messages at {name} bore a wrong integrity check value"))
        if any(_hands_out_keys(message) for message in messages):
            found.append(Finding(Verdict.FAILED, f"a 401 at {name} carried CK or IK, which a P-CSCF must keep"))
        bare = [
            message
            for message in messages
            if not message.protected and not (message.method == "REGISTER" and _may_be_bare(message.status))
        ]
        if bare and expect.protected and decrypted:
            sentence = f"{len(bare)} SIP messages at {name} went outside ESP, the first of them {bare[0].title}"
            found.append(Finding(Verdict.FAILED, sentence))
    return found


def _hands_out_keys(message: SipMessage) -> bool:
    """A challenge that still holds CK or IK: the P-CSCF must keep them (TS 33.203 6.1.1)."""
    challenge = ",".join(message.headers.get("www-authenticate", []))
    return message.status == 401 and re.search(r"(?i)[,\s](ck|ik)\s*=", challenge) is not None


def _may_be_bare(status: int | None) -> bool:
    return status is None or status in UNPROTECTED_ANSWERS


def handoff_findings(handoff: HandoffFigures, expect: Expectations) -> list[Finding]:
    """Whether the handoff went as the scenario expects."""
    found = []
    for direction in Direction:
        found += _direction_findings(direction, handoff, expect)
    for phase in handoff.phases.missing:
        verdict, sentence = PHASE_ENDS[phase]
        found.append(Finding(verdict, sentence))
    for marker in handoff.markers:
        if marker.event == "handoff-failed":
            found.append(
                Finding(Verdict.FAILED, f"the UE gave the handoff up: {marker.detail.get('why', 'no reason')}")
            )
    lost = handoff.happened("call-lost")
    if lost and expect.call_survives:
        found.append(Finding(Verdict.FAILED, "the call was lost"))
    if not lost and not expect.call_survives:
        found.append(Finding(Verdict.FAILED, "the call was expected to be lost, and no `call-lost` was seen"))
    detect = handoff.phases.ms.get(Phase.DETECT)
    tolerance = expect.detection_tolerance_ms
    if detect is not None and tolerance is not None and abs(detect - handoff.plan.detection_ms) > tolerance:
        stated = f"{handoff.plan.detection_ms:g} ms (within {tolerance:g} ms)"
        sentence = f"the UE noticed after {detect:.1f} ms; {stated} was stated"
        found.append(Finding(Verdict.FAILED, sentence))
    return found


def _direction_findings(direction: Direction, handoff: HandoffFigures, expect: Expectations) -> list[Finding]:
    figures: DirectionFigures = handoff.media[direction]
    value, ratio = figures.interruption_ms, handoff.over_floor(direction)
    if value is None:
        return [Finding(Verdict.FAILED, f"there was no {direction} media before the trigger")]
    sentences = []
    if not figures.resumed:
        sentences.append(f"{direction} media never came back")
    elif expect.max_interruption_ms is not None and value > expect.max_interruption_ms:
        sentences.append(f"{direction} was interrupted for {value:.1f} ms, more than {expect.max_interruption_ms:g} ms")
    elif expect.max_over_floor is not None and ratio is not None and ratio > expect.max_over_floor:
        sentences.append(
            f"{direction} interruption is {ratio:.2f} times its floor, more than {expect.max_over_floor:g}"
        )
    if expect.max_lost is not None and figures.losses.lost > expect.max_lost:
        sentences.append(f"{figures.losses.lost} {direction} packets were lost, {expect.max_lost} are allowed")
    return [Finding(Verdict.FAILED, sentence) for sentence in sentences]
