"""A step of a scenario: one verb with its keys, and perhaps a name for the figure that its duration is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Discriminator, Field, RootModel, Tag

from testbed.scenario.language import breaking, calling, expecting, following, idling, judging, registering, waiting
from testbed.scenario.language.verb import Verb
from testbed.topology.faults import Complaint, KeyPath
from testbed.topology.model import Strict

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench

SUBJECTS: dict[str, type[expecting.Subject]] = {
    subject.union_tag.removeprefix("expect."): subject
    for subject in (
        expecting.ExpectConnection,
        expecting.ExpectBindings,
        expecting.ExpectRegInfo,
        expecting.ExpectSessions,
        expecting.ExpectLingering,
        expecting.ExpectAssociations,
        expecting.ExpectEvent,
        expecting.ExpectAnswer,
        expecting.ExpectMedia,
        expecting.ExpectUnchanged,
        expecting.ExpectCall,
        idling.ExpectNoGrowth,
        judging.ExpectSip,
        judging.ExpectInterruption,
    )
}


def _subject(value: Any) -> str | None:
    """The key that names what is expected; the nearest one where it is misspelt."""
    if isinstance(value, expecting.Subject):
        return value.union_tag
    if not isinstance(value, Mapping) or not value:
        return None
    found = next((key for key in value if key in SUBJECTS), None)
    close = get_close_matches(str(next(iter(value))), SUBJECTS, n=1, cutoff=0.6)
    name = found or next(iter(close), None)
    return f"expect.{name}" if name else None


AnyOf = (
    Annotated[expecting.ExpectConnection, Tag("expect.connection")]
    | Annotated[expecting.ExpectBindings, Tag("expect.bindings")]
    | Annotated[expecting.ExpectRegInfo, Tag("expect.reg-info")]
    | Annotated[expecting.ExpectSessions, Tag("expect.sessions")]
    | Annotated[expecting.ExpectLingering, Tag("expect.lingering")]
    | Annotated[expecting.ExpectAssociations, Tag("expect.associations")]
    | Annotated[expecting.ExpectEvent, Tag("expect.event")]
    | Annotated[expecting.ExpectAnswer, Tag("expect.answer")]
    | Annotated[expecting.ExpectMedia, Tag("expect.media")]
    | Annotated[expecting.ExpectUnchanged, Tag("expect.unchanged")]
    | Annotated[expecting.ExpectCall, Tag("expect.call")]
    | Annotated[idling.ExpectNoGrowth, Tag("expect.no-growth-since")]
    | Annotated[judging.ExpectSip, Tag("expect.sip")]
    | Annotated[judging.ExpectInterruption, Tag("expect.interruption")]
)
BY_SUBJECT = Discriminator(
    _subject,
    custom_error_type="no_subject",
    custom_error_message="says not what is expected",
    custom_error_context={"mend": f"begin it with one of {', '.join(SUBJECTS)}"},
)


class Expectation(RootModel[Annotated[AnyOf, BY_SUBJECT]], Verb):
    """What is expected."""

    model_config = ConfigDict(strict=True, frozen=True)
    acts: ClassVar[bool] = False

    def said(self) -> str:
        return self.root.said()

    async def do(self, bench: Bench) -> str | None:
        return await self.root.do(bench)


class Step(Strict):
    """One verb.  `figure` names the time that the step takes, for the table of `testbed conformance`."""

    figure: str | None = Field(default=None, min_length=1, max_length=40, description="What its duration is called.")
    attach: registering.Attach | None = None
    register_: registering.Register | None = Field(default=None, alias="register")
    add_identity: registering.AddIdentity | None = Field(default=None, alias="add-identity")
    remove_contact: registering.RemoveContact | None = Field(default=None, alias="remove-contact")
    refresh: registering.Refresh | None = None
    deregister: registering.Deregister | None = None
    subscribe: registering.Subscribe | None = None
    request: registering.MakeRequest | None = None
    call: calling.Call | None = None
    dial: calling.Dial | None = None
    answering: calling.Answering | None = None
    answer: calling.Answer | None = None
    cancel: calling.Cancel | None = None
    hold: calling.Hold | None = None
    resume: calling.Resume | None = None
    move: calling.Move | None = None
    hang_up: calling.HangUp | None = Field(default=None, alias="hang-up")
    arm: breaking.Arm | None = None
    handoff: breaking.HandOff | None = None
    finish: breaking.Finish | None = None
    cut: breaking.Cut | None = None
    restore: breaking.Restore | None = None
    blackhole: breaking.Blackhole | None = None
    fade: breaking.Fade | None = None
    roam: breaking.Roam | None = None
    follow: following.Follow | None = None
    unfollow: following.Unfollow | None = None
    clear: breaking.Clear | None = None
    core: breaking.CoreStep | None = None
    wait: waiting.Wait | None = None
    idle: idling.Idle | None = None
    remember: waiting.Remember | None = None
    weigh: idling.Weigh | None = None
    expect: Expectation | None = None

    @property
    def verbs(self) -> list[str]:
        """The verbs that stand here, as a file has them; one, in a step that is right."""
        fields = type(self).model_fields
        return [fields[name].alias or name for name in fields if name in self.model_fields_set and name != "figure"]

    @property
    def verb(self) -> Verb:
        """What is to be done."""
        fields = type(self).model_fields
        return next(getattr(self, name) for name in fields if name != "figure" and getattr(self, name) is not None)

    def complaints(self, path: KeyPath) -> Iterator[Complaint]:
        """What is wrong with a step whose keys are each well formed."""
        verbs = self.verbs
        if not verbs:
            mend = "write one of " + ", ".join(name for name in VERBS)
            yield Complaint(path, "has no verb", mend)
        elif len(verbs) > 1:
            mend = "make a step of each"
            yield Complaint(path, f"has {len(verbs)} verbs: {', '.join(verbs)}", mend)
        elif self.model_dump(by_alias=True)[verbs[0]] is None:
            yield Complaint((*path, verbs[0]), "has no value", f"say what to {verbs[0]}")


VERBS = tuple(field.alias or name for name, field in Step.model_fields.items() if name != "figure")
