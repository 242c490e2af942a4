"""The long form of a scenario: a list of steps, carried out one after the other; checks are steps too.

Everything that can be known before a run is checked when the file is read (names that later steps use were given by
earlier ones) and when it meets its topology (UEs, accesses and P-CSCFs that there are).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, Field

from testbed.errors import UsageError
from testbed.measure.expected import Expectations
from testbed.measure.words import Procedure, TriggerKind
from testbed.scenario.common import Common
from testbed.scenario.language.breaking import Arm, Fade, HandOff
from testbed.scenario.language.step import Step
from testbed.scenario.language.verb import Kind, Names
from testbed.scenario.triggers import refuse_impossible
from testbed.topology.faults import Complaint, KeyPath, dotted, nearest, shown
from testbed.topology.plan import Plan

MOST_STEPS = 500
GIVEN: tuple[Kind, ...] = ("call", "snapshot", "weight", "answer")  # names that steps give
Use = tuple[KeyPath, Names, str]  # where in the file, what it must name, the name


class SteppedScenario(Common):
    """A scenario in steps."""

    steps: list[Step] = Field(min_length=1, max_length=MOST_STEPS, description="What happens, in this order.")

    def expectations(self) -> Expectations:
        """What follows from the steps, and what the file adds."""
        armed = [step.verb for step in self.steps if isinstance(step.verb, Arm)]
        return Expectations(
            call_survives=all(arm.procedure is not Procedure.RELEASE7 for arm in armed),
            max_lost=self.expect.max_lost,
            max_over_floor=self.expect.max_over_floor,
            protected=self.expect.protected,
            max_interruption_ms=self.expect.max_interruption_ms,
            max_lateness_p99_ms=self.expect.max_lateness_p99_ms,
            required_markers=tuple(self.expect.required_markers),
        )

    def complaints(self) -> Iterator[Complaint]:
        """What is wrong with steps, and names that no step before has given."""
        wrong = False
        for number, step in enumerate(self.steps):
            for complaint in step.complaints(("steps", number)):
                wrong = True
                yield complaint
        if wrong:
            return
        known: dict[Kind, list[str]] = {kind: [] for kind in GIVEN}
        for path, names, name in self.uses():
            if names.kind not in known:
                continue
            if names.gives:
                known[names.kind].append(name)
            elif name not in known[names.kind]:
                what = f"there is no {names.kind} `{shown(name)}` before this step"
                yield Complaint(path, what, nearest(name, known[names.kind], "those before it are"))

    def fit(self, plan: Plan) -> None:
        """Raises UsageError when the topology lacks what a step names."""
        super().fit(plan)
        there: dict[str, list[str]] = {
            "ue": list(plan.ues),
            "access": list(plan.accesses),
            "pcscf": [server.name for server in plan.pcscfs()],
            "daemon": list(plan.servers),
            "host": [*plan.ues, *(server.name for server in plan.pcscfs())],
        }
        for path, names, name in self.uses():
            if names.kind in there and name not in there[names.kind]:
                what = f"there is no {names.kind} `{shown(name)}` in topology {plan.topology}"
                mend = nearest(name, there[names.kind], "it has")
                raise UsageError(what, where=f"scenario {self.name}: {dotted(path)}", mend=mend)
        for number, step in enumerate(self.steps):
            where = f"scenario {self.name}: steps[{number}]"
            if isinstance(step.verb, HandOff):
                refuse_impossible(plan.accesses[step.verb.from_], step.verb.trigger, where)
            elif isinstance(step.verb, Fade):
                refuse_impossible(plan.accesses[step.verb.access], TriggerKind.FADE, where)

    def with_options(self, **options: Any) -> Self:
        """With the options of a command line; None is one that was not given.

        Raises UsageError for an option about what happens: that is the steps' to say.
        """
        changes = {name: value for name, value in options.items() if value is not None}
        for name in changes:
            if name not in type(self).model_fields:
                option = f"--{name.removesuffix('_access').replace('_', '-')}"
                mend = f"leave it out, or change a copy of the file: testbed scenario show {self.name}"
                raise UsageError(f"{self.name} is a list of steps, and they say what happens", where=option, mend=mend)
        return self.changed(changes) if changes else self

    def as_data(self) -> dict[str, Any]:
        """As plain data; of the steps what their file says."""
        steps = [step.model_dump(mode="json", by_alias=True, exclude_unset=True) for step in self.steps]
        return super().as_data() | {"steps": steps}

    def uses(self) -> Iterator[Use]:
        """Every name in the steps, in order: those that a step uses before those that it gives."""
        for number, step in enumerate(self.steps):
            found = list(_uses(step.verb, ("steps", number, step.verbs[0])))
            yield from sorted(found, key=lambda use: use[1].gives)


def _uses(model: Any, path: KeyPath) -> Iterator[Use]:
    """The names in the fields of a verb, by the types of its fields."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        below = path if name == "root" else (*path, field.alias or name)
        if isinstance(value, BaseModel):
            yield from _uses(value, below)
            continue
        for marker in _markers(field):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, str):
                    yield below, marker, each


def _markers(field: Any) -> Iterator[Names]:
    """What a field's type says its value names, `list[AccessName] | None` too."""
    yield from (entry for entry in field.metadata if isinstance(entry, Names))
    waiting = [field.annotation]
    while waiting:
        annotation = waiting.pop()
        yield from (entry for entry in getattr(annotation, "__metadata__", ()) if isinstance(entry, Names))
        waiting += getattr(annotation, "__args__", ())
