"""The short form of a scenario: one trigger, one procedure, and what is expected of them.

The procedure says what the UE and the core do (C1-062198 clause 2); `profile` is what the core knows, `move` how the
session gets to the new access.  They must fit together, see `complaints`.  A scenario of any other shape is a list of
steps (:mod:`testbed.scenario.stepped`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field

from testbed.errors import UsageError
from testbed.measure.expected import Expectations
from testbed.measure.words import Procedure, TriggerKind
from testbed.scenario.common import FAR, MOVING, Common
from testbed.scenario.triggers import refuse_impossible
from testbed.topology import files
from testbed.topology.document import parse
from testbed.topology.faults import Complaint, nearest
from testbed.topology.model import Name
from testbed.topology.plan import Plan

__all__ = ["FAR", "MOVING", "Scenario", "loads"]

LEAST_SILENCE_MS = 40  # two packets: less, and jitter alone would count as silence
LEAST_MEDIA_S = 1.0  # before the trigger and after the handoff: less would not show whether media flows
# How late a UE may notice a black hole, or how early: its silence began with the last packet, up to one packet interval
# (20 ms) before the trigger and moved by the path's jitter; the rest is for the timer of a busy machine.
DETECTION_TOLERANCE_MS = 30.0

Move = Literal["re-invite", "replaces", "redial"]
MOVES: dict[Procedure, tuple[Move, ...]] = {
    Procedure.GLOBAL_REREGISTRATION: ("re-invite",),
    Procedure.EXPLICIT_REREGISTRATION: ("re-invite",),
    Procedure.REPLACES: ("replaces",),
    Procedure.MAKE_BEFORE_BREAK: ("re-invite", "replaces"),
    Procedure.RELEASE7: ("redial",),
}


class Scenario(Common):
    """One handoff (or the same one back and forth), scripted."""

    procedure: Procedure = Field(description="How the session gets to the new access.")
    move: Move = Field(default="re-invite", description="How the session follows the registration.")
    trigger: TriggerKind = Field(default=TriggerKind.CARRIER_LOSS, description="What happens to the old access.")
    silence_ms: float = Field(
        default=200.0, ge=LEAST_SILENCE_MS, le=60_000, description="Media silence after which a black hole is noticed."
    )
    from_access: Name | None = Field(default=None, alias="from", description="The UE's first access when not given.")
    to_access: Name | None = Field(default=None, alias="to", description="The UE's next access when not given.")
    # The S-CSCF fetches its next authentication vector two to three seconds after a registration.
    settle_s: float = Field(default=3.5, ge=LEAST_MEDIA_S, le=86_400, description="Media before the trigger.")
    tail_s: float = Field(default=2.0, ge=LEAST_MEDIA_S, le=86_400, description="Media after the handoff.")
    handoffs: int = Field(default=1, ge=1, le=100_000, description="So many, back and forth between the two accesses.")

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
            protected=self.expect.protected,
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
        super().fit(plan)
        self.new_access(plan)
        refuse_impossible(plan.accesses[self.old_access(plan)], self.trigger, f"scenario {self.name}: trigger")

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
        return self.changed(changes | {"procedure": procedure.value})

    def complaints(self) -> Iterator[Complaint]:
        """What does not fit together."""
        procedure, allowed = self.procedure, MOVES[self.procedure]
        if self.move not in allowed:
            mend = f"write move: {' or '.join(allowed)}, or another procedure"
            yield Complaint(("move",), f"{procedure} does not move a session by {self.move}", mend, needs=(("move",),))
        wanted = ("release7", "plain") if procedure is Procedure.RELEASE7 else ("seamless",)
        if self.profile not in wanted:
            what = f"{procedure} is not what a core of profile {self.profile} does"
            yield Complaint(("profile",), what, f"write profile: {wanted[0]}", needs=(("profile",),))
        if self.from_access is not None and self.from_access == self.to_access:
            yield Complaint(("to",), "is the access that the call begins on", "name another one, or leave it out")


def loads(text: str, file: str = "scenario") -> Scenario:
    """Read and check a scenario.  Raises UsageError with file, line, column and key of all that is wrong."""
    return files.validate(parse(text, file), Scenario, Scenario.complaints)
