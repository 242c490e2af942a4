"""The UE follows its handoff policy: what it sees goes to the decider, and what that decides is carried out.

Signals are measured at an even pace over every access by radio, used or not; links and media tell by themselves.
Every decision is told with its reason, marked in the capture, and answered with how it went.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from drivers.protocols import LOSSES, AccessEvent
from testbed.errors import TestbedError
from testbed.ue.deciding import Decider
from testbed.ue.decisions import (
    MOVES,
    Decision,
    Event,
    Failed,
    HandedOver,
    LinkLost,
    LinkUp,
    MediaSilence,
    Ready,
    Signal,
    Tick,
    What,
)
from testbed.ue.equipment import UserEquipment
from testbed.ue.handoff import Handoff
from testbed.ue.policy import Policy
from testbed.ue.setup import HandoffOrder

log = logging.getLogger(__name__)
MEASURE_S = 0.25  # between two measurements of an access
NOT_HEARD_DBM = -120.0  # an access by radio that nothing is received of: below any threshold
UP = ("carrier-back", "modem-back")


class Follower:
    """One UE under one policy, from :meth:`begin` until :meth:`end`."""

    def __init__(self, ue: UserEquipment, handoff: Handoff, policy: Policy, serving: str) -> None:
        self._ue, self._handoff, self._policy, self.serving = ue, handoff, policy, serving
        self._loop = asyncio.get_running_loop()
        self._decider = Decider(policy, serving, self._loop.time())
        self._tasks: set[asyncio.Task[None]] = set()
        self._moving: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._before = (ue.on_access_event, ue.on_media_silence)
        self._lost: set[str] = set()  # accesses without a link
        self.moves = 0  # that were carried out

    def begin(self) -> None:
        self._ue.on_access_event = self._happened
        self._ue.on_media_silence = self._silent
        self._ue.media.watch(self._policy.silence_ms)
        for access in self._policy.prefer:
            if access in self._policy.accesses:
                self._start(self._tasks, self._measure(access))

    async def end(self) -> None:
        """Stay where we are from now on; a move under way comes to its end first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._moving, return_exceptions=True)
        if self._alarm is not None:
            self._alarm.cancel()
        self._ue.media.watch(0)
        self._ue.on_access_event, self._ue.on_media_silence = self._before

    # What is seen

    async def _measure(self, access: str) -> None:
        while True:
            try:
                dbm = await self._ue.accesses.signal_dbm(access)
            except TestbedError as silent:
                log.info("signal of %s: %s", access, silent)
                dbm = None
            if dbm is not None and access in self._lost and access != self.serving:
                self._lost.discard(access)  # a link that was lost tells by its signal alone that it could be had again
                self._see(LinkUp(access))
            self._see(Signal(access, NOT_HEARD_DBM if dbm is None else dbm))
            await asyncio.sleep(MEASURE_S)

    def _happened(self, event: AccessEvent) -> None:
        handoff = self._before[0]
        if handoff is not None:  # what an inactive connection or a handoff under way has to do with it
            handoff(event)
        if event.what in LOSSES:
            self._lost.add(event.access)
            self._see(LinkLost(event.access, event.what))
        elif event.what in UP:
            self._lost.discard(event.access)
            self._see(LinkUp(event.access))

    def _silent(self, after_ms: float) -> None:
        self._see(MediaSilence(self.serving, after_ms))

    def _see(self, event: Event) -> None:
        self._handle(self._loop.time(), event)

    def _wake(self, due_s: float) -> None:
        self._alarm = None
        self._handle(max(self._loop.time(), due_s), Tick())  # a timer may be called a little early

    def _handle(self, now_s: float, event: Event) -> None:
        for decision in self._decider.handle(now_s, event):
            self._tell(decision)
            if decision.what is What.PREPARE:
                self._start(self._tasks, self._prepare(decision.access))
            elif decision.what in MOVES:
                self._start(self._moving, self._move(decision))
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if (wake_s := self._decider.wake_at()) is not None:
            self._alarm = self._loop.call_at(wake_s, self._wake, wake_s)

    # What is done

    async def _prepare(self, access: str) -> None:
        try:
            await self._ue.attach(access)
        except TestbedError as failed:
            log.warning("%s could not be prepared: %s", access, failed)
            self._see(Failed(access))
        else:
            self._see(Ready(access))

    async def _move(self, decision: Decision) -> None:
        order = HandoffOrder(decision.access)
        broken = decision.what is What.BREAK_BEFORE_MAKE
        try:
            await self._handoff.go(self.serving, order, broken=broken)
        except TestbedError as failed:
            log.warning("%s: %s", decision.what.value, failed)
            self._see(Failed(decision.access))
            return
        self.serving, self.moves = decision.access, self.moves + 1
        self._ue.media.watch(self._policy.silence_ms)
        self._ue.told("moved", {"access": decision.access, "moves": self.moves})
        self._see(HandedOver(decision.access))

    def _tell(self, decision: Decision) -> None:
        detail: dict[str, Any] = {"what": decision.what.value, "access": decision.access, "reason": decision.reason}
        self._ue.markers.mark("decision", policy=self._policy.name, **detail)
        self._ue.told("decision", {"policy": self._policy.name, **detail})

    def _start(self, among: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
