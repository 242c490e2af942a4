"""The runs of one command: each in a folder of its own, shown while it goes on, summed up at the end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import click
from rich.console import Console, Group, RenderableType
from rich.text import Text

from testbed.dashboard.live import LiveView, PlainView, watch
from testbed.dashboard.strip import media_strips, strip_lines
from testbed.errors import TestbedError
from testbed.measure.words import EXIT_CODE, Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Result
from testbed.results.summary import summarise
from testbed.results.table import result_table, summary_table
from testbed.rig.kernel.choose import current_clock
from testbed.rig.kernel.wall import wall_s
from testbed.scenario.catalogue import AnyScenario
from testbed.scenario.runner import RunOptions, record_scenario, run_scenario
from testbed.scenario.stepped import SteppedScenario

# A bench that fails says nothing of the product, and figures that cannot be trusted not much: they come first.
WORST_FIRST = (Verdict.RIG_ERROR, Verdict.INVALID, Verdict.FAILED, Verdict.PASSED)
ENDED_BY = (signal.SIGTERM, signal.SIGHUP)  # as Ctrl-C: what was made must be undone
STRIP_MARGIN = 9  # columns of a strip's names


class Repeats:
    """Carries out runs and tells of them: on standard error while they go on, on standard output what came of them."""

    def __init__(
        self, scenario: AnyScenario, topology: Path, runs: Path, options: RunOptions, *, as_json: bool = False
    ) -> None:
        self.scenario, self.topology, self.runs, self.options = scenario, topology, runs, options
        self.results: list[Result] = []
        self._as_json = as_json
        self._watching = Console(stderr=True)
        self._out = self._watching if as_json else Console()
        self._folder: RunFolder | None = None

    def record(self, number: int, times: int, folder: RunFolder) -> int:
        """Carry out one run of several into a folder that is there; somebody else analyses it.  The exit code."""

        def one() -> None:
            from testbed.results.analyse import write_context

            self._folder = folder
            with self._watch(number, times) as view:
                work = record_scenario(self.scenario, self.topology, folder, self.options, view.told)
                write_context(folder, asyncio.run(work))

        return self.guarded(one, times, sums_up=False)

    def analyse(self, folder: RunFolder, times: int) -> None:
        """Analyse what has been recorded, and tell of it."""
        from testbed.results.analyse import analyse, read_context

        self._take(analyse(folder, read_context(folder)), folder, times)

    def carry_out(self, times: int) -> int:
        """Run it so often; the exit code.  An error of the project passes through, after what is known is told."""

        def all_of_them() -> None:
            for number in range(1, times + 1):
                self._one(number, times)

        return self.guarded(all_of_them, times)

    def guarded(self, work: Callable[[], None], times: int, *, sums_up: bool = True) -> int:
        """Do the work of some runs; the exit code.  An interruption is told, and what is known is summed up."""
        ended_by: list[int] = []
        with ends_like_ctrl_c(ended_by):
            try:
                work()
                code = self.exit_code()
            except KeyboardInterrupt:
                self._say_interrupted()
                code = 128 + (ended_by[0] if ended_by else signal.SIGINT)
            except TestbedError:
                if self.results and sums_up:
                    self.sum_up(times)
                raise
        if sums_up:
            self.sum_up(times)
        return code

    def exit_code(self) -> int:
        """That of the worst verdict."""
        return exit_code(result.verdict for result in self.results)

    def _one(self, number: int, times: int) -> None:
        folder = self._folder = RunFolder.create(self.runs, self.scenario.name)
        with self._watch(number, times) as view:
            result = asyncio.run(run_scenario(self.scenario, self.topology, folder, self.options, view.told))
        self._take(result, folder, times)

    def _watch(self, number: int, times: int) -> LiveView | PlainView:
        wall = partial(wall_s, self.runs) if current_clock() == "simulated" else None
        return watch(self._watching, self._title(number, times), wall)

    def _take(self, result: Result, folder: RunFolder, times: int) -> None:
        self.results.append(result)
        self._folder = None
        if times == 1:
            self._out.print(Group(*self._strips(folder), result_table(result, folder.path)))
        else:
            self._out.print(f"{folder.path}: {result.verdict.value}", style="bold", highlight=False)

    def _title(self, number: int, times: int) -> str:
        scenario = self.scenario
        counted = f"run {number} of {times}: " if times > 1 else ""
        what = f"{len(scenario.steps)} steps" if isinstance(scenario, SteppedScenario) else scenario.trigger
        how = f"{what}, {scenario.transport}, IPv{scenario.ip}, ESP {scenario.ealg}"
        how += ", simulated time" if current_clock() == "simulated" else ""
        return f"{counted}{scenario.name} on {self.topology.stem}: {how}"

    def _strips(self, folder: RunFolder) -> Iterator[RenderableType]:
        width = max(20, self._out.width - STRIP_MARGIN)
        for strip in media_strips(folder, width):
            yield from (Text(line, no_wrap=True, overflow="crop") for line in strip_lines(strip, strip.label))
            yield Text()

    def _say_interrupted(self) -> None:
        kept = f"; what it had recorded lies in {self._folder.path}" if self._folder is not None else ""
        click.echo(f"interrupted: the rig is undone{kept}", err=True)

    def sum_up(self, times: int) -> None:
        """Tell what came of all runs so far: the JSON object, or a table where there are several."""
        if self._as_json:
            records = [result.model_dump(mode="json", by_alias=True) for result in self.results]
            click.echo(json.dumps({"runs": records, "summary": summarise(self.results)}, indent=2))
        if times > 1 and self.results:
            self._out.print(summary_table(self.results))


def exit_code(verdicts: Iterator[Verdict]) -> int:
    """That of the worst verdict."""
    found = set(verdicts)
    return next((EXIT_CODE[verdict] for verdict in WORST_FIRST if verdict in found), 0)


@contextmanager
def ends_like_ctrl_c(ended_by: list[int]) -> Iterator[None]:
    """SIGTERM and SIGHUP would end Python at once, and leave the rig to `testbed clean`: let them undo it too."""

    def interrupt(number: int, _: FrameType | None) -> None:
        ended_by.append(number)
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in ENDED_BY}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
