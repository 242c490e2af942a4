"""When a handoff fails: back to the old connection if that still answers, or an end of what was there; and which."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from enum import StrEnum
from typing import Any

from testbed.errors import ProductFailure, TestbedError
from testbed.ims.errors import SipError
from testbed.ue.connection import ConnectionState, ImsConnection, Move
from testbed.ue.equipment import UserEquipment
from testbed.ue.registration import Wish
from testbed.ue.session import Session
from testbed.ue.setup import HandoffOrder

log = logging.getLogger(__name__)
FAILURES = (TestbedError, SipError, OSError, TimeoutError)


class Step(StrEnum):
    """Where a handoff can fail."""

    ACCESS = "access"  # the new access does not come up
    REGISTER = "register"  # nobody answers there, or the network refuses, or is not ours
    SESSION = "session"  # registered, and no session could be moved


class Outcome(StrEnum):
    """What a failed handoff leaves."""

    WENT_BACK = "went-back"
    ENDED = "ended"


class HandoffFailed(ProductFailure):
    """At which step, with which outcome."""

    def __init__(self, step: Step, outcome: Outcome, why: BaseException, where: str) -> None:
        reason = str(why) or "nobody answered in time"
        super().__init__(f"the handoff failed ({step}): {reason}; the UE {outcome.replace('-', ' ')}", where=where)
        self.step, self.outcome, self.why = step, outcome, reason


class Retreat:
    """What is left to do when a handoff of this UE has failed, and where it leaves an access for good."""

    def __init__(self, ue: UserEquipment) -> None:
        self._ue = ue

    async def from_(self, step: Step, why: BaseException, old: str, order: HandoffOrder) -> HandoffFailed:
        """Go back or end; what there is to raise."""
        outcome = await self._go_back_or_end(step, old, order)
        failed = HandoffFailed(step, outcome, why, f"UE {self._ue.setup.config.name}")
        log.error("%s", failed)
        detail = {"from": old, "to": order.to, "step": step.value, "outcome": outcome.value, "why": failed.why}
        self._ue.markers.mark("handoff-failed", **detail)
        self._ue.told("handoff-failed", detail)
        return failed

    async def _go_back_or_end(self, step: Step, old: str, order: HandoffOrder) -> Outcome:
        """Go back if the old connection still lives, else end what was there."""
        former, new = self.over(old), self.over(order.to) if step is Step.SESSION else None
        back = former is not None and await self._take_back(former, new, order)
        if back or self.over(order.to) is None:
            await self.leave(order.to)
        if back:
            self.stay([each for each in self._ue.calls.live if each.connection is former and step is Step.SESSION])
            return Outcome.WENT_BACK
        victims = [each for each in self._ue.calls.live if each.connection is former]
        await self.leave(old)
        self.give_up(victims, f"the handoff failed ({step})")
        return Outcome.ENDED

    async def leave(self, access: str) -> None:
        """Nothing is left on the old access: its connection ends at this end, its device goes down."""
        self._ue.leave(access)
        with contextlib.suppress(TestbedError):  # a device that is gone has left by itself
            await self._ue.detach(access)

    def over(self, access: str) -> ImsConnection | None:
        """The newest connection over an access that has not ended."""
        alive = (each for each in reversed(self._ue.connections.all) if each.state is not ConnectionState.ENDED)
        return next((each for each in alive if each.access.name == access), None)

    async def _take_back(self, former: ImsConnection, new: ImsConnection | None, order: HandoffOrder) -> bool:
        """Whether a REGISTER over the old connection is answered; what the new one has got comes back by it.

        In release 7 the network has given the old connection up with the new registration.
        """
        ue = self._ue
        if not former.usable or not ue.has_carrier(former.access.name) or (new is not None and new.move is Move.NONE):
            return False
        try:
            async with asyncio.timeout(order.patience_s):
                if new is None:
                    await ue.connections.refresh(former)
                    return True
                for impu in list(new.registered):
                    leaving = () if new.move is Move.GLOBAL else (new.contact,)
                    move = Move.GLOBAL if new.move is Move.GLOBAL else Move.EXPLICIT
                    if impu in new.registered:  # imsglobreg has moved all at once
                        await ue.connections.update(former, Wish(impu, move, leaving, ue.setup.config.expires_s))
        except FAILURES as dead:
            log.warning("%s does not live any more: %s", former.name, dead)
            return False
        return True

    def stay(self, sessions: Sequence[Session]) -> None:
        """Sessions that could not be moved go on where they were, and their other ends are told so."""
        for session in sessions:
            if session.confirmed:
                self._beside(self._ue.calls.moving.stay(session))

    def give_up(self, sessions: Sequence[Session], reason: str) -> None:
        """End sessions whose connection is gone, towards the other end too if there is one left to say it over."""
        for session in sessions:
            if session.confirmed:
                self._beside(self._ue.calls.moving.hang_up(session, reason))
            else:
                self._ue.calls.drop(session, reason)

    def _beside(self, saying: Coroutine[Any, Any, None]) -> None:
        """Whether the other end hears it or not, the handoff is over."""

        async def say() -> None:
            with contextlib.suppress(*FAILURES):
                await saying

        self._ue.calls.sessions.soon(say())
