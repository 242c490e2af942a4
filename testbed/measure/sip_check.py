"""What a scenario expects of the captures, and whether it is so.

Plain data, free of numpy: the runner makes it while the rig is up, the analysis holds it against what was captured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from testbed.measure.words import Direction

if TYPE_CHECKING:
    from testbed.measure.handoff import HandoffFigures
    from testbed.measure.sip_trace import SipMessage


@dataclass(frozen=True)
class SipCheck:
    """Messages that must have passed one end; None is not looked at, `count` None is at least one."""

    end: str  # ue | far
    method: str
    status: int | None = None  # None: requests
    addresses: tuple[str, ...] | None = None  # of the end itself
    headers: tuple[tuple[str, str], ...] = ()  # name, a part of the value
    protected: bool | None = None
    direction: Literal["sent", "received"] | None = None
    count: int | None = None
    since: str | None = None  # the name of a moment (a step that remembered it)
    kind: Literal["sip"] = "sip"


@dataclass(frozen=True)
class InterruptionCheck:
    """The most that a handoff may have cost, in each of the directions."""

    handoff: int  # its place among those measured, from 0
    directions: tuple[str, ...]
    max_ms: float | None = None
    max_over_floor: float | None = None
    max_lost: int | None = None
    kind: Literal["interruption"] = "interruption"


Check = SipCheck | InterruptionCheck


def sip_fault(check: SipCheck, messages: Iterable[SipMessage], since_ns: int, until_ns: int) -> str | None:
    """None where the messages are as expected; otherwise what is there."""
    passed = [message for message in messages if since_ns <= message.time_ns <= until_ns]
    found = _once(message for message in passed if _fits(check, message))
    if check.count is None:
        return None if found else f"there is none among {len(passed)} messages"
    return None if len(found) == check.count else f"there are {len(found)}"


def interruption_fault(check: InterruptionCheck, handoffs: list[HandoffFigures]) -> str | None:
    """None where the handoff cost no more than it may."""
    if check.handoff >= len(handoffs):
        return "no such handoff was measured"
    figures = handoffs[check.handoff]
    wrong = []
    for direction in map(Direction, check.directions):
        media, ratio = figures.media[direction], figures.over_floor(direction)
        value = media.interruption_ms
        if value is None or not media.resumed:
            wrong.append(f"{direction} media never came back")
            continue
        if check.max_ms is not None and value > check.max_ms:
            wrong.append(f"{direction} was interrupted for {value:.1f} ms")
        if check.max_over_floor is not None and ratio is not None and ratio > check.max_over_floor:
            wrong.append(f"{direction} was interrupted for {ratio:.2f} times its floor")
        if check.max_lost is not None and media.losses.lost > check.max_lost:
            wrong.append(f"{media.losses.lost} {direction} packets were lost")
    return ", ".join(wrong) or None


def _fits(check: SipCheck, message: SipMessage) -> bool:
    own = message.source if message.outgoing else message.destination
    return (
        message.method == check.method
        and message.status == check.status
        and (check.addresses is None or own in check.addresses)
        and (check.protected is None or message.protected == check.protected)
        and (check.direction is None or message.outgoing == (check.direction == "sent"))
        and all(any(part in value for value in message.headers.get(name.lower(), [])) for name, part in check.headers)
    )


def _once(messages: Iterable[SipMessage]) -> list[SipMessage]:
    """Each message once, however often it was sent again (RFC 3261 17)."""
    found: dict[tuple[str, int, str, str, int | None, bool], SipMessage] = {}
    for message in messages:
        branch = message.first("via").partition("branch=")[2].partition(";")[0]
        found.setdefault(
            (message.call_id, message.cseq, message.method, branch, message.status, message.outgoing), message
        )
    return list(found.values())
