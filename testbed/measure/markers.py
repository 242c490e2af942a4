"""Markers: what programs say, stamped by the kernel's clock.

A program that reaches a point of the procedure sends a small datagram with a JSON object to the discard port
(RFC 863) on loopback of the UE's namespace.  The capture there stamps it beside SIP and media, so that every time comes
from one clock, which is not the program's.

What the analysis knows: `call-up`, `call-end`; `trigger` (the runner, just before it acts), `detected`, `access-up`,
`registered`, `session-moved`, in this order in a handoff; `call-lost` where it is dialled again; `handoff-failed` with
`why`.  Any other is in the timeline, and may be required by a scenario.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whoever only sends markers, such as a capture, need not wait for numpy
    from testbed.measure.datagrams import Segment

MARKER_ADDRESS = ("127.0.0.1", 9)


@dataclass(frozen=True)
class Marker:
    """A marker as captured."""

    time_ns: int
    event: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def encode_marker(event: str, **detail: Any) -> bytes:
    """The datagram to send to MARKER_ADDRESS."""
    return json.dumps({"testbed": 1, "event": event, **detail}, separators=(",", ":")).encode()


def decode_marker(payload: bytes, time_ns: int = 0) -> Marker | None:
    """The marker in a datagram; None for anything else that was sent to the discard port."""
    try:
        record = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("testbed") != 1 or not isinstance(record.get("event"), str):
        return None
    return Marker(time_ns, record["event"], {k: v for k, v in record.items() if k not in ("testbed", "event")})


def markers(segments: Iterable[Segment]) -> list[Marker]:
    """The markers among a capture's segments, in the order of capture.

    Loopback shows a packet twice where the capture's library does not hide the sent copy; the received one counts.
    """
    found = []
    for segment in segments:
        if (segment.destination, segment.destination_port) == MARKER_ADDRESS and not segment.outgoing:
            marker = decode_marker(segment.payload, segment.time_ns)
            if marker is not None:
                found.append(marker)
    return found
