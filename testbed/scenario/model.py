"""What a scenario is: a trigger, a procedure, and what is expected of them.  A file says it, options change it.

The procedure says what the UE and the core do (C1-062198 clause 2); `profile` is what the core knows, `move` how the
session gets to the new access.  They must fit together, see `complaints`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints

from drivers.protocols import Family
from testbed.errors import UsageError
from testbed.measure.expected import Expectations
from testbed.measure.words import Procedure, TriggerKind
from testbed.topology import files
from testbed.topology.document import Document, parse
from testbed.topology.faults import Complaint, Fault, FileFaults, nearest
from testbed.topology.model import Name, Strict
from testbed.topology.plan import Plan

MOVING, FAR = "ue", "far"  # the two UEs that a topology must have
OPTIONS = "the command line"
LEAST_SILENCE_MS = 40  # two packets: less, and jitter alone would count as silence
LEAST_MEDIA_S = 1.0  # before the trigger and after the handoff: less would not show whether media flows
# How late a UE may notice a black hole, or how early: its silence began with the last packet, up to one packet interval
# (20 ms) before the trigger and moved by the path's jitter; the rest is for the timer of a busy machine.
DETECTION_TOLERANCE_MS = 30.0

Move = Literal["re-invite", "replaces", "redial"]
MOVES: dict[Procedure, tuple[Move, ...]] = {
    Procedure.GLOBAL_REREGISTRATION: ("re-invite",),
    Procedure.REPLACES: ("replaces",),
    Procedure.MAKE_BEFORE_BREAK: ("re-invite", "replaces"),
    Procedure.RELEASE7: ("redial",),
}
# `ealg: null` is YAML for nothing, and the name of an algorithm (RFC 2410): both mean the algorithm.
Encryption = Annotated[
    Literal["null", "aes-cbc"],
    BeforeValidator(lambda value: "null" if value is None else value),
    PlainSerializer(str, return_type=str),
]


class Expect(Strict):
    """What is expected beyond what follows from procedure and trigger; a key that is not given is not judged."""

    max_lost: int | None = Field(default=None, ge=0, description="Packets lost in each direction.")
    max_over_floor: float | None = Field(default=None, ge=1, description="Interruption over floor, in one run.")
    max_interruption_ms: float | None = Field(default=None, ge=0, description="Interruption in each direction.")
    detection_tolerance_ms: float | None = Field(
        default=None, ge=0, description=f"Of a black hole's detection; {DETECTION_TOLERANCE_MS:g} when not given."
    )
    max_lateness_p99_ms: float = Field(default=10.0, gt=0, description="A media sender's; more makes a run invalid.")
    required_markers: list[Name] = Field(default=[], description="Markers that must have been captured.")


class Scenario(Strict):
    """One handoff, scripted."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)] = Field(
        description="A short name, that of its runs."
    )
    title: str = Field(min_length=1, max_length=200, pattern=r"^\P{C}*$", description="What it shows, in a sentence.")
    procedure: Procedure = Field(description="How the session gets to the new access.")
    profile: Literal["seamless", "release7"] = Field(default="seamless", description="What the core knows.")
    move: Move = Field(default="re-invite", description="How the session follows the registration.")
    trigger: TriggerKind = Field(default=TriggerKind.CARRIER_LOSS, description="What happens to the old access.")
    silence_ms: float = Field(
        default=200.0, ge=LEAST_SILENCE_MS, le=60_000, description="Media silence after which a black hole is noticed."
    )
    from_access: Name | None = Field(default=None, alias="from", description="The UE's first access when not given.")
    to_access: Name | None = Field(default=None, alias="to", description="The UE's next access when not given.")
    transport: Literal["udp", "tcp"] = Field(default="udp", description="Of SIP between UE and P-CSCF.")
    ip: Family = Field(default=4, description="IP version of the accesses.")
    alg: Literal["hmac-sha-1-96", "hmac-md5-96"] = Field(default="hmac-sha-1-96", description="ESP integrity.")
    ealg: Encryption = Field(default="null", description="ESP encryption.")
    # The S-CSCF fetches its next authentication vector two to three seconds after a registration.
    settle_s: float = Field(default=3.5, ge=LEAST_MEDIA_S, le=86_400, description="Media before the trigger.")
    tail_s: float = Field(default=2.0, ge=LEAST_MEDIA_S, le=86_400, description="Media after the handoff.")
    handoffs: int = Field(default=1, ge=1, le=100_000, description="So many, back and forth between the two accesses.")
    linger_s: float = Field(
        default=20.0, ge=0.1, le=86_400, description="How long sessions live on a connection without bindings."
    )
    seed: int | None = Field(
        default=None, ge=0, lt=2**32, description="Makes keys, tags and ports repeat; random without."
    )
    expect: Expect = Field(default=Expect(), description="What the run must show.")

    @property
    def make_before_break(self) -> bool:
        """Whether the session is moved before the old access is cut."""
        return self.procedure is Procedure.MAKE_BEFORE_BREAK

    def expectations(self) -> Expectations:
        """What follows from procedure and trigger, and what the file adds."""
        survives = self.procedure is not Procedure.RELEASE7
        notices = self.trigger is TriggerKind.BLACKHOLE and not self.make_before_break
        tolerance = self.expect.detection_tolerance_ms
        max_lost = self.expect.max_lost
        return Expectations(
            call_survives=survives,
            max_lost=0 if self.make_before_break and max_lost is None else max_lost,
            max_over_floor=self.expect.max_over_floor,
            max_interruption_ms=self.expect.max_interruption_ms,
            detection_tolerance_ms=(DETECTION_TOLERANCE_MS if tolerance is None else tolerance) if notices else None,
            max_lateness_p99_ms=self.expect.max_lateness_p99_ms,
            required_markers=tuple(self.expect.required_markers),
        )

    # The topology

    def old_access(self, plan: Plan) -> str:
        """The access that the call begins on.  Raises UsageError when the topology has no such access for the UE."""
        return self._access(plan, self.from_access, "from", but=self.to_access)

    def new_access(self, plan: Plan) -> str:
        """The access that it ends on."""
        return self._access(plan, self.to_access, "to", but=self.old_access(plan))

    def fit(self, plan: Plan) -> None:
        """Raises UsageError when this scenario cannot run on that topology."""
        for name in (MOVING, FAR):
            if name not in plan.ues:
                mend = f"a scenario wants the UEs `{MOVING}`, which moves, and `{FAR}`, whom it talks to"
                raise UsageError(f"there is no UE `{name}`", where=f"topology {plan.topology}", mend=mend)
        self.new_access(plan)

    def _access(self, plan: Plan, wanted: str | None, key: str, but: str | None) -> str:
        there = plan.ues[MOVING].accesses
        if wanted is None:
            wanted = next((access for access in there if access != but), None)
        if wanted is None:
            what = f"UE `{MOVING}` has only the access `{there[0]}`: there is none to hand over to"
            raise UsageError(what, where=f"topology {plan.topology}", mend="give it a second access")
        if wanted not in there:
            mend = nearest(wanted, list(there), f"the accesses of `{MOVING}` are")
            raise UsageError(
                f"{key}: `{wanted}` is no access of UE `{MOVING}`", where=f"scenario {self.name}", mend=mend
            )
        return wanted

    # Changed by options, read and written

    def with_options(self, *, make_before_break: bool | None = None, move: str | None = None, **options: Any) -> Self:
        """This scenario with the options of a command line; None is an option that was not given.

        Options are called like the fields.  Raises UsageError for what does not fit together.
        """
        changes: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        procedure = self.procedure
        if move is not None:
            changes["move"] = move
            if procedure in (Procedure.GLOBAL_REREGISTRATION, Procedure.REPLACES):
                procedure = Procedure.REPLACES if move == "replaces" else Procedure.GLOBAL_REREGISTRATION
        if make_before_break:
            if procedure is Procedure.RELEASE7:
                mend = "leave it out, or run global-reregistration"
                what = "release 7 cannot move a session: its new registration ends the call"
                raise UsageError(what, where="--make-before-break", mend=mend)
            procedure = Procedure.MAKE_BEFORE_BREAK
        data = self.as_data() | {_key(name): value for name, value in changes.items()} | {"procedure": procedure.value}
        try:
            return files.validate(Document(OPTIONS, json.loads(json.dumps(data))), type(self), complaints)
        except FileFaults as wrong:
            raise FileFaults(_of_option(fault) for fault in wrong.faults) from wrong

    def as_data(self) -> dict[str, Any]:
        """As plain data, with the keys of a file."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        data["expect"] = self.expect.model_dump(mode="json", exclude_defaults=True)
        return data

    def to_yaml(self) -> str:
        """As a file that `find` reads again, every key spelt out."""
        from ruamel.yaml import YAML

        stream = io.StringIO()
        writer = YAML()
        writer.width = 1000
        writer.dump(_short(self.as_data()), stream)
        return stream.getvalue()


def loads(text: str, file: str = "scenario") -> Scenario:
    """Read and check a scenario.  Raises UsageError with file, line, column and key of all that is wrong."""
    return files.validate(parse(text, file), Scenario, complaints)


def complaints(scenario: Scenario) -> Iterator[Complaint]:
    """What does not fit together in a scenario whose values are each well formed."""
    procedure, allowed = scenario.procedure, MOVES[scenario.procedure]
    if scenario.move not in allowed:
        mend = f"write move: {' or '.join(allowed)}, or another procedure"
        yield Complaint(("move",), f"{procedure} does not move a session by {scenario.move}", mend, needs=(("move",),))
    wanted = "release7" if procedure is Procedure.RELEASE7 else "seamless"
    if scenario.profile != wanted:
        what = f"{procedure} is not what a core of profile {scenario.profile} does"
        yield Complaint(("profile",), what, f"write profile: {wanted}", needs=(("profile",),))
    if scenario.from_access is not None and scenario.from_access == scenario.to_access:
        yield Complaint(("to",), "is the access that the call begins on", "name another one, or leave it out")


def _key(name: str) -> str:
    return Scenario.model_fields[name].alias or name


def _of_option(fault: Fault) -> Fault:
    option = "--" + fault.key.removesuffix("_access").replace("_", "-")
    return Fault(0, 0, OPTIONS, option, fault.what, fault.mend)


def _short(value: Any) -> Any:
    """Whole numbers without `.0`."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
