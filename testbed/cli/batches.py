"""Groups of runs, each in a process of its own, side by side where that is sound, and analysed as they are done.

Each process is `testbed conformance --batch JOB`: it brings one rig and one core up for all runs of its group, in a
guest where it must be.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.measure.words import Verdict
from testbed.results.analyse import CONTEXT, analyse, read_context
from testbed.results.folder import RunFolder
from testbed.results.model import Result
from testbed.scenario.catalogue import AnyScenario
from testbed.scenario.conformance import Group, Outcome, outcome, write_job
from testbed.scenario.site import RunOptions
from testbed.topology.load import resolve

if TYPE_CHECKING:
    from testbed.rig.kernel.uml import Clock

JOB, SAID = "job.json", "said.log"


@dataclass(frozen=True)
class How:
    """On what all runs are carried out."""

    kernel: str
    clock: Clock
    seed: int | None
    runs: Path  # where their folders go
    rig: str
    workers: int | None = None
    without: frozenset[str] = frozenset()

    def worker_count(self) -> int:
        """In real time one: a neighbour would be measured too."""
        if self.workers is not None:
            return self.workers
        return (os.cpu_count() or 1) if self.clock == "simulated" else 1


@dataclass(frozen=True)
class Done:
    """A run that has ended; `result` is None where its process broke before it left anything, `why` says it then."""

    scenario: AnyScenario
    folder: Path
    result: Result | None
    why: str = ""

    def as_outcome(self) -> Outcome:
        """What it comes to in a table; one that left nothing is the bench's fault."""
        if self.result is not None:
            return outcome(self.scenario, self.result, self.folder)
        one, reasons = self.scenario, (f"it was not carried out: {self.why}",)
        return Outcome(one.name, one.title, one.transport, one.ip, Verdict.RIG_ERROR, "", reasons, str(self.folder))


class Batches:
    """`working` hears what each worker does (None: it has come to its end), `took` of each run that has ended."""

    def __init__(
        self, folder: Path, how: How, working: Callable[[int, str | None], None], took: Callable[[Done], None]
    ) -> None:
        self._folder, self._how, self._working, self._took = folder, how, working, took

    async def carry_out(self, groups: Sequence[Group]) -> None:
        """Workers that take one group after the other."""
        waiting = list(enumerate(groups))

        async def work(worker: int) -> None:
            while waiting:
                number, group = waiting.pop(0)
                await self._group(self._folder / f"group-{number}", group, worker)
            self._working(worker, None)

        await asyncio.gather(*(work(worker) for worker in range(self._how.worker_count())))

    async def _group(self, folder: Path, group: Group, worker: int) -> None:
        """One group: its process, and the analysis of each run as soon as it has left its evidence."""
        folder.mkdir()
        folders = [RunFolder.create(self._how.runs, scenario.name) for scenario in group.runs]
        options = RunOptions(rig=f"{self._how.rig}{worker}", without=self._how.without)
        write_job(folder / JOB, group, resolve(group.topology).resolve(), folders, options)
        judging: list[asyncio.Task[None]] = []
        self._working(worker, f"{group.title}: starting")
        async for event in _said_by(self._argv(folder / JOB), folder / SAID):
            if (number := event.get("begins")) is not None:
                self._working(worker, f"{group.title}: {group.runs[number].name}")
            elif (number := event.get("done")) is not None:
                judging.append(asyncio.create_task(self._judge(group.runs[number], folders[number])))
        await asyncio.gather(*judging)
        for scenario, one in zip(group.runs, folders, strict=True):
            if not (one.path / CONTEXT).is_file():
                self._took(Done(scenario, one.path, None, _last_words(folder / SAID)))

    def _argv(self, job: Path) -> list[str]:
        how = self._how
        argv = [sys.executable, "-P", "-m", "testbed.cli.main", "conformance", "--batch", str(job.absolute())]
        argv += ["--kernel", how.kernel, "--clock", how.clock, "--runs", str(how.runs.absolute())]
        return [*argv, *(["--seed", str(how.seed)] if how.seed is not None else [])]

    async def _judge(self, scenario: AnyScenario, folder: RunFolder) -> None:
        result = await asyncio.to_thread(analyse, folder, read_context(folder))
        self._took(Done(scenario, folder.path, result))


def _last_words(said: Path) -> str:
    words = said.read_text(errors="replace").strip().splitlines()
    return words[-1] if words else "its process said nothing"


async def _said_by(argv: Sequence[str], log: Path) -> AsyncIterator[dict[str, int]]:
    """What a process says, a JSON object a line; what it says on standard error goes to `log`.  It ends with us."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            with contextlib.suppress(ValueError):  # a guest's kernel may put in a word
                yield json.loads(line)
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
