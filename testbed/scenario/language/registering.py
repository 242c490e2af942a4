"""Steps that register, and requests made by hand (C1-062198 2.1 to 2.3; TS 24.229 5.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from testbed.scenario.common import MOVING
from testbed.scenario.language.verb import AccessName, Identity, Keys, NewAnswer, Status, Ue, given

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench

Changes = dict[str, str | None]
CHANGES = "Headers set (null: removed) before it is sent; `{contact:UE:ACCESS}` stands for a contact that there is."


class Attach(Keys):
    """Get on an access network."""

    ue: Ue = MOVING
    access: AccessName

    def said(self) -> str:
        return f"{self.ue} attaches to {self.access}"

    async def do(self, bench: Bench) -> None:
        await bench.attach(self.ue, self.access)


class Register(Keys):
    """An initial registration: a new IMS connection.  The access is attached to where it is not."""

    ue: Ue = MOVING
    access: AccessName
    impu: Identity | None = Field(default=None, description="The first of the subscription when not given.")
    move: Literal["none", "add", "explicit", "global"] = Field(
        default="none", description="What happens to the bindings that there are: none is release 7."
    )
    drop: list[AccessName] | None = Field(default=None, description="Whose contacts go at expires=0.")
    expires_s: int | None = Field(default=None, ge=0, le=700_000)
    instance: bool | None = Field(default=None, description="Whether the contact bears the instance id (RFC 5626).")
    fallback: bool | None = Field(default=None, description="Register as release 7 where seamless-ims is unknown.")
    answer: bool | None = Field(default=None, description="Whether the challenge is answered.")
    changes: Changes | None = Field(default=None, description=CHANGES)
    expect_status: Status | None = Field(default=None, description="The final answer; a refusal changes nothing.")
    as_: NewAnswer | None = Field(default=None, alias="as", description="A name for the answer.")

    def said(self) -> str:
        how = {"none": "", "add": ", bindings stay", "explicit": ", a binding moves", "global": ", all bindings move"}
        who = f" {self.impu}" if self.impu else ""
        answer = f": {self.expect_status}" if self.expect_status else ""
        return f"{self.ue} registers{who} over {self.access}{how[self.move]}{answer}"

    async def do(self, bench: Bench) -> str | None:
        await bench.attach(self.ue, self.access)
        keys = {"impu": self.impu, "drop": self.drop, "expires_s": self.expires_s, "instance": self.instance}
        keys |= {"fallback": self.fallback, "answer": self.answer}
        arguments = given(move=self.move, **keys)
        changes = await bench.filled_in(self.changes)
        arguments |= given(changes=changes)
        if self.expect_status is None:
            bench.registered(self.ue, self.access)
            bench.answered(self.as_, await bench.ues[self.ue].order("register", access=self.access, **arguments))
            return None
        return await _refusable(bench, self, "register", access=self.access, **arguments)


class AddIdentity(Keys):
    """A further identity registered over a connection that there is."""

    ue: Ue = MOVING
    access: AccessName
    impu: Identity
    expect_status: Status | None = None
    as_: NewAnswer | None = Field(default=None, alias="as")

    def said(self) -> str:
        return f"{self.ue} registers {self.impu} too, over {self.access}"

    async def do(self, bench: Bench) -> str | None:
        return await _refusable(bench, self, "add-identity", access=self.access, impu=self.impu)


class RemoveContact(Keys):
    """A REGISTER over one connection that has another's contact at expires=0."""

    ue: Ue = MOVING
    over: AccessName
    of: AccessName
    impu: Identity | None = None
    expect_status: Status | None = None
    as_: NewAnswer | None = Field(default=None, alias="as")

    def said(self) -> str:
        return f"{self.ue} removes the contact of {self.of} over {self.over}"

    async def do(self, bench: Bench) -> str | None:
        return await _refusable(bench, self, "remove-contact", over=self.over, of=self.of, **given(impu=self.impu))


class _OverConnection(Keys):
    ue: Ue = MOVING
    access: AccessName
    impu: Identity | None = None
    expect_status: Status | None = None
    as_: NewAnswer | None = Field(default=None, alias="as")


class Refresh(_OverConnection):
    """A re-registration over the connection's own associations."""

    def said(self) -> str:
        return f"{self.ue} refreshes its registration over {self.access}"

    async def do(self, bench: Bench) -> str | None:
        return await _refusable(bench, self, "refresh", access=self.access, **given(impu=self.impu))


class Deregister(_OverConnection):
    """The end of a registration."""

    def said(self) -> str:
        return f"{self.ue} deregisters {f'{self.impu} ' if self.impu else ''}over {self.access}"

    async def do(self, bench: Bench) -> str | None:
        return await _refusable(bench, self, "deregister", access=self.access, **given(impu=self.impu))


class Subscribe(Keys):
    """A subscription to the reg event (TS 24.229 5.1.1.3)."""

    ue: Ue = MOVING
    access: AccessName

    def said(self) -> str:
        return f"{self.ue} subscribes to reg over {self.access}"

    async def do(self, bench: Bench) -> None:
        await bench.ues[self.ue].order("subscribe", access=self.access)


class MakeRequest(Keys):
    """One request made by hand, protected, open, or wrongly protected (TS 33.203 7)."""

    ue: Ue = MOVING
    access: AccessName
    method: str = Field(pattern=r"^[A-Z]+$")
    to: str | None = Field(default=None, description="The request's URI; the UE's own identity when not given.")
    flow: str = Field(
        default="protected",
        pattern=r"^(protected|open|to-protected-port|of:[a-z][a-z0-9-]*)$",
        description="In ESP; outside; outside to the protected port; in the associations of another access.",
    )
    changes: Changes | None = Field(default=None, description=CHANGES)
    expect_status: Status | None = Field(default=None, description="The final answer that it must get.")
    expect_silence: bool = Field(default=False, description="Nobody may answer.")
    as_: NewAnswer | None = Field(default=None, alias="as")

    def said(self) -> str:
        flows = {"protected": "", "open": " outside ESP", "to-protected-port": " outside ESP to the protected port"}
        way = flows.get(self.flow, f" in the associations of {self.flow.removeprefix('of:')}")
        answer = f": {self.expect_status}" if self.expect_status else ": no answer" if self.expect_silence else ""
        return f"{self.ue} sends {self.method} over {self.access}{way}{answer}"

    async def do(self, bench: Bench) -> str:
        arguments = given(to=self.to, changes=await bench.filled_in(self.changes))
        keys = {"access": self.access, "method": self.method, "flow": self.flow, **arguments}
        answer = bench.answered(self.as_, await bench.ues[self.ue].order("request", **keys))
        wanted = None if self.expect_silence else self.expect_status
        if self.expect_status is not None or self.expect_silence:
            bench.same("answer", wanted, answer.get("status"), told=_told(answer))
        return _told(answer)


async def _refusable(bench: Bench, step: Any, verb: str, **arguments: Any) -> str | None:
    """An order that may be refused, where the step says with what."""
    if step.expect_status is None:
        bench.answered(step.as_, await bench.ues[step.ue].order(verb, **arguments))
        return None
    answer = await bench.ues[step.ue].order(verb, allow_refusal=True, **arguments)
    bench.answered(step.as_, answer)
    bench.same("answer", step.expect_status, answer.get("status"), told=_told(answer))
    return _told(answer)


def _told(answer: dict[str, Any]) -> str:
    status = answer.get("status")
    return "no answer" if status is None else f"{status} {answer.get('reason') or ''}".strip()
