"""`testbed conformance` on the terminal: what runs now, and the table at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from testbed.measure.words import Verdict
from testbed.results.table import STYLE
from testbed.scenario.conformance import NOT_RUN, Outcome, RowOutcome

SHORT = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.RIG_ERROR: "!", Verdict.INVALID: "?"}


class Watch:
    """What is told while the runs go on: a bar and the scenarios under way on a terminal, a line each elsewhere."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._begun = console, time.monotonic()
        self._under_way: dict[int, str] = {}
        self._done = 0
        self._total = total
        self._bar = Progress(
            BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, auto_refresh=False
        )
        self._task = self._bar.add_task("", total=total)
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def working(self, worker: int, text: str | None) -> None:
        """What a worker does now; None: it has come to its end."""
        if text is None:
            self._under_way.pop(worker, None)
        else:
            self._under_way[worker] = text
        self._draw()

    def finished(self, run: Outcome) -> None:
        """A run has its verdict."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)
        if self._live is None or run.verdict is not Verdict.PASSED:
            line = Text.assemble(
                (f"{time.monotonic() - self._begun:6.1f} s  {self._done:3}/{self._total}  ", "dim"),
                (f"{run.verdict.value:9} ", STYLE[run.verdict]),
                f"{run.scenario}, {run.how}",
                (f"  {run.reasons[0] if run.reasons else run.figure}", "dim"),
            )
            self._console.print(line, soft_wrap=True)
        self._draw()

    def _draw(self) -> None:
        if self._live:
            now = [Text(f" ▸ {text}", "cyan", no_wrap=True) for text in self._under_way.values()]
            self._live.update(Group(self._bar, *now), refresh=True)


def conformance_table(table: Sequence[RowOutcome]) -> RenderableType:
    """A line or two for each row and scenario; the figure is the first run's, or that of one that failed."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    drawn.add_column("row", justify="right")
    drawn.add_column("what must hold, clause", ratio=3)
    drawn.add_column("scenario, evidence", ratio=5, overflow="fold")
    drawn.add_column("verdict", no_wrap=True)
    drawn.add_column("figure", ratio=2)
    for row in table:
        what = Text.assemble(row.row.what, (f" ({row.row.clause})", "dim"))
        if not row.runs:
            drawn.add_row(str(row.row.number), what, "–", Text(NOT_RUN, "dim"), "")
        for number, (name, runs) in enumerate(row.by_scenario()):
            told = next((run for run in runs if run.verdict is not Verdict.PASSED), runs[0])
            shown = Text.assemble(name, (f"\n{told.folder}", "dim"))
            drawn.add_row(
                *((str(row.row.number), what) if number == 0 else ("", "")), shown, _verdicts(runs), told.figure
            )
        drawn.add_section()
    return drawn


def _verdicts(runs: Sequence[Outcome]) -> Text:
    """`passed` of one or of all, else a sign for each way of running it."""
    if len({run.verdict for run in runs}) == 1:
        verdict = runs[0].verdict
        times = f" ×{len(runs)}" if len(runs) > 1 else ""
        return Text(f"{verdict.value}{times}", STYLE[verdict])
    text = Text()
    for run in runs:
        text.append(f"{SHORT[run.verdict]} {run.transport}{run.ip} ", STYLE[run.verdict])
    return text
