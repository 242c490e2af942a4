"""The chain of moments from the trigger to the first packet by the new access, each with its share of the floor.

It is the derivation in `testbed.measure.floor`, link by link, with what the captures stamped at each link's end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from testbed.measure.datagrams import Segment
from testbed.measure.exchange import Exchange, exchanges, passage, residence_ns
from testbed.measure.floor import Legs, further_registers, legs
from testbed.measure.handoff import End, HandoffFigures
from testbed.measure.sip_trace import SipMessage
from testbed.measure.words import Direction

UE, FAR, CORE, NETWORK, MEASUREMENT, UNKNOWN = "UE", "far UE", "core+network", "network", "measurement", "unknown"


@dataclass(frozen=True)
class Link:
    """One link: what it is, who answers for what it took beyond `floor_ms`, and when it ended (None: not captured)."""

    what: str
    whose: str
    end_ns: int | None
    floor_ms: float = 0.0
    held_ns: Mapping[str, int] = field(default_factory=dict)  # server -> for how long it held the messages


@dataclass(frozen=True)
class Scene:
    """One handoff with everything that was captured of it.  `servers`: the messages at each server's own capture."""

    handoff: HandoffFigures
    ue: End
    far: End
    new_addresses: Collection[str]
    servers: Mapping[str, Sequence[SipMessage]] = field(default_factory=dict)

    @property
    def legs(self) -> Legs:
        return legs(self.handoff.plan.delays, old_path_drains=self.handoff.plan.old_path_drains)

    def marker(self, event: str) -> int | None:
        """When the first marker of this name after the trigger was captured."""
        since = self.handoff.window.trigger_ns
        return next((m.time_ns for m in self.handoff.markers if m.event == event and m.time_ns >= since), None)

    def held(self, exchange: Exchange, since_ns: int | None, until_ns: int | None) -> dict[str, int]:
        """What each captured server held of an exchange between two moments."""
        if since_ns is None or until_ns is None:
            return {}
        held = {name: residence_ns(heard, exchange.key, since_ns, until_ns) for name, heard in self.servers.items()}
        return {name: ns for name, ns in held.items() if ns}


def links(scene: Scene, direction: Direction, departed_ns: int | None, arrived_ns: int) -> list[Link]:
    """The chain of one direction.  `departed_ns`, `arrived_ns`: the first packet by the new access, at either end."""
    window = scene.handoff.window
    mine = exchanges(scene.ue.messages, scene.new_addresses, window.trigger_ns, min(window.end_ns, arrived_ns))
    invites = [exchange for exchange in mine if exchange.method == "INVITE"]
    invite = next((one for one in invites if one.status == 200), invites[-1] if invites else None)
    if invite is None:
        session = _session_unseen(scene, direction, departed_ns)
    elif direction == Direction.UPLINK:
        session = _session_uplink(scene, invite, departed_ns)
    else:
        session = _session_downlink(scene, invite, departed_ns)
    refused = invites[: invites.index(invite)] if invite is not None else []
    return [
        Link("noticing that the access is gone", UE, scene.marker("detected"), scene.handoff.plan.detection_ms),
        Link("getting on the new access", UE, scene.marker("access-up"), scene.handoff.plan.access_ms),
        *_registration(scene, [exchange for exchange in mine if exchange.method == "REGISTER"]),
        *_refused(scene, refused),
        *session,
        Link(f"{direction} media on its way", NETWORK, arrived_ns, scene.legs.media),
    ]


def _registration(scene: Scene, registers: list[Exchange]) -> Iterator[Link]:
    """Every REGISTER until the first that was accepted; the floor grants round trips to the first and to that one."""
    accepted = next((number for number, register in enumerate(registers) if register.status == 200), None)
    path = registers if accepted is None else registers[: accepted + 1]
    handshake = scene.legs.handshake if scene.handoff.plan.transport == "tcp" else 0.0
    begin_ns, granted = scene.handoff.window.trigger_ns, 0
    for number, register in enumerate(path):
        grant = 2 - granted if number == accepted else 1 - granted
        granted += grant
        yield from _opening(scene, begin_ns, register, grant * handshake)
        made = "making the first REGISTER" if number == 0 else "keys, associations and the next REGISTER"
        yield Link(made, UE, register.sent_ns)
        held = scene.held(register, register.sent_ns, register.answered_ns)
        yield Link(register.title, _outside(scene), register.answered_ns, grant * scene.legs.register, held)
        begin_ns = register.answered_ns or register.sent_ns
    if accepted is not None:
        yield from _further_identities(scene, registers[accepted + 1 :])
    else:
        left = (2 - granted) * (scene.legs.register + handshake)
        yield Link("registering", f"{UE}, {CORE}", scene.marker("registered"), left)


def _further_identities(scene: Scene, registers: list[Exchange]) -> Iterator[Link]:
    """Every REGISTER over the connection that there is then; the floor grants a round trip to so many identities."""
    plan = scene.handoff.plan
    left = further_registers(plan.procedure, plan.identities)
    for register in registers if left else []:
        yield Link("making the next identity's REGISTER", UE, register.sent_ns)
        held = scene.held(register, register.sent_ns, register.answered_ns)
        grant = min(left, 1)
        left -= grant
        yield Link(register.title, _outside(scene), register.answered_ns, grant * scene.legs.register, held)
    if left:
        yield Link("registering further identities", f"{UE}, {CORE}", None, left * scene.legs.register)


def _opening(scene: Scene, since_ns: int, request: Exchange, floor_ms: float) -> Iterator[Link]:
    """The TCP connection that was opened for a request (RFC 9293 3.5), if there is one."""
    seen = [syn for syn in scene.ue.handshakes if since_ns <= syn.time_ns <= request.sent_ns]
    asked = next((syn for syn in seen if syn.source in scene.new_addresses), None)
    agreed = next((syn for syn in seen if asked and _ends(syn)[::-1] == _ends(asked)), None)
    if asked is not None:
        yield Link("opening a TCP connection", UE, asked.time_ns)
    if asked is not None or floor_ms:
        yield Link("TCP handshake", NETWORK, agreed.time_ns if agreed else None, floor_ms)


def _ends(segment: Segment) -> tuple[tuple[str, int], tuple[str, int]]:
    return (segment.source, segment.source_port), (segment.destination, segment.destination_port)


def _refused(scene: Scene, requests: list[Exchange]) -> Iterator[Link]:
    """What was asked and refused before; the floor knows nothing of it."""
    for request in requests:
        yield Link(f"making an {request.method} that is refused", UE, request.sent_ns)
        yield Link(request.title, _outside(scene), request.answered_ns)


def _session_uplink(scene: Scene, invite: Exchange, departed_ns: int | None) -> Iterator[Link]:
    """Until the UE has the answer and its next packet's turn comes."""
    heard_ns, answer_ns = _at_far_end(scene, invite)
    yield from _invite(scene, invite, heard_ns)
    yield Link(f"far end answers the {invite.method}", FAR, answer_ns)
    held = scene.held(invite, answer_ns, invite.answered_ns)
    answer = f"{invite.status or 'answer'} on its way to the UE"
    yield Link(answer, _outside(scene), invite.answered_ns, scene.legs.invite, held)
    yield from _turn(scene, Direction.UPLINK, UE, invite.answered_ns, scene.marker("session-moved"), departed_ns)


def _session_downlink(scene: Scene, invite: Exchange, departed_ns: int | None) -> Iterator[Link]:
    """Until the far end has the INVITE and its next packet's turn comes."""
    heard_ns, answer_ns = _at_far_end(scene, invite)
    yield from _invite(scene, invite, heard_ns)
    yield from _turn(scene, Direction.DOWNLINK, FAR, heard_ns, answer_ns, departed_ns)


def _session_unseen(scene: Scene, direction: Direction, departed_ns: int | None) -> Iterator[Link]:
    """Without the keys only its end is known."""
    if direction == Direction.UPLINK:
        moved_ns = scene.marker("session-moved")
        yield Link("moving the session", f"{UE}, {CORE}, {FAR}", moved_ns, 2 * scene.legs.invite)
        yield from _turn(scene, direction, UE, moved_ns, moved_ns, departed_ns)
    else:
        yield Link("moving the session", f"{UE}, {CORE}, {FAR}", departed_ns, scene.legs.invite)


def _invite(scene: Scene, invite: Exchange, heard_ns: int | None) -> Iterator[Link]:
    held = scene.held(invite, invite.sent_ns, heard_ns)
    yield Link(f"from the registration to the {invite.method}", UE, invite.sent_ns)
    yield Link(f"{invite.method} on its way to the far end", _outside(scene), heard_ns, scene.legs.invite, held)


def _turn(
    scene: Scene, direction: Direction, whose: str, since_ns: int | None, ready_ns: int | None, departed_ns: int | None
) -> Iterator[Link]:
    """From what allows an end to send until it does: its own time, and then its next packet's turn.

    It is ready at the latest when it says so.  A packet that then misses its turn is the end's own time as well.
    """
    if since_ns is None:  # what came before is not known, and cannot be told from the turn
        yield Link(f"until the {whose} sends to the new address", f"{whose}, {CORE}", departed_ns)
        return
    if departed_ns is not None:
        interval_ns = round(scene.handoff.media[direction].interval_ms * 1e6)
        ready_ns = min(ready_ns if ready_ns is not None else since_ns, departed_ns)
        ready_ns = max(ready_ns, departed_ns - interval_ns)
    yield Link("sending to the new address", whose, ready_ns)
    yield Link("waiting for the next packet's turn", MEASUREMENT, departed_ns)


def _at_far_end(scene: Scene, invite: Exchange) -> tuple[int | None, int | None]:
    """When the far end had the INVITE, and when it sent its final answer."""
    messages = scene.far.messages
    heard_ns = passage(messages, invite.key, incoming=True, request=True)
    return heard_ns, passage(messages, invite.key, incoming=False, request=False)


def _outside(scene: Scene) -> str:
    """Whose a way is, less what servers are known to have held: with captures at all of them, only the network's."""
    names = " ".join(scene.servers)
    return NETWORK if "pcscf" in names and "scscf" in names else CORE
