"""What a step of a scenario is made of: a verb with its keys, which can say and do what it stands for.

The keys are pydantic fields.  A field whose type bears a :class:`Names` says what its value must be the name of, so
that a misspelt access or call is found before anything is started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, RootModel, StringConstraints

from testbed.topology.model import Name, Strict

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench

Kind = Literal["ue", "access", "pcscf", "daemon", "host", "call", "snapshot", "weight", "answer"]


@dataclass(frozen=True)
class Names:
    """What the value of a field names; `gives` where this step gives the name, and later ones may use it."""

    kind: Kind
    gives: bool = False


Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=30)]
Ue = Annotated[Name, Names("ue")]
AccessName = Annotated[Name, Names("access")]
Pcscf = Annotated[Name, Names("pcscf")]
Daemon = Annotated[Name, Names("daemon")]
NewCall = Annotated[Label, Names("call", gives=True)]
CallName = Annotated[Label, Names("call")]
NewSnapshot = Annotated[Label, Names("snapshot", gives=True)]
Snapshot = Annotated[Label, Names("snapshot")]
NewWeight = Annotated[Label, Names("weight", gives=True)]
Weight = Annotated[Label, Names("weight")]
NewAnswer = Annotated[Label, Names("answer", gives=True)]
AnswerName = Annotated[Label, Names("answer")]
Identity = Annotated[str, StringConstraints(pattern=r"^sip:[A-Za-z0-9._+-]+@[a-z0-9.-]+$")]
Status = Annotated[int, Field(ge=200, le=699)]
Seconds = Annotated[float, Field(ge=0, le=700_000)]


class Verb:
    """What a step may be.  `acts` is whether it changes anything: events are waited for since the last that did."""

    acts: ClassVar[bool] = True

    def said(self) -> str:
        """The step in words, as the live view and the result have it."""
        raise NotImplementedError

    async def do(self, bench: Bench) -> str | None:
        """Carry it out; what came of it, where that is worth a word.

        Raises ProductFailure for what the system under test did wrong, Unexpected for a check that failed.
        """
        raise NotImplementedError


class Keys(Strict, Verb):
    """A verb with keys of its own."""


class Word(RootModel[str], Verb):
    """A verb with a single name behind it: `cut: lte`."""

    model_config = ConfigDict(strict=True, frozen=True)


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments of an order that the step names; the UE knows the others best."""
    return {name: value for name, value in arguments.items() if value is not None}
