"""What is shown while an attenuator is moved step by step: a bar on a terminal, a line for each step elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import click

from drivers.rf.player import Played, Step

BLOCKS = "▁▂▃▄▅▆▇█"
LINE = 60  # marks on a line


class View:
    """Each step is told in the thread that plays, between two steps: what is done there must be quick."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to undo."""

    def step(self, step: Played) -> None:
        raise NotImplementedError


class Quiet(View):
    """For a script, which gets everything at the end."""

    def step(self, step: Played) -> None:
        pass


class Lines(View):
    """For a file or a pipe."""

    def step(self, step: Played) -> None:
        late_ms, took_ms = step.late_s * 1000, step.took_s * 1000
        click.echo(f"{step.at_s:8.3f} s  {step.db:6.2f} dB  {late_ms:6.1f} ms late  took {took_ms:.1f} ms")


class Screen(View):
    """For people: a bar that rich draws ten times a second, whatever the rate of the steps; marks at the end."""

    def __init__(self, plan: Sequence[Step], name: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn()
        )
        self._until_s = max(plan[-1].at_s, 1e-9)
        self._task = self._bar.add_task(name, total=self._until_s, at="")
        self._late_ms: list[float] = []

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        for line in marks(self._late_ms):
            click.echo(line)

    def step(self, step: Played) -> None:
        self._late_ms.append(step.late_s * 1000)
        self._bar.update(self._task, completed=step.at_s or self._until_s * 1e-6, at=f"{step.db:6.2f} dB")


def marks(late_ms: Sequence[float]) -> list[str]:
    """How late each step was: a mark for each, the highest being the latest."""
    if not late_ms:
        return []
    top = max(*late_ms, 1.0)
    all_of_them = "".join(BLOCKS[min(max(int(each / top * 8), 0), 7)] for each in late_ms)
    rows = [all_of_them[at : at + LINE] for at in range(0, len(all_of_them), LINE)]
    return [*rows, f"a mark for each step; {BLOCKS[-1]} is {top:.1f} ms late"]
