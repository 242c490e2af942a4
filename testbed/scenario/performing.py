"""The steps of a scenario, carried out in order: each told, marked in the capture, and kept with what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from testbed.errors import ProductFailure
from testbed.results.context import StepRecord
from testbed.scenario.bench import Bench, Unexpected
from testbed.scenario.language.step import Step
from testbed.scenario.language.waiting import Remember
from testbed.scenario.levers import Markers
from testbed.scenario.progress import Progress, Told

STAGE = "step"


class Performance:
    """`records` is what is known of every step, those that were never reached too."""

    def __init__(self, steps: Sequence[Step], bench: Bench, markers: Markers, told: Told) -> None:
        self._steps, self._bench, self._markers, self._told = steps, bench, markers, told
        self.records = [
            StepRecord(number, step.verbs[0], step.verb.said(), figure=step.figure)
            for number, step in enumerate(steps, 1)
        ]

    async def run(self) -> None:
        """All of them.  A check that fails is kept, and the next step follows; what else fails ends the scenario."""
        for step, record in zip(self._steps, self.records, strict=True):
            await self._step(step, record)

    @property
    def failures(self) -> list[str]:
        """What was not as expected, a sentence each."""
        return [f"step {record.number}: {record.fault}" for record in self.records if record.fault]

    async def _step(self, step: Step, record: StepRecord) -> None:
        verb, begun = step.verb, time.monotonic()
        if verb.acts:
            self._bench.acting()
        self._told(Progress(STAGE, "begun", record.text))
        self._mark(record, "begun", verb.root if isinstance(verb, Remember) else None)
        try:
            record.found = await verb.do(self._bench) or ""
            record.state = "passed"
        except Unexpected as failed:
            record.state, record.fault = "failed", failed.what
        except ProductFailure as failed:
            record.state, record.fault = "failed", str(failed)
            raise
        except BaseException as broken:
            record.state, record.fault = "failed", str(broken) or type(broken).__name__
            raise
        finally:
            record.checks, self._bench.checks = tuple(self._bench.checks), []
            self._mark(record, record.state)
            took = time.monotonic() - begun
            if record.state == "passed":
                self._told(Progress(STAGE, "done", record.text, took))
            else:
                self._told(Progress(STAGE, "failed", record.fault, took))

    def _mark(self, record: StepRecord, state: str, name: str | None = None) -> None:
        named = {"name": name} if name else {}
        self._markers.mark("step", number=record.number, verb=record.verb, text=record.text, state=state, **named)
