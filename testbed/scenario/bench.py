"""What the steps of a scenario act on and look at: the rig, its core, the UEs, and the names that steps have given."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.waiting import within
from testbed.errors import ProductFailure, RigError, UsageError
from testbed.scenario import growth
from testbed.scenario.growth import Sample
from testbed.scenario.look import Look, everything
from testbed.topology.plan import Plan

if TYPE_CHECKING:
    from testbed.core.core import Core
    from testbed.core.subscribers import Subscriber
    from testbed.measure.sip_check import Check
    from testbed.rig.rig import Rig
    from testbed.scenario.levers import Levers
    from testbed.ue.handle import UeHandle

LOOK_AGAIN_S = 0.1
_PLACE = re.compile(r"\{(contact|security-verify):([a-z][a-z0-9-]*):([a-z][a-z0-9-]*)\}")
Answer = dict[str, Any]


class Unexpected(ProductFailure):
    """A check of a scenario that failed; the run goes on after it."""


@dataclass
class NamedCall:
    """A call that a step has given a name."""

    owner: str
    call_id: str


class Bench:
    """One run's."""

    def __init__(
        self,
        plan: Plan,
        rig: Rig,
        core: Core,
        ues: Mapping[str, UeHandle],
        subscribers: Mapping[str, Subscriber],
        levers: Levers,
    ) -> None:
        self.plan, self.rig, self.core, self.ues, self.levers = plan, rig, core, ues, levers
        self.look = Look(plan, rig, core, ues)
        self.calls: dict[str, NamedCall] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.weights: dict[str, dict[str, Sample]] = {}
        self.answers: dict[str, Answer] = {}
        self.checks: list[Check] = []  # of the step that is under way
        self._subscribers = subscribers
        self._attached: set[str] = set()
        self._last_access: dict[str, str] = {}
        self._events: list[dict[str, Any]] = []
        self._begun = asyncio.get_running_loop().time()
        self.followed_since = 0  # events before a policy was followed
        self._since = 0  # the first event since the last step that did something
        self._news = asyncio.Event()

    # Events and checks

    def heard(self, event: dict[str, Any]) -> None:
        """A UE has said something by itself.  A call that it has dialled again goes on under its name."""
        if event["event"] == "call-redialled":
            for call in self.calls.values():
                if call.call_id == event["was"]:
                    call.call_id = event["call_id"]
        self._events.append({**event, "at_s": asyncio.get_running_loop().time()})
        self._news.set()

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that the UEs have said by themselves, each with the time when it was heard (`at_s`)."""
        return self._events

    def acting(self) -> None:
        """A step begins that does something."""
        self._since = len(self._events)

    def events_since_last_act(self) -> list[dict[str, Any]]:
        return self._events[self._since :]

    async def eventually(self, wanted: str, found: Callable[[], Awaitable[str | None]], within_s: float) -> None:
        """Wait until nothing else is found; `found` is None then.  Raises Unexpected with what is there at the end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while (there := await found()) is not None:
            left = until - loop.time()
            if left <= 0:
                late = f" after {within_s:g} s" if within_s else ""
                raise Unexpected(f"expected that {wanted}; {there}{late}")
            self._news.clear()
            await within(self._news, min(LOOK_AGAIN_S, left))

    def same(self, what: str, wanted: object, there: object, told: str | None = None) -> None:
        """Raises Unexpected where two things differ."""
        if wanted != there:
            raise Unexpected(f"the {what} was to be {wanted or 'none'}, and was {told or there or 'none'}")

    def judge_later(self, check: Check) -> None:
        """Something that only the captures tell."""
        self.checks.append(check)

    async def look_around(self) -> dict[str, Any]:
        return await everything(self.look, self.plan, self.ues)

    async def weigh(self) -> dict[str, Sample]:
        """What every host has that may not grow."""
        return await growth.everything(self.rig, self.ues, self.core, asyncio.get_running_loop().time() - self._begun)

    # Registration

    async def attach(self, ue: str, access: str) -> None:
        """Get on an access, where the UE is not on it already."""
        if access not in self._attached:
            await self.ues[ue].order("attach", access=access)
            self._attached.add(access)

    def registered(self, ue: str, access: str) -> None:
        self._last_access[ue] = access
        self._attached.add(access)

    def last_access(self, ue: str) -> str:
        """Where a UE registered last."""
        if ue not in self._last_access:
            raise UsageError(f"{ue} is not registered", where="scenario", mend="register it before, or give `over:`")
        return self._last_access[ue]

    def identity(self, ue: str) -> str:
        """Whom to call for a UE."""
        return self._subscribers[ue].impus[0]

    def identities(self, ue: str) -> tuple[str, ...]:
        return self._subscribers[ue].impus

    def answered(self, name: str | None, answer: Answer | None) -> Answer:
        """Keep what was answered, where the step gives it a name."""
        answer = answer or {}
        if name:
            self.answers[name] = answer
        return answer

    async def filled_in(self, changes: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
        """Changes with what stands for something that the UE knows in them."""
        if changes is None:
            return None
        return {name: value and await self._filled(value) for name, value in changes.items()}

    async def _filled(self, text: str) -> str:
        for what, ue, access in _PLACE.findall(text):
            connections = (await self.look.ue(ue))["connections"]
            there = next((each for each in connections if each["access"] == access and each["state"] != "ended"), None)
            value = there and there.get(what.replace("-", "_"))
            if not value:
                raise RigError(f"UE {ue} has no {what} over {access}", where="scenario")
            text = text.replace(f"{{{what}:{ue}:{access}}}", str(value))
        return text

    # Handoffs

    async def handoff_over(self, ue: str, within_s: float) -> str:
        """Wait for the end of an armed handoff; its steps in words."""
        arm, result = await self.levers.outcome(self.ues[ue], within_s)
        self._attached.discard(arm.from_)
        self.registered(ue, arm.to)
        self.levers.tell(result.get("steps", []))
        return ", ".join(f"{said} after {at_ms:.1f} ms" for said, at_ms in result.get("steps", []))

    async def handoff_fails(self, ue: str, outcome: str, at: str | None, within_s: float) -> str:
        """The same of one that cannot succeed; the UE must say where it failed and what it did then."""
        arm, why = await self.levers.must_fail(self.ues[ue], outcome, at, within_s)
        said = [each for each in self.events_since_last_act() if each["event"] == "handoff-failed" and each["ue"] == ue]
        if not said:
            raise Unexpected(f"expected that {ue} says how its handoff failed; it said nothing, but: {why}")
        if outcome == "went-back":
            self.registered(ue, arm.from_)
        self.same("outcome of the handoff", outcome, said[-1].get("outcome"))
        if at is not None:
            self.same("step at which it failed", at, said[-1].get("step"))
        return why

    def last_handoff(self) -> int:
        """The place of the last one among those that are measured."""
        if not self.levers.measured:
            raise UsageError(
                "no handoff was measured before this step", where="scenario", mend="put a `handoff` before"
            )
        return len(self.levers.measured) - 1

    def addresses(self, access: str) -> tuple[str, ...]:
        """The UE's on an access."""
        return tuple(address.address for address in self.plan.accesses[access].addresses)

    # Calls

    def call_made(self, name: str, owner: str, made: Answer) -> None:
        self.calls[name] = NamedCall(owner, made["call_id"])

    def call(self, name: str) -> NamedCall:
        """The call of this name, which the step that was to make it may have failed to make."""
        if name not in self.calls:
            raise Unexpected(f"there is no call `{name}`: the step that was to make it failed")
        return self.calls[name]

    def answer(self, name: str) -> Answer:
        """The answer of this name, likewise."""
        if name not in self.answers:
            raise Unexpected(f"there is no answer `{name}`: the step that was to get it failed")
        return self.answers[name]

    def call_moved(self, name: str, moved: Answer | None) -> None:
        """A session moved by Replaces is a new dialog."""
        if moved and moved.get("call_id"):
            self.call(name).call_id = moved["call_id"]

    async def call_id(self, name: str, ue: str) -> str:
        """The Call-ID of a call at a UE: that which it had, or that of the dialog that has replaced it."""
        known = self.call(name).call_id
        live = [each["call_id"] for each in await self.look.sessions(ue) if not each.get("ended")]
        if known in live or len(live) != 1:
            return known
        return str(live[0])

    async def gruu_of(self, to: str, callee: str | None, kind: str | None) -> dict[str, str]:
        """`to` for a call to a GRUU of a UE (RFC 5627), as the S-CSCF has given it."""
        if kind is None:
            return {}
        impu = callee or self.identity(to)
        for bound in (await self.look.bindings()).get(impu, []):
            gruu = bound.pub_gruu if kind == "pub" else bound.temp_gruu
            if gruu:
                return {"to": gruu}
        raise Unexpected(f"expected that {impu} has a {kind}-GRUU; the S-CSCF has given it none")
