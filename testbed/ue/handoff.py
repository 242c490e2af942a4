"""The handoff at the UE: what it does by itself once its access fails, and when it moves before that.

The order is C1-062198's figure 5: the new access, one REGISTER that moves the bindings (or one for each identity), the
sessions moved over the new connection, the old one ended.  Nothing here waits for the controller.

Calls that ring are not sessions yet, and RFC 3261 14.1 allows no re-INVITE in an early dialog; UPDATE (RFC 3311) would
want a reliable provisional response that nobody asked for, and RFC 3891 3 lets nobody replace a call that he started.
So one that the UE makes is cancelled, if the old access still carries the CANCEL, and dialled again over the new
connection.  One that it gets rings on over the old connection while that lives, and follows once it is answered (see
:mod:`testbed.ue.incoming`).

A handoff that fails goes back or ends what was there, see :mod:`testbed.ue.retreat`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Sequence
from typing import Any

from drivers.protocols import LOSSES, AccessEvent
from testbed.errors import ProductFailure, UsageError
from testbed.ue.connection import ConnectionState, ImsConnection, Move
from testbed.ue.equipment import UserEquipment
from testbed.ue.retreat import FAILURES, Retreat, Step
from testbed.ue.session import Session
from testbed.ue.setup import HandoffOrder

log = logging.getLogger(__name__)


class Handoff:
    """Carries out handoffs of one UE, one at a time."""

    def __init__(self, ue: UserEquipment) -> None:
        self._ue, self._retreat = ue, Retreat(ue)
        self._armed: tuple[str, HandoffOrder] | None = None
        self._done: asyncio.Future[dict[str, Any]] | None = None
        self._towards: str | None = None  # the access that a handoff now under way goes to
        self._leaving: str | None = None  # and the one that it comes from
        self._lost_meanwhile = False  # which has failed since
        ue.on_access_event = self._on_access_event
        ue.on_media_silence = self._on_silence

    def arm(self, old: str, order: HandoffOrder) -> None:
        """Move from `old` as soon as that access fails; :meth:`wait` tells the outcome."""
        Move(order.move)  # a wrong word is an error now, not in the middle of the handoff
        self._refuse_a_second()
        self._armed = (old, order)
        self._done = asyncio.get_running_loop().create_future()
        self._ue.media.watch(order.silence_ms)
        gc.collect()
        gc.disable()  # a collection in the middle of the handoff would be taken for its cost

    async def wait(self) -> dict[str, Any]:
        """What the armed handoff came to.  Raises what it failed with."""
        if self._done is None:
            raise ProductFailure("no handoff was armed", where="UE")
        return await asyncio.shield(self._done)  # who waits may give up; the handoff does not

    async def go(self, old: str, order: HandoffOrder, *, broken: bool = False) -> dict[str, Any]:
        """Move now.  Where the old access is not broken it stays attached, its connection inactive."""
        self._refuse_a_second()
        return await self._hand_over(old, order, broken=broken)

    def _refuse_a_second(self) -> None:
        if self._leaving is not None:
            what = f"a handoff from {self._leaving} to {self._towards} is under way"
            raise UsageError(what, where=f"UE {self._ue.setup.config.name}", mend="wait for its end")

    def _on_access_event(self, event: AccessEvent) -> None:
        if event.what == "signal-low":
            self._weak(event)
        if event.what not in LOSSES:
            return
        if event.access == self._towards:  # what was sent there is answered by nobody
            self._forget_requests(event.access)
        self._lost(event.access, event.what)

    def _on_silence(self, after_ms: float) -> None:
        if self._armed:
            self._lost(self._armed[0], "media-silence", after_ms=after_ms)

    def _lost(self, access: str, by: str, **detail: Any) -> None:
        if access == self._leaving:
            self._lost_meanwhile = True
            return
        if self._armed is None or self._armed[0] != access:
            self._leave_if_inactive(access, by)
            return
        self._begin(access, by=by, **detail)

    def _weak(self, event: AccessEvent) -> None:
        """There is still time to make before the old access breaks."""
        if self._armed is not None and self._armed[0] == event.access:
            self._begin(event.access, broken=False, by=event.what, signal=event.detail)

    def _begin(self, access: str, *, broken: bool = True, **detail: Any) -> None:
        assert self._armed is not None
        self._ue.markers.mark("detected", access=access, **detail)
        (old, order), self._armed = self._armed, None
        asyncio.get_running_loop().create_task(self._carry_out(old, order, broken=broken))

    async def _carry_out(self, old: str, order: HandoffOrder, *, broken: bool) -> None:
        assert self._done is not None
        try:
            self._done.set_result(await self._hand_over(old, order, broken=broken))
        except Exception as failed:
            self._done.set_exception(failed)
            self._done.exception()  # whether anybody waits or not
        finally:
            gc.enable()

    async def _hand_over(self, old: str, order: HandoffOrder, *, broken: bool) -> dict[str, Any]:
        """The whole of it.  `broken` says that the old access counts as gone."""
        ue = self._ue
        ringing = [each for each in ue.calls.live if each.outgoing and not each.confirmed]
        talking = [each for each in ue.calls.live if each.confirmed]
        if broken:
            ue.media.watch(0)
            self._forget_requests(old)
        step, self._towards, self._leaving, self._lost_meanwhile = Step.ACCESS, order.to, old, False
        try:
            async with asyncio.timeout(order.patience_s):
                await ue.attach(order.to)
            step = Step.REGISTER
            async with asyncio.timeout(order.patience_s):
                connection = await self._register(old, order)
            step = Step.SESSION
            if broken or self._lost_meanwhile:
                self._forget_requests(old)  # of a session that was to be refreshed meanwhile: nobody answers there
            how = "redial" if connection.move is Move.NONE else order.session  # where it fell back, too
            candidates = talking if how == "redial" else ue.calls.live
            moving = [each for each in candidates if self._follows(each, old, connection, broken=broken)]
            failed = await self._move_sessions(moving, connection, how, order.patience_s)
        except FAILURES as why:
            raise await self._retreat.from_(step, why, old, order) from why
        finally:
            self._towards = self._leaving = None
        steps = ue.markers.since("detected" if broken else "access-up")
        await self._after(old, connection, ringing, failed, broken=broken or self._lost_meanwhile)
        return {"from": old, "to": order.to, "steps": steps, "failed": [each.call_id for each in failed]}

    async def _after(
        self,
        old: str,
        connection: ImsConnection,
        ringing: Sequence[Session],
        failed: Sequence[Session],
        *,
        broken: bool,
    ) -> None:
        """What can wait until the sessions have moved."""
        for session in ringing:
            await self._redial(session, connection, cancel=not broken)
        try:
            await self._ue.reg_events.refresh(connection)
        except FAILURES as unanswered:
            log.warning("subscription over %s: %s", connection.name, unanswered)
        finally:
            if broken:
                await self._retreat.leave(old)
                self._retreat.give_up(failed, "it could not be moved")
            else:
                self._retreat.stay(failed)

    def _forget_requests(self, access: str) -> None:
        for connection in self._ue.connections.all:
            if connection.access.name == access:
                self._ue.stack.access_lost(connection.id)

    def _leave_if_inactive(self, access: str, by: str) -> None:
        """The access of a connection from which everything was moved before: nothing is lost with it."""
        inactive = (each.access.name for each in self._ue.connections.all if each.state is ConnectionState.INACTIVE)
        if access in inactive:
            self._ue.markers.mark("detected", access=access, by=by)
            asyncio.get_running_loop().create_task(self._retreat.leave(access))

    # The steps

    async def _register(self, old: str, order: HandoffOrder) -> ImsConnection:
        return await self._ue.connections.take_over(
            self._ue.accesses.known(order.to), Move(order.move), self._retreat.over(old)
        )

    @staticmethod
    def _follows(session: Session, old: str, connection: ImsConnection, *, broken: bool) -> bool:
        """Whether a session is to be moved.

        One that was answered a moment ago waits for its ACK (RFC 3261 14.1) and then follows by itself, unless the ACK
        cannot come any more.  One that the network has released meanwhile is dialled again.
        """
        left = session.connection
        if left is connection or not (left.access.name == old or left.state is not ConnectionState.ACTIVE):
            return False
        return session.released or (session.confirmed and (session.acknowledged or broken))

    async def _move_sessions(
        self, sessions: Sequence[Session], connection: ImsConnection, how: str, patience_s: float
    ) -> list[Session]:
        """Move all at the same time; those that failed.  Raises what the first one failed with if all did."""
        moves = (self._move(each, connection, how, patience_s) for each in sessions)
        outcomes = await asyncio.gather(*moves, return_exceptions=True)
        failures = [each for each in outcomes if isinstance(each, BaseException)]
        unexpected = [each for each in failures if not isinstance(each, FAILURES)]
        for failure in unexpected or (failures if len(failures) == len(sessions) else []):
            raise failure
        return [session for session, outcome in zip(sessions, outcomes, strict=True) if outcome in failures]

    async def _move(self, session: Session, connection: ImsConnection, how: str, patience_s: float) -> None:
        self._ue.markers.mark("session-start", call_id=session.call_id, how=how)
        if how == "redial":
            # Release 7: the network has released the session with the old registration; the user dials again.
            self._ue.calls.drop(session, "released with the old registration")
            self._ue.markers.mark("call-lost", call_id=session.call_id)
        async with asyncio.timeout(patience_s):
            if how == "redial":
                await self._ue.calls.ours.call(connection, session.peer, impu=session.impu)
            else:
                await self._ue.calls.move(session, connection, how)
        self._ue.markers.mark("session-moved", call_id=session.call_id, access=connection.name)

    async def _redial(self, session: Session, connection: ImsConnection, *, cancel: bool) -> None:
        if cancel:
            await self._ue.calls.ours.cancel(session)
        again = self._ue.calls.ours.dial(connection, session.peer, impu=session.impu)
        self._ue.told("call-redialled", {"call_id": again.call_id, "was": session.call_id})
