"""One handoff measured: the scenario's plan and two captures in, every figure of it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from testbed.measure.capture import SENTINEL
from testbed.measure.datagrams import Segment, segments
from testbed.measure.esp import EspKeys
from testbed.measure.expected import PlannedHandoff
from testbed.measure.floor import Floor
from testbed.measure.markers import Marker, markers
from testbed.measure.media import DirectionFigures, Window, judge
from testbed.measure.packets import Packets, no_packets, read_packets
from testbed.measure.phases import Evidence, Phases, phases
from testbed.measure.rtp import Rtp, read_rtp
from testbed.measure.sip_trace import SipMessage, sip_messages
from testbed.measure.words import Direction, Procedure

AROUND_NS = 10_000_000_000
BEFORE_TRIGGER_NS = 1_000_000_000  # losses this long before the trigger are still the handoff's
IN_FLIGHT_NS = 250_000_000  # and where another handoff came before in the same call, to which the time between belongs


@dataclass
class End:
    """One end's capture, read: media as columns, signalling as messages, markers."""

    packets: Packets
    sent: Rtp
    received: Rtp
    messages: list[SipMessage] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    handshakes: list[Segment] = field(default_factory=list)  # TCP segments with SYN, both ways

    @property
    def first_ns(self) -> int:
        return int(self.packets.time_ns[0]) if len(self.packets) else 0

    @property
    def last_ns(self) -> int:
        return int(self.packets.time_ns.max()) if len(self.packets) else 0

    @property
    def backwards_ms(self) -> float:
        """How far the clock was seen to step back between two packets of media that arrived.

        Only those stand in the capture in the order of their stamps: a packet that arrives is stamped before it waits
        for its turn, and one that leaves meanwhile is captured first and stamped later.
        """
        steps = np.diff(self.received.time_ns)
        return float(-steps.min()) / 1e6 if len(steps) and steps.min() < 0 else 0.0


def read_end(path: Path, own: Iterable[str], other: Iterable[str], keys: EspKeys) -> End:
    """Read the capture of the end whose addresses are `own`; MeasurementInvalid when it cannot be read."""
    own, other = tuple(own), tuple(other)
    packets = read_packets(path)
    sent, received = read_rtp(packets, own, other), read_rtp(packets, other, own)
    found: list[Segment] = list(segments(packets, keys, np.concatenate([sent.row, received.row])))
    marks = [marker for marker in markers(found) if marker.event != SENTINEL]
    return End(packets, sent, received, sip_messages(found), marks, [segment for segment in found if segment.syn])


def no_end() -> End:
    """What is known of an end whose capture is missing."""
    packets = no_packets()
    return End(packets, read_rtp(packets), read_rtp(packets))


@dataclass(frozen=True)
class HandoffFigures:
    """Everything measured about one handoff."""

    plan: PlannedHandoff
    window: Window
    media: Mapping[Direction, DirectionFigures]
    phases: Phases
    floor: Floor
    markers: tuple[Marker, ...]  # of this handoff's window

    def over_floor(self, direction: Direction) -> float | None:
        """Interruption over floor; None where there is no floor to be over, or nothing was measured."""
        value, least = self.media[direction].interruption_ms, getattr(self.floor, direction.value)
        return value / least if value is not None and least > 0 else None

    def happened(self, event: str) -> bool:
        """Whether this marker came in the handoff's window."""
        return any(marker.event == event for marker in self.markers)


def windows(marks: list[Marker], plans: Iterable[PlannedHandoff], last_ns: int) -> list[Window]:
    """The time of each handoff: from before its trigger until before the next one's, the call's end or the capture's.

    What was on its way when the next trigger came is that one's loss.

    A make-before-break may have begun its work before the trigger: its losses are looked for from there.
    """
    triggers = [marker.time_ns for marker in marks if marker.event == "trigger"]
    run_ends = [marker.time_ns for marker in marks if marker.event == "run-end"]
    call_ends = [marker.time_ns for marker in marks if marker.event == "call-end"]
    found = []
    for number, (trigger, plan) in enumerate(zip(triggers, plans, strict=False)):
        limit = min([last_ns, *triggers[number + 1 : number + 2], *(time for time in run_ends if time > trigger)])
        end = max((time for time in call_ends if trigger < time <= limit), default=limit)
        earliest = triggers[number - 1] if number else 0
        begun = [trigger]
        if plan.procedure == Procedure.MAKE_BEFORE_BREAK:
            work = ("access-up", "register-start", "session-start")
            begun += [m.time_ns for m in marks if m.event in work and earliest < m.time_ns < trigger]
        start = max(earliest, min(begun) - BEFORE_TRIGGER_NS)
        found.append(Window(start, trigger, end))
    for number in range(1, len(found)):
        one, following = found[number - 1 : number + 1]
        if one.end_ns > following.start_ns:
            meet = min(one.end_ns, following.start_ns + BEFORE_TRIGGER_NS - IN_FLIGHT_NS)
            found[number - 1 : number + 1] = replace(one, end_ns=meet), replace(following, start_ns=meet)
    return found


def around(end: End, window: Window) -> End:
    """What an end captured about the time of one handoff: of many, each is measured without looking at all others."""
    first, last = window.start_ns - AROUND_NS, window.end_ns + AROUND_NS
    return replace(
        end,
        sent=end.sent.only((end.sent.time_ns >= first) & (end.sent.time_ns <= last)),
        received=end.received.only((end.received.time_ns >= first) & (end.received.time_ns <= last)),
        messages=[message for message in end.messages if first <= message.time_ns <= last],
        markers=[marker for marker in end.markers if first <= marker.time_ns <= last],
        handshakes=[segment for segment in end.handshakes if first <= segment.time_ns <= last],
    )


def measure_handoff(
    plan: PlannedHandoff,
    window: Window,
    ue: End,
    far: End,
    new_addresses: Iterable[str],
    ptime_ms: float = 20.0,
) -> HandoffFigures:
    """The figures of one handoff.  Uplink is judged where the far end captured, downlink where the UE did."""
    new = tuple(new_addresses)
    since_ns = window.start_ns if plan.procedure == Procedure.MAKE_BEFORE_BREAK else window.trigger_ns
    by_new_up = far.packets.sent_by(new)[far.received.row] & (far.received.time_ns >= since_ns)
    by_new_down = ue.packets.sent_to(new)[ue.received.row] & (ue.received.time_ns >= since_ns)
    media = {
        Direction.UPLINK: judge(ue.sent, far.received, by_new_up, window, ptime_ms),
        Direction.DOWNLINK: judge(far.sent, ue.received, by_new_down, window, ptime_ms),
    }
    call_up = [m.time_ns for m in ue.markers if m.event == "call-up" and m.time_ns <= window.trigger_ns]
    evidence = Evidence(
        trigger_ns=window.trigger_ns,
        call_up_ns=max([window.start_ns, *call_up[-1:]]),
        end_ns=window.end_ns,
        markers=ue.markers,
        messages=ue.messages,
        new_addresses=frozenset(new),
        uplink_ns=media[Direction.UPLINK].new_path_ns,
        downlink_ns=media[Direction.DOWNLINK].new_path_ns,
    )
    inside = tuple(marker for marker in ue.markers if window.start_ns <= marker.time_ns <= window.end_ns)
    return HandoffFigures(plan, window, media, phases(plan.procedure, evidence), plan.floor(), inside)
