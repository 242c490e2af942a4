"""The handoff at the UE: what it does by itself once its access fails, and when it moves before that.

The order is C1-062198's figure 5: the new access, one REGISTER that moves the bindings, the sessions moved over the
new connection, the old one ended.  Nothing here waits for the controller.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from typing import Any

from drivers.protocols import AccessEvent
from testbed.errors import ProductFailure, TestbedError
from testbed.ue.connection import ConnectionState, ImsConnection, Move
from testbed.ue.equipment import UserEquipment
from testbed.ue.session import Session
from testbed.ue.setup import HandoffOrder

log = logging.getLogger(__name__)


class Handoff:
    """Carries out handoffs of one UE, one at a time."""

    def __init__(self, ue: UserEquipment) -> None:
        self._ue = ue
        self._armed: tuple[str, HandoffOrder] | None = None
        self._done: asyncio.Future[dict[str, Any]] | None = None
        ue.on_access_event = self._on_access_event
        ue.on_media_silence = self._on_silence

    def arm(self, old: str, order: HandoffOrder) -> None:
        """Move from `old` as soon as that access fails; :meth:`wait` tells the outcome."""
        Move(order.move)  # a wrong word is an error now, not in the middle of the handoff
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

    async def now(self, old: str, order: HandoffOrder) -> dict[str, Any]:
        """Move while the old access still works (make before break); it stays attached, its connection inactive."""
        await self._ue.attach(order.to)
        connection = await self._ue.register(order.to, Move(order.move))
        await self._move_sessions(connection, order)
        steps = self._ue.markers.since("access-up")
        await self._ue.reg_events.refresh(connection)
        return {"from": old, "to": order.to, "steps": steps}

    def _on_access_event(self, event: AccessEvent) -> None:
        if event.what == "carrier-lost":
            self._lost(event.access, "carrier-lost")

    def _on_silence(self, after_ms: float) -> None:
        if self._armed:
            self._lost(self._armed[0], "media-silence", after_ms=after_ms)

    def _lost(self, access: str, by: str, **detail: Any) -> None:
        if self._armed is None or self._armed[0] != access:
            self._leave_if_inactive(access)
            return
        self._ue.markers.mark("detected", access=access, by=by, **detail)
        (old, order), self._armed = self._armed, None
        asyncio.get_running_loop().create_task(self._carry_out(old, order))

    async def _carry_out(self, old: str, order: HandoffOrder) -> None:
        assert self._done is not None
        try:
            self._done.set_result(await self._break_before_make(old, order))
        except (TestbedError, OSError) as failed:
            log.error("handoff from %s to %s: %s", old, order.to, failed)
            self._ue.markers.mark("handoff-failed", why=str(failed))
            self._done.set_exception(failed)
        finally:
            gc.enable()

    async def _break_before_make(self, old: str, order: HandoffOrder) -> dict[str, Any]:
        ue = self._ue
        ue.media.watch(0)
        ue.stack.access_lost(old)
        await ue.attach(order.to)
        connection = await ue.register(order.to, Move(order.move))
        await self._move_sessions(connection, order)
        steps = ue.markers.since("detected")
        try:
            await ue.reg_events.refresh(connection)
        finally:
            await self._leave(old)
        return {"from": old, "to": order.to, "steps": steps}

    def _leave_if_inactive(self, access: str) -> None:
        """The access of a connection from which everything was moved before: nothing is lost with it."""
        inactive = (each.name for each in self._ue.connections if each.state is ConnectionState.INACTIVE)
        if access in inactive:
            self._ue.markers.mark("detected", access=access, by="carrier-lost")
            asyncio.get_running_loop().create_task(self._leave(access))

    async def _move_sessions(self, connection: ImsConnection, order: HandoffOrder) -> None:
        for session in self._ue.calls.live:
            self._ue.markers.mark("session-start", call_id=session.call_id, how=order.session)
            await self._move(session, connection, order.session)
            self._ue.markers.mark("session-moved", call_id=session.call_id, access=connection.name)

    async def _move(self, session: Session, connection: ImsConnection, how: str) -> None:
        if how == "re-invite":
            await self._ue.calls.move(session, connection)
        elif how == "replaces":
            await self._ue.calls.replace(session, connection)
        else:
            # Release 7: the network has released the session with the old registration; the user dials again.
            self._ue.calls.drop(session, "released with the old registration")
            self._ue.markers.mark("call-lost", call_id=session.call_id)
            await self._ue.calls.call(connection, session.peer)

    async def _leave(self, access: str) -> None:
        """Nothing is left on the old access: its connection ends at this end, its device goes down."""
        for connection in self._ue.connections:
            if connection.name == access and connection.state is not ConnectionState.ENDED:
                self._ue.end_connection(connection)
        self._ue.media.close_flow(access)
        with contextlib.suppress(TestbedError):  # a device that is gone has left by itself
            await self._ue.detach(access)
