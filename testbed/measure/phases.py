"""Where the time between the trigger and media in both directions went.

A phase ends at an event that the kernel stamped; the next one begins there, so the phases sum to the whole.  Which
event ends which phase is a table: a SIP answer where one tells (the 200 that the UE received), a marker otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from testbed.measure.markers import Marker
from testbed.measure.sip_trace import SipMessage
from testbed.measure.words import Phase, Procedure


@dataclass(frozen=True)
class Evidence:
    """What boundaries are looked for in; all of it from the UE's capture but `uplink_ns`.

    `new_addresses` are the UE's on the new access; `uplink_ns` and `downlink_ns` the first media on the new path.
    """

    trigger_ns: int
    call_up_ns: int
    end_ns: int
    markers: Sequence[Marker]
    messages: Sequence[SipMessage]
    new_addresses: frozenset[str]
    uplink_ns: int | None
    downlink_ns: int | None


@dataclass(frozen=True)
class Phases:
    """Microseconds of each phase; None where its end was not found (its time is then in the next one's)."""

    us: dict[Phase, int | None]
    total_us: int | None  # None: media never flowed both ways on the new path

    @property
    def ms(self) -> dict[Phase, float | None]:
        return {phase: None if us is None else us / 1000 for phase, us in self.us.items()}

    @property
    def total_ms(self) -> float | None:
        return None if self.total_us is None else self.total_us / 1000

    @property
    def missing(self) -> list[Phase]:
        return [phase for phase, us in self.us.items() if us is None]


Finder = Callable[[Evidence, int], int | None]


def _marker(event: str) -> Finder:
    def find(evidence: Evidence, since_ns: int) -> int | None:
        return next((m.time_ns for m in evidence.markers if m.event == event and m.time_ns >= since_ns), None)

    return find


def _answered(method: str) -> Finder:
    """The UE's reception, in ESP over the new access, of the first 200 to this method."""

    def find(evidence: Evidence, since_ns: int) -> int | None:
        return _first(
            message.time_ns
            for message in evidence.messages
            if message.status == 200
            and message.method == method
            and message.protected
            and message.time_ns >= since_ns
            and message.destination in evidence.new_addresses
        )

    return find


def _all_registered(evidence: Evidence, since_ns: int) -> int | None:
    """The last 200 to a REGISTER before the session is asked to move."""
    asked_ns = _marker("session-start")(evidence, since_ns)
    found = None
    while (answered_ns := _answered("REGISTER")(evidence, since_ns if found is None else found + 1)) is not None:
        if asked_ns is not None and answered_ns > asked_ns:
            break
        found = answered_ns
    return found


def _media(evidence: Evidence, since_ns: int) -> int | None:
    if evidence.uplink_ns is None or evidence.downlink_ns is None:
        return None
    return max(evidence.uplink_ns, evidence.downlink_ns)


def _at_once(evidence: Evidence, since_ns: int) -> int | None:
    return since_ns


# The phases of a break before make, each with what ends it: the first that is found counts.
BREAK_FIRST: tuple[tuple[Phase, tuple[Finder, ...]], ...] = (
    (Phase.DETECT, (_marker("detected"),)),
    (Phase.ACCESS, (_marker("access-up"),)),
    (Phase.REGISTER, (_answered("REGISTER"), _marker("registered"))),
    (Phase.SESSION, (_answered("INVITE"), _marker("session-moved"))),
    (Phase.MEDIA, (_media,)),
)
ONE_BY_ONE = tuple(
    (phase, (_all_registered, _marker("registered")) if phase is Phase.REGISTER else finders)
    for phase, finders in BREAK_FIRST
)
# Access 2 was found and registered beforehand: what has no end of its own took no time.
MAKE_FIRST: tuple[tuple[Phase, tuple[Finder, ...]], ...] = (
    (Phase.DETECT, (_marker("detected"), _at_once)),
    (Phase.ACCESS, (_marker("access-up"), _at_once)),
    (Phase.REGISTER, (_answered("REGISTER"), _marker("registered"), _at_once)),
    (Phase.SESSION, (_answered("INVITE"), _marker("session-moved"))),
    (Phase.MEDIA, (_media,)),
)
TABLE: dict[Procedure, tuple[tuple[Phase, tuple[Finder, ...]], ...]] = {
    Procedure.GLOBAL_REREGISTRATION: BREAK_FIRST,
    Procedure.EXPLICIT_REREGISTRATION: ONE_BY_ONE,
    Procedure.REPLACES: BREAK_FIRST,
    Procedure.RELEASE7: BREAK_FIRST,  # session: the redialled INVITE until its 200
    Procedure.MAKE_BEFORE_BREAK: MAKE_FIRST,
}


def phases(procedure: Procedure, evidence: Evidence) -> Phases:
    """Cut the handoff into its phases.

    What a make-before-break did before its trigger counts as a phase of no length.  In every other procedure an event
    before the one that ended the last phase is of another handoff, or of the call's setup, and is not looked at.
    """
    beforehand = TABLE[procedure] is MAKE_FIRST
    found: dict[Phase, int | None] = {}
    last_ns = evidence.trigger_ns
    for phase, finders in TABLE[procedure]:
        since_ns = evidence.call_up_ns if beforehand else last_ns
        end_ns = _first(finder(evidence, since_ns) for finder in finders)
        if end_ns is not None and end_ns > evidence.end_ns:
            end_ns = None
        found[phase] = None if end_ns is None else _us(max(end_ns, last_ns) - evidence.trigger_ns)
        last_ns = last_ns if end_ns is None else max(end_ns, last_ns)
    lengths: dict[Phase, int | None] = {}
    last_us = 0
    for phase, end_us in found.items():
        lengths[phase] = None if end_us is None else end_us - last_us
        last_us = last_us if end_us is None else end_us
    return Phases(lengths, found[Phase.MEDIA])


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _us(nanoseconds: int) -> int:
    return round(nanoseconds / 1000)
