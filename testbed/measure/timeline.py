"""The events of a run in one order: `timeline.jsonl`, one object a line, `t_ms` from the first trigger.

`source` is the capture an event is from, `ue` or `far`, or `marker`.  Events: `sip` (a message), `media-stopped`,
`media-started`, `media-on-new-path`, and every marker by its own name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from testbed.measure.handoff import End, HandoffFigures
from testbed.measure.media import silences
from testbed.measure.sip_trace import SipMessage
from testbed.measure.words import Direction

SILENCE_INTERVALS = 2.5  # media has stopped when this many packet intervals pass without a packet


@dataclass(frozen=True)
class Event:
    """One line of the timeline."""

    time_ns: int
    source: str
    event: str
    detail: Mapping[str, Any]

    def line(self, zero_ns: int) -> str:
        record = {"t_ms": (self.time_ns - zero_ns) / 1e6, "source": self.source, "event": self.event}
        return json.dumps({**record, "detail": dict(self.detail)}, ensure_ascii=False)


def timeline(
    ue: End | None, far: End | None, handoffs: Iterable[HandoffFigures], accesses: Mapping[str, Iterable[str]]
) -> list[Event]:
    """Everything that happened, in order.  `accesses` names the addresses of each access, the far end's included."""
    access_of = {address: access for access, addresses in accesses.items() for address in addresses}
    events: list[Event] = []
    for source, end in (("ue", ue), ("far", far)):
        if end is not None:
            events += [_sip(message, source, access_of) for message in end.messages]
            events += [Event(m.time_ns, "marker", m.event, m.detail) for m in end.markers]
    if ue is not None and far is not None:
        for handoff in handoffs:
            events += _media(handoff, Direction.UPLINK, "far", far)
            events += _media(handoff, Direction.DOWNLINK, "ue", ue)
    return sorted(events, key=lambda event: event.time_ns)


def zero(events: Iterable[Event]) -> int:
    """The moment from which `t_ms` counts: the first trigger, or the first event where there was none."""
    events = list(events)
    triggers = [event.time_ns for event in events if event.event == "trigger"]
    return min(triggers or [event.time_ns for event in events] or [0])


def lines(events: Iterable[Event]) -> str:
    """The text of `timeline.jsonl`."""
    events = list(events)
    start = zero(events)
    return "".join(event.line(start) + "\n" for event in events)


def _sip(message: SipMessage, source: str, access_of: Mapping[str, str]) -> Event:
    own, peer = (
        (message.source, message.destination) if message.source in access_of else (message.destination, message.source)
    )
    detail = {
        "message": message.title,
        "method": message.method,
        "status": message.status,
        "cseq": message.cseq,
        "call_id": message.call_id,
        "direction": "sent" if own == message.source else "received",
        "access": access_of.get(own),
        "peer": peer,
        "ports": [message.source_port, message.destination_port],
        "transport": message.transport,
        "protected": message.protected,
        "icv_ok": message.icv_ok,
    }
    return Event(message.time_ns, source, "sip", detail)


def _media(handoff: HandoffFigures, direction: Direction, source: str, end: End) -> list[Event]:
    """When media of this direction stopped, came back, and first came over the new access."""
    figures = handoff.media[direction]
    threshold = SILENCE_INTERVALS * figures.interval_ms
    events = []
    for gap in silences(end.received.time_ns, handoff.window, threshold):
        about = {"direction": direction.value, "gap_ms": round(gap.ms, 3)}
        events.append(Event(gap.start_ns, source, "media-stopped", about))
        events.append(Event(gap.end_ns, source, "media-started", about))
    if figures.gap is not None and not figures.gap.resumed:
        events.append(
            Event(figures.gap.start_ns, source, "media-stopped", {"direction": direction.value, "for": "ever"})
        )
    if figures.new_path_ns is not None:
        events.append(Event(figures.new_path_ns, source, "media-on-new-path", {"direction": direction.value}))
    return events
