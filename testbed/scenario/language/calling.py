"""Steps of calls: made, answered, held, moved, ended (RFC 3261, RFC 3891; C1-062198 3(4))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from testbed.scenario.common import MOVING
from testbed.scenario.language.verb import AccessName, CallName, Identity, Keys, NewCall, Ue, given

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench


class _Outgoing(Keys):
    from_: Ue = Field(default=MOVING, alias="from")
    to: str = Field(pattern=r"^([a-z][a-z0-9-]*|sip:\S+)$", description="A UE, or a SIP URI.")
    over: AccessName | None = Field(default=None, description="Where the UE last registered when not given.")
    impu: Identity | None = Field(default=None, description="The identity that calls.")
    callee: Identity | None = Field(default=None, description="The identity of the UE that is called.")
    gruu: Literal["pub", "temp"] | None = Field(default=None, description="The GRUU of the UE that is called.")
    as_: NewCall = Field(default="call", alias="as", description="A name for the call.")

    def _order(self, bench: Bench) -> dict[str, Any]:
        over = self.over or bench.last_access(self.from_)
        to = self.to if self.to.startswith("sip:") else self.callee or bench.identity(self.to)
        return {"access": over, "to": to, **given(impu=self.impu)}

    @property
    def _whom(self) -> str:
        return (self.callee or self.to) + (f" by its {self.gruu}-GRUU" if self.gruu else "")


class Call(_Outgoing):
    """A call, made and waited for until it is answered."""

    expect_status: int | None = Field(default=None, ge=300, le=699, description="It must be refused with this.")

    def said(self) -> str:
        refused = f": {self.expect_status}" if self.expect_status else ""
        return f"{self.from_} calls {self._whom}{refused}"

    async def do(self, bench: Bench) -> str | None:
        order = self._order(bench) | await bench.gruu_of(self.to, self.callee, self.gruu)
        if self.expect_status is None:
            bench.call_made(self.as_, self.from_, await bench.ues[self.from_].order("call", **order))
            return None
        answer = await bench.ues[self.from_].order("call", allow_refusal=True, **order)
        bench.same("answer", self.expect_status, answer.get("status"))
        return f"{answer.get('status')} {answer.get('reason', '')}"


class Dial(_Outgoing):
    """A call that is begun and not waited for."""

    def said(self) -> str:
        return f"{self.from_} dials {self._whom}"

    async def do(self, bench: Bench) -> None:
        order = self._order(bench) | await bench.gruu_of(self.to, self.callee, self.gruu)
        bench.call_made(self.as_, self.from_, await bench.ues[self.from_].order("dial", **order))


class Answering(Keys):
    """How a UE takes calls from now on."""

    ue: Ue
    mode: Literal["at-once", "ring", "busy"]

    def said(self) -> str:
        return f"{self.ue} takes calls: {self.mode}"

    async def do(self, bench: Bench) -> None:
        await bench.ues[self.ue].order("answering", mode=self.mode)


class _OnCall(Keys):
    call: CallName = "call"
    ue: Ue | None = Field(default=None, description="Whoever made the call when not given.")

    def _who(self, bench: Bench) -> str:
        return self.ue or bench.call(self.call).owner

    async def _order(self, bench: Bench, verb: str) -> None:
        await bench.ues[self._who(bench)].order(verb, call_id=await bench.call_id(self.call, self._who(bench)))


class Answer(_OnCall):
    """A call that rings is answered."""

    ue: Ue

    def said(self) -> str:
        return f"{self.ue} answers"

    async def do(self, bench: Bench) -> None:
        await self._order(bench, "answer")


class Cancel(_OnCall):
    """A call that rings is given up (RFC 3261 9)."""

    def said(self) -> str:
        return f"{self.ue or 'the caller'} cancels {self.call}"

    async def do(self, bench: Bench) -> None:
        await self._order(bench, "cancel")


class Hold(_OnCall):
    """A session is put on hold (RFC 3264 8.4)."""

    def said(self) -> str:
        return f"{self.ue or 'the caller'} holds {self.call}"

    async def do(self, bench: Bench) -> None:
        await self._order(bench, "hold")


class Resume(_OnCall):
    """A held session goes on."""

    def said(self) -> str:
        return f"{self.ue or 'the caller'} resumes {self.call}"

    async def do(self, bench: Bench) -> None:
        await self._order(bench, "resume")


class Move(_OnCall):
    """A session moved to another connection of the UE."""

    to: AccessName
    by: Literal["re-invite", "replaces"] = "re-invite"

    def said(self) -> str:
        return f"{self.ue or 'the caller'} moves {self.call} to {self.to} by {self.by}"

    async def do(self, bench: Bench) -> None:
        who = self._who(bench)
        call_id = await bench.call_id(self.call, who)
        moved = await bench.ues[who].order("move", call_id=call_id, access=self.to, how=self.by)
        bench.call_moved(self.call, moved)


class HangUp(_OnCall):
    """A call is ended."""

    def said(self) -> str:
        return f"{self.ue or 'the caller'} hangs up {self.call}"

    async def do(self, bench: Bench) -> None:
        await self._order(bench, "hang-up")
