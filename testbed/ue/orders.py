"""What a controller may order of a UE: every `do_` method is a verb, its arguments those of the JSON object.

An order that sends a request results in the final response to it (`status`, `reason`, `headers`) beside whatever else
it says.  With `allow_refusal` a final response of 300 or more is such a result too; without, it is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from testbed.errors import UsageError
from testbed.ue.answers import told
from testbed.ue.connection import ImsConnection, Move
from testbed.ue.equipment import UserEquipment
from testbed.ue.following import Follower
from testbed.ue.handmade import HandMade
from testbed.ue.handoff import Handoff
from testbed.ue.incoming import Answering
from testbed.ue.policy import Policy
from testbed.ue.session import Session
from testbed.ue.setup import HandoffOrder, UeSetup

Result = dict[str, Any]
Changes = dict[str, str | None]


class Orders:
    """`say(event, detail)` hears of what the UE does by itself."""

    def __init__(self, say: Callable[[str, dict[str, Any]], None]) -> None:
        self._say = say
        self._parts: tuple[UserEquipment, Handoff, HandMade] | None = None
        self._follower: Follower | None = None

    async def stop(self) -> None:
        await self._unfollow()
        if self._parts is not None:
            await self.ue.stop()

    @property
    def ue(self) -> UserEquipment:
        return self._known[0]

    @property
    def handoff(self) -> Handoff:
        return self._known[1]

    @property
    def _known(self) -> tuple[UserEquipment, Handoff, HandMade]:
        if self._parts is None:
            raise UsageError("the first order must be setup", where="UE process")
        return self._parts

    async def do_setup(self, setup: dict[str, Any]) -> None:
        ue = UserEquipment(UeSetup.from_json(setup), self._say)
        ue.start()
        self._parts = ue, Handoff(ue), HandMade(ue.stack, ue.registrar, ue.rng)

    async def do_attach(self, access: str) -> None:
        await self.ue.attach(access)

    async def do_detach(self, access: str) -> None:
        await self.ue.detach(access)

    async def do_airplane(self, access: str, on: bool) -> None:
        await self.ue.accesses.modem(access).airplane(on)

    async def do_roam(self, access: str) -> Result:
        return {"bssid": await self.ue.accesses.roam(access)}

    async def do_give_up_context(self, access: str) -> None:
        await self.ue.accesses.modem(access).give_up_context()

    async def do_follow(self, policy: dict[str, Any], serving: str) -> None:
        """Hand over by itself from now on, as a policy says."""
        await self._unfollow()
        self._follower = Follower(self.ue, self.handoff, Policy.from_data(policy), serving)
        self._follower.begin()

    async def do_unfollow(self) -> Result:
        """Stay where it is from now on."""
        follower = await self._unfollow()
        return {"serving": follower.serving, "moves": follower.moves} if follower else {}

    async def _unfollow(self) -> Follower | None:
        follower, self._follower = self._follower, None
        if follower is not None:
            await follower.end()
        return follower

    # Registration

    async def do_register(self, access: str, move: str = "none", name: str | None = None, **how: Any) -> Result:
        """A new connection.  `changes` falsify the REGISTERs; `{}` in a value is what would have stood there."""
        connection = await self.ue.register(access, Move(move), name=name, **how)
        return _registered(connection)

    async def do_add_identity(self, access: str, impu: str, **how: Any) -> Result:
        connection = self.ue.connections.find(access)
        await self.ue.connections.add_identity(connection, impu, **how)
        return _registered(connection)

    async def do_remove_contact(self, over: str, of: str, impu: str | None = None, **how: Any) -> Result:
        connection = self.ue.connections.find(over)
        impu = impu or next(iter(connection.registered), self.ue.setup.config.subscription.impus[0])
        await self.ue.connections.remove_contact(connection, self.ue.connections.find(of), impu, **how)
        return _registered(connection)

    async def do_refresh(self, access: str, impu: str | None = None, **how: Any) -> Result:
        connection = self.ue.connections.find(access)
        await self.ue.connections.refresh(connection, impu, **how)
        await self.ue.reg_events.refresh(connection)
        return _registered(connection)

    async def do_deregister(self, access: str, impu: str | None = None) -> Result:
        connection = self.ue.connections.find(access)
        await self.ue.connections.deregister(connection, impu)
        return _registered(connection)

    async def do_subscribe(self, access: str, impu: str | None = None) -> Result:
        return told(await self.ue.reg_events.subscribe(self.ue.connections.find(access), impu=impu))

    async def do_request(
        self,
        access: str,
        method: str,
        to: str | None = None,
        flow: str = "protected",
        changes: Changes | None = None,
    ) -> Result:
        connections = self.ue.connections
        other = connections.find(flow.removeprefix("of:")) if flow.startswith("of:") else None
        by_hand = self._known[2]
        return told(await by_hand.send(connections.find(access), method, to, flow, other, changes or {}))

    # Calls

    async def do_call(self, access: str, to: str, **how: Any) -> Result:
        session = await self.ue.calls.ours.call(self.ue.connections.find(access), to, **how)
        self.ue.markers.mark("call-up", access=access)
        return _outcome(session)

    async def do_dial(self, access: str, to: str, **how: Any) -> Result:
        return _outcome(self.ue.calls.ours.dial(self.ue.connections.find(access), to, **how))

    async def do_answering(self, mode: str) -> None:
        self.ue.calls.theirs.answering = Answering(mode)

    async def do_answer(self, call_id: str | None = None) -> Result:
        return _outcome(self.ue.calls.theirs.answer(call_id))

    async def do_cancel(self, call_id: str) -> Result:
        session = self.ue.calls.session(call_id)
        await self.ue.calls.ours.cancel(session)
        return _outcome(session)

    async def do_hold(self, call_id: str | None = None) -> Result:
        return await self._held(call_id, held=True)

    async def do_resume(self, call_id: str | None = None) -> Result:
        return await self._held(call_id, held=False)

    async def _held(self, call_id: str | None, *, held: bool) -> Result:
        session = self.ue.calls.session(call_id)
        await self.ue.calls.moving.hold(session, held=held)
        return _outcome(session)

    async def do_move(self, access: str, call_id: str | None = None, how: str = "re-invite") -> Result:
        session = self.ue.calls.session(call_id)
        connection = self.ue.connections.find(access)
        self.ue.markers.mark("session-start", call_id=session.call_id, how=how)
        session = await self.ue.calls.move(session, connection, how)
        self.ue.markers.mark("session-moved", call_id=session.call_id, access=connection.name)
        return _outcome(session)

    async def do_hang_up(self, call_id: str | None = None) -> Result:
        """End one call, or all of them."""
        sessions = self.ue.calls.live if call_id is None else [self.ue.calls.session(call_id)]
        for session in sessions:
            await self.ue.calls.hang_up(session)
        self.ue.markers.mark("call-end")
        return told(sessions[-1].answer if sessions else None)

    # Handoffs

    async def do_arm(self, old: str, order: dict[str, Any]) -> None:
        self.handoff.arm(old, HandoffOrder(**order))

    async def do_wait_handoff(self) -> Result:
        return await self.handoff.wait()

    async def do_handoff(self, old: str, order: dict[str, Any]) -> Result:
        return await self.handoff.go(old, HandoffOrder(**order))

    # What is seen

    async def do_mark(self, event: str, detail: dict[str, Any] | None = None) -> None:
        self.ue.markers.mark(event, **(detail or {}))

    async def do_state(self) -> Result:
        """Connections, sessions, associations, and what went wrong without stopping anything."""
        ue = self.ue
        return {
            "connections": [describe(connection) for connection in ue.connections.all],
            "sessions": [session.as_told() for session in ue.calls.sessions.all],
            "registrations": ue.reg_events.registrations(),
            "associations": [dataclasses.asdict(sa) for sa in ue.connections.associations()],
            "alive": {  # what this process keeps: over many handoffs none of it may grow
                "connections": len(ue.connections.all),
                "sessions": len(ue.calls.live),
                "subscriptions": len(ue.reg_events),
                "transactions": ue.stack.transactions,
            },
            "garbage": ue.stack.garbage,
            "unprotected": ue.unprotected,
        }

    async def do_media(self) -> Result:
        return await self.ue.media.report()


def describe(connection: ImsConnection) -> Result:
    """A connection as the result of a run has it."""
    security = connection.security
    return {
        "name": connection.name,
        "access": connection.access.name,
        "address": connection.access.address,
        "pcscf": connection.access.pcscf,
        "state": connection.state.value,
        "contact": str(connection.contact.uri),
        "bindings": connection.bindings,
        "identities": {
            each.impu: {
                "associated": list(each.associated),
                "expires_s": each.expires_s,
                "pub_gruu": each.gruus.public,
                "temp_gruu": each.gruus.temporary,
            }
            for each in connection.registered.values()
        },
        "spi": security.spis if security else [],
        "security_verify": ", ".join(security.verify) if security else "",
        "service_route": [str(route) for route in connection.service_route],
        "expires_s": connection.expires_s,
    }


def _registered(connection: ImsConnection) -> Result:
    return {**describe(connection), **told(connection.answer)}


def _outcome(session: Session) -> Result:
    return {"call_id": session.call_id, "state": session.state.value, **told(session.answer)}
