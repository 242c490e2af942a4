"""The short form of a scenario, carried out: a call, one handoff or many back and forth, and the end of the call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager

from testbed.scenario.common import FAR, MOVING
from testbed.scenario.growth import Sample, everything, grown, tell, weighed_after
from testbed.scenario.levers import Markers, break_access, mend_access
from testbed.scenario.model import Scenario
from testbed.scenario.parties import handoff_order
from testbed.scenario.progress import Progress, Told, tell_steps
from testbed.scenario.record import Recorded, stage_of
from testbed.scenario.site import Site
from testbed.ue.handle import UeHandle

HANDOFF_DEADLINE_S = 40.0


class ShortForm:
    """One run's."""

    def __init__(
        self,
        scenario: Scenario,
        site: Site,
        ues: Mapping[str, UeHandle],
        markers: Markers,
        recorded: Recorded,
        told: Told,
    ) -> None:
        self._scenario, self._site, self._ues, self._markers = scenario, site, ues, markers
        self._recorded, self._told = recorded, told

    async def run(self) -> None:
        await self._call()
        await self._handoffs()
        with self._stage("hangup", f"{MOVING} hangs up"):
            await self._ues[MOVING].order("hang-up")

    async def _call(self) -> None:
        plan = self._site.plan
        first, far = self._scenario.old_access(plan), plan.ues[FAR].accesses[0]
        with self._stage("register", f"{MOVING} over {first}, {FAR} over {far}"):
            for name, access in ((FAR, far), (MOVING, first)):
                await self._ues[name].order("attach", access=access)
                await self._ues[name].order("register", access=access, move="none")
            await self._ues[MOVING].order("subscribe", access=first)
        with self._stage("call", f"{MOVING} calls {FAR}"):
            await self._ues[MOVING].order("call", access=first, to=self._site.subscriptions[FAR].impus[0])
            await asyncio.sleep(self._scenario.settle_s)  # media before the trigger, as long as the scenario says

    async def _handoffs(self) -> None:
        """As many as the scenario says, back and forth; over many of them nothing may grow."""
        old, new = self._scenario.old_access(self._site.plan), self._scenario.new_access(self._site.plan)
        total = self._scenario.handoffs
        weighings = weighed_after(total)
        begun = time.monotonic()
        weighed: list[dict[str, Sample]] = []
        for number in range(1, total + 1):
            await self._handoff(old, new)
            if number < total:
                await mend_access(self._site.rig, self._ues[MOVING], old, self._scenario.trigger)
            old, new = new, old
            if number in weighings:
                weighed.append(await self._everything(begun))
            if number % 100 == 0:
                self._told(Progress("hangup", "note", f"{number} of {total} handoffs"))
        if weighed:
            first, last = weighings
            self._recorded.notes += [f"handoff {first} to {last}, {line}" for line in tell(*weighed)]
            self._recorded.failures += grown(*weighed)

    async def _everything(self, begun: float) -> dict[str, Sample]:
        """What may not grow."""
        return await everything(self._site.rig, self._ues, self._site.core, time.monotonic() - begun)

    async def _handoff(self, old: str, new: str) -> None:
        order = handoff_order(self._scenario, new)
        if self._scenario.make_before_break:
            with self._stage("session", f"moved to {new} while {old} still works"):
                await self._ues[MOVING].handoff(old, order)
                await asyncio.sleep(self._scenario.settle_s)
            await self._trigger(old)
        else:
            await self._ues[MOVING].arm(old, order)
            await self._trigger(old)
            outcome = await self._ues[MOVING].order("wait-handoff", deadline_s=HANDOFF_DEADLINE_S)
            tell_steps(outcome["steps"], self._told)
        await asyncio.sleep(self._scenario.tail_s)

    async def _trigger(self, access: str) -> None:
        """The marker goes first: what follows it is the handoff's, the few microseconds between them too."""
        self._markers.mark("trigger", access=access, kind=str(self._scenario.trigger))
        await break_access(self._site.rig, self._ues[MOVING], access, self._scenario.trigger)
        self._told(Progress("trigger", "done", f"{self._scenario.trigger} on {access}"))

    def _stage(self, stage: str, text: str) -> AbstractContextManager[None]:
        return stage_of(self._told, stage, text, self._recorded.timings_s)
