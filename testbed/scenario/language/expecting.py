"""`expect`: what must be so, or become so in time, at the UE and in the core.  A subject for each thing to look at.

Each says what it wants and finds out what is there; a subject that is about packets is judged when the captures are
read (:mod:`testbed.scenario.language.judging`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from testbed.scenario.common import MOVING
from testbed.scenario.language.verb import (
    AccessName,
    AnswerName,
    CallName,
    Keys,
    Label,
    Name,
    Names,
    Seconds,
    Snapshot,
    Ue,
)

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench

SOON_S = 5.0
EVERY = "every"  # identity of the UE


class Subject(Keys):
    """Something that may be expected, known by a key of its own: `union_tag` less `expect.`."""

    acts: ClassVar[bool] = False
    union_tag: ClassVar[str]
    within_s: Seconds = Field(default=SOON_S, description="For how long it may take to become so.")

    async def found(self, bench: Bench) -> str | None:
        """None when it is as expected; otherwise what is there."""
        raise NotImplementedError

    async def do(self, bench: Bench) -> str | None:
        await bench.eventually(self.said(), lambda: self.found(bench), self.within_s)
        return None


class ExpectConnection(Subject):
    """The state of an IMS connection, as its UE has it and as the S-CSCF has it."""

    union_tag: ClassVar[str] = "expect.connection"
    connection: AccessName
    state: Literal["active", "inactive", "ended"]
    ue: Ue = MOVING
    seen_by: Literal["both", "ue", "s-cscf"] = "both"

    def said(self) -> str:
        return f"the connection over {self.connection} is {self.state}"

    async def found(self, bench: Bench) -> str | None:
        there = {}
        if self.seen_by != "s-cscf":
            there["UE"] = await bench.look.connection_at_ue(self.ue, self.connection)
        if self.seen_by != "ue":
            there["S-CSCF"] = await bench.look.connection_at_scscf(self.connection)
        wrong = {who: state for who, state in there.items() if state != self.state}
        return " and ".join(f"{state} at the {who}" for who, state in wrong.items()) or None


class ExpectBindings(Subject):
    """Over which accesses an identity is bound at the S-CSCF, and no others."""

    union_tag: ClassVar[str] = "expect.bindings"
    bindings: str = Field(pattern=r"^(every|sip:\S+)$", description="An identity, or `every` one of the UE.")
    at: list[AccessName]
    through: list[Annotated[Name, Names("pcscf")]] | None = Field(default=None, description="The P-CSCFs of the Paths.")
    gruu: bool | None = Field(default=None, description="Whether each has a pub-GRUU.")
    ue: Ue = MOVING

    def said(self) -> str:
        where = " and ".join(self.at) or "nowhere"
        through = f" through {' and '.join(self.through)}" if self.through else ""
        return f"{_identities(self.bindings)} bound to {where}{through} at the S-CSCF"

    async def found(self, bench: Bench) -> str | None:
        there = await bench.look.bindings()
        for impu in bench.identities(self.ue) if self.bindings == EVERY else [self.bindings]:
            bound = there.get(impu, [])
            at = sorted(each.access for each in bound)
            if at != sorted(self.at):
                return f"{impu} is at {', '.join(at) or 'nothing'}"
            through = sorted(each.pcscf for each in bound)
            if self.through is not None and through != sorted(self.through):
                return f"{impu} is reached through {', '.join(through)}"
            if self.gruu is not None and any((each.pub_gruu is not None) != self.gruu for each in bound):
                return f"{impu} has {'no' if self.gruu else 'a'} pub-GRUU"
        return None


class ExpectRegInfo(Subject):
    """Where the UE knows an identity to be registered, from the NOTIFYs that it got (RFC 3680)."""

    union_tag: ClassVar[str] = "expect.reg-info"
    reg_info: str = Field(alias="reg-info", pattern=r"^(every|sip:\S+)$")
    at: list[AccessName]
    gruu: bool | None = None
    ue: Ue = MOVING

    def said(self) -> str:
        return f"{self.ue} has been told that {_identities(self.reg_info)} at {' and '.join(self.at) or 'nothing'}"

    async def found(self, bench: Bench) -> str | None:
        there = await bench.look.reg_info(self.ue)
        for impu in bench.identities(self.ue) if self.reg_info == EVERY else [self.reg_info]:
            contacts = [each for each in there.get(impu, []) if each.get("state") == "active"]
            at = sorted(bench.look.access_of(each["uri"]) for each in contacts)
            if at != sorted(self.at):
                return f"it was told that {impu} is at {', '.join(at) or 'nothing'}"
            if self.gruu is not None and any(bool(each.get("pub_gruu")) != self.gruu for each in contacts):
                return f"it was told of {'no' if self.gruu else 'a'} GRUU of {impu}"
        return None


class ExpectSessions(Subject):
    """How many sessions a UE has, or the S-CSCF keeps."""

    union_tag: ClassVar[str] = "expect.sessions"
    sessions: int = Field(ge=0)
    at: Annotated[str, Field(pattern=r"^(s-cscf|[a-z][a-z0-9-]*)$")] = MOVING
    over: AccessName | None = None
    state: Literal["early", "up", "held", "ended"] | None = None

    def said(self) -> str:
        over = f" over {self.over}" if self.over else ""
        state = f" in state {self.state}" if self.state else ""
        return f"{self.at} has {self.sessions} session{'' if self.sessions == 1 else 's'}{over}{state}"

    async def found(self, bench: Bench) -> str | None:
        if self.at == "s-cscf":
            count = len((await bench.look.scscf()).sessions)
            return None if count == self.sessions else f"it keeps {count}"
        live = [each for each in await bench.look.sessions(self.at) if self._counts(each)]
        return None if len(live) == self.sessions else f"it has {len(live)}{_named(live)}"

    def _counts(self, session: Mapping[str, Any]) -> bool:
        ended = session.get("ended") or session.get("state") == "ended"
        if self.state is None and ended:
            return False
        if self.state is not None and session.get("state") != self.state:
            return False
        return self.over is None or session.get("over") == self.over


class ExpectLingering(Subject):
    """How many sessions live on connections that have lost their bindings, for as long as the linger timer runs."""

    union_tag: ClassVar[str] = "expect.lingering"
    lingering: int = Field(ge=0)

    def said(self) -> str:
        return f"{self.lingering} sessions linger at the S-CSCF"

    async def found(self, bench: Bench) -> str | None:
        there = (await bench.look.scscf()).lingering
        return None if len(there) == self.lingering else f"{len(there)} do"


class ExpectAssociations(Subject):
    """How many security associations a UE or a P-CSCF has: four for each IMS connection (TS 33.203 7.1)."""

    union_tag: ClassVar[str] = "expect.associations"
    associations: Annotated[Name, Names("host")] = Field(description="A UE or a P-CSCF.")
    count: int = Field(ge=0)
    over: AccessName | None = Field(default=None, description="Only those with the UE's address on this access.")

    def said(self) -> str:
        over = f" over {self.over}" if self.over else ""
        return f"{self.associations} has {self.count} security associations{over}"

    async def found(self, bench: Bench) -> str | None:
        count = await bench.look.associations(self.associations, self.over)
        return None if count == self.count else f"it has {count}"


class ExpectEvent(Subject):
    """Something that a UE says by itself, since the last step that did anything."""

    union_tag: ClassVar[str] = "expect.event"
    event: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    ue: Ue = MOVING
    has: dict[str, str | int | float | bool | None] = Field(default={}, description="What the event must bear.")

    def said(self) -> str:
        bears = "".join(f", {key} {value}" for key, value in self.has.items())
        return f"{self.ue} says {self.event}{bears}"

    async def found(self, bench: Bench) -> str | None:
        said = [event for event in bench.events_since_last_act() if event.get("ue") == self.ue]
        for event in said:
            if event["event"] == self.event and all(event.get(key) == value for key, value in self.has.items()):
                return None
        names = dict.fromkeys(event["event"] for event in said)
        return f"it said {', '.join(names) or 'nothing'}"


class ExpectAnswer(Subject):
    """What a request made before was answered with."""

    union_tag: ClassVar[str] = "expect.answer"
    answer: AnswerName
    status: int | None = Field(default=None, ge=100, le=699)
    headers: dict[str, str] = Field(default={}, description="Headers that it must bear, each with a part of its value.")

    def said(self) -> str:
        parts = [str(self.status)] if self.status else []
        parts += [f"{name}: {value}" for name, value in self.headers.items()]
        return f"the answer `{self.answer}` is {', '.join(parts)}"

    async def found(self, bench: Bench) -> str | None:
        there = bench.answer(self.answer)
        if self.status is not None and there.get("status") != self.status:
            return f"it is {there.get('status') or 'none'} {there.get('reason') or ''}".rstrip()
        headers = {name.lower(): value for name, value in (there.get("headers") or {}).items()}
        for name, part in self.headers.items():
            value = headers.get(name.lower())
            text = ", ".join(value) if isinstance(value, list) else value
            if text is None or part not in text:
                return f"its {name} is {text or 'missing'}"
        return None


class ExpectMedia(Subject):
    """Whether media flows now: what arrives at each end in a fifth of a second."""

    union_tag: ClassVar[str] = "expect.media"
    media: Literal["both-ways", "uplink", "downlink", "none", "echoed"] = Field(
        description="Echoed: back to the UE, from a peer that has no process of ours."
    )
    far: Ue = "far"
    ue: Ue = MOVING

    def said(self) -> str:
        ways = {"both-ways": "media flows both ways", "none": "no media flows", "echoed": "media comes back"}
        return ways.get(self.media, f"media flows in {self.media} only")

    async def found(self, bench: Bench) -> str | None:
        flows = await bench.look.media(self.ue, self.far)
        if self.media == "echoed":
            return None if flows[1] else "nothing comes back"
        wanted = {"both-ways": (True, True), "uplink": (True, False), "downlink": (False, True), "none": (False, False)}
        if flows == wanted[self.media]:
            return None
        names = [name for name, there in zip(("uplink", "downlink"), flows, strict=True) if there]
        return f"it flows in {' and '.join(names) or 'no direction'}"


class ExpectUnchanged(Subject):
    """Everything is as it was when it was remembered: bindings, connections, sessions, associations, everywhere."""

    union_tag: ClassVar[str] = "expect.unchanged"
    unchanged: Snapshot
    but: list[Label] = Field(default=[], description="Parts that may differ.")

    def said(self) -> str:
        return f"nothing has changed since `{self.unchanged}`"

    async def found(self, bench: Bench) -> str | None:
        before, now = bench.snapshots[self.unchanged], await bench.look_around()
        changed = [part for part in before if part not in self.but and before[part] != now.get(part)]
        return "; ".join(f"{part} was {before[part]}, and is {now.get(part)}" for part in changed) or None


class ExpectCall(Subject):
    """Over which connection a call runs, at one UE."""

    union_tag: ClassVar[str] = "expect.call"
    call: CallName
    over: AccessName
    ue: Ue = MOVING

    def said(self) -> str:
        return f"{self.call} runs over {self.over} at {self.ue}"

    async def found(self, bench: Bench) -> str | None:
        call_id = await bench.call_id(self.call, self.ue)
        for session in await bench.look.sessions(self.ue):
            if session["call_id"] == call_id:
                return None if session["over"] == self.over else f"it runs over {session['over']}"
        return "there is no such call"


def _identities(word: str) -> str:
    return "every identity is" if word == EVERY else f"{word} is"


def _named(sessions: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"; one over {each.get('over')}, {each.get('state', 'up')}" for each in sessions)
