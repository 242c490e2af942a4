"""The SIP ladder of a handoff: who said what to whom, in the order of time, with what happened between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from testbed.measure.handoff import End, HandoffFigures
from testbed.measure.markers import Marker
from testbed.measure.sip_trace import SipMessage
from testbed.measure.words import Direction, Procedure
from testbed.results.context import RunContext

TAIL_MS = 1500.0  # shown after the handoff: the NOTIFY, and what ends the old connection
ROWS = 80
UE, FAR = "UE", "far UE"
# Headers worth reading beside an arrow; none of them can hold a secret, as those of authentication might.
TOLD = (
    "to", "contact", "cseq", "call-id", "require", "proxy-require", "supported", "unsupported", "route", "path",
    "service-route", "p-associated-uri", "event", "subscription-state", "replaces", "reason",
)  # fmt: skip
NOTES = {
    "detected": "the UE notices",
    "access-up": "the new access is up",
    "call-lost": "the call is lost",
    "handoff-failed": "the UE gives the handoff up",
    "connection-ended": "connection ended",
}


@dataclass(frozen=True)
class Row:
    """One line of a ladder: a message or media between two lanes, or a note, at one lane or at all of them."""

    time_ns: int
    title: str
    detail: str = ""
    source: str = ""
    destination: str = ""
    protected: bool = False
    icv_ok: bool | None = None
    kind: str = "request"  # request | answer | refusal | trigger | note | media
    t_ms: float = 0.0  # from the handoff's trigger


@dataclass(frozen=True)
class Ladder:
    """Lanes from left to right, rows from top to bottom; `omitted` rows did not fit."""

    lanes: tuple[str, ...]
    rows: tuple[Row, ...]
    omitted: int = 0


def ladder(figures: HandoffFigures, ue: End, far: End | None, context: RunContext) -> Ladder:
    """The ladder of one handoff: from its trigger, or from the first step of a make-before-break, until it is over."""
    accesses = (figures.plan.old_access, figures.plan.new_access)
    rows = [*_rows(ue, far, context, accesses), *_media(figures)]
    return _drawn(rows, _span(figures), figures.window.trigger_ns, _order(context, accesses))


def whole_ladder(ue: End | None, far: End | None, context: RunContext) -> Ladder:
    """Everything that was said in a run without a handoff, timed from the first message: it shows how far it came."""
    accesses = tuple(context.ue_addresses)
    rows = _rows(ue, far, context, accesses)
    times = [row.time_ns for row in rows if row.destination]
    if not times:
        return Ladder((), ())
    return _drawn(rows, (min(times), max(row.time_ns for row in rows)), min(times), _order(context, accesses))


def _rows(ue: End | None, far: End | None, context: RunContext, accesses: Sequence[str]) -> list[Row]:
    lane_of = _lanes(context, accesses)
    rows = list(_notes(ue.markers)) if ue is not None else []
    for end in (ue, far):
        rows += _messages(end.messages, lane_of) if end is not None else []
    return rows


def _drawn(rows: Iterable[Row], span: tuple[int, int], zero_ns: int, order: Iterable[str]) -> Ladder:
    inside = sorted((row for row in rows if span[0] <= row.time_ns <= span[1]), key=lambda row: row.time_ns)
    shown = tuple(replace(row, t_ms=round((row.time_ns - zero_ns) / 1e6, 3)) for row in inside)
    used = {lane for row in shown for lane in (row.source, row.destination)} | {UE}
    return Ladder(tuple(lane for lane in order if lane in used), shown[:ROWS], len(shown[ROWS:]))


def _span(figures: HandoffFigures) -> tuple[int, int]:
    """Until a while after media flowed both ways; where it never did, as long as there is something to see."""
    window = figures.window
    begin_ns = window.start_ns if figures.plan.procedure == Procedure.MAKE_BEFORE_BREAK else window.trigger_ns
    if figures.phases.total_us is None:
        return begin_ns, window.end_ns
    return begin_ns, min(window.end_ns, window.trigger_ns + figures.phases.total_us * 1000 + round(TAIL_MS * 1e6))


def _lanes(context: RunContext, accesses: Sequence[str]) -> dict[str, str]:
    """The lane of each address; a P-CSCF of several accesses is called by the first of them."""
    lanes = {address: UE for addresses in context.ue_addresses.values() for address in addresses}
    lanes |= dict.fromkeys(context.far_addresses, FAR)
    for access in [*accesses, *(name for name in context.pcscf_addresses if name not in accesses)]:
        for address in context.pcscf_addresses.get(access, ()):
            lanes.setdefault(address, _pcscf(access))
    return lanes


def _pcscf(access: str) -> str:
    return f"P-CSCF {access}"


def _order(context: RunContext, accesses: Sequence[str]) -> list[str]:
    """The first access to the UE's left, the others and the far end to its right."""
    between = [lane for lane in _lanes(context, accesses).values() if lane != FAR]
    first, others = [_pcscf(access) for access in accesses[:1]], [_pcscf(access) for access in accesses[1:]]
    return list(dict.fromkeys([*first, UE, *others, *between, FAR]))


def _messages(messages: Iterable[SipMessage], lane_of: Mapping[str, str]) -> Iterator[Row]:
    for message in messages:
        source, destination = lane_of.get(message.source, ""), lane_of.get(message.destination, "")
        if source and destination and source != destination:
            status = message.status
            yield Row(
                message.time_ns,
                _title(message),
                _detail(message),
                source,
                destination,
                message.protected,
                message.icv_ok,
                "request" if status is None else "answer" if status < 300 or status == 401 else "refusal",
            )


def _title(message: SipMessage) -> str:
    """The start line in short, with what makes this message special."""
    if message.status is not None:
        reason = re.split(r" -+ |[;:]", message.reason)[0]  # some servers say more in it than a drawing has room for
        return f"{message.status} {reason[:24]} ({message.method})"
    special = []
    if "imsglobreg" in message.first("to"):
        special.append("imsglobreg")
    if "seamless-ims" in message.first("require"):
        special.append("seamless-ims")
    if message.first("replaces"):
        special.append("Replaces")
    again = message.method == "INVITE" and ";tag=" in message.first("to").lower()
    return " · ".join([f"re-{message.method}" if again else message.method, *special])


def _detail(message: SipMessage) -> str:
    """What a pointer resting on the arrow is told."""
    over = f"{message.transport.upper()} {message.source}:{message.source_port} → "
    over += f"{message.destination}:{message.destination_port}, "
    over += "in ESP" if message.protected else "not protected"
    headers = (f"{name}: {value}" for name in TOLD for value in message.headers.get(name, []))
    return "\n".join([over, message.title, *headers])


def _notes(markers: Iterable[Marker]) -> Iterator[Row]:
    for marker in markers:
        access = marker.detail.get("access", "")
        if marker.event == "trigger":
            kind = str(marker.detail.get("kind", "trigger")).replace("-", " ")
            yield Row(marker.time_ns, f"trigger: {kind} on {access}" if access else "trigger", kind="trigger")
        elif marker.event in NOTES:
            title = f"{NOTES[marker.event]} ({access})" if access else NOTES[marker.event]
            yield Row(marker.time_ns, title, str(marker.detail.get("why", "")), source=UE, kind="note")


def _media(figures: HandoffFigures) -> Iterator[Row]:
    """The first packet over the new access, where it arrived."""
    ends = {Direction.UPLINK: (UE, FAR), Direction.DOWNLINK: (FAR, UE)}
    for direction, (source, destination) in ends.items():
        first_ns = figures.media[direction].new_path_ns
        if first_ns is not None:
            title = f"{direction} media over {figures.plan.new_access}"
            yield Row(first_ns, title, source=source, destination=destination, kind="media")
