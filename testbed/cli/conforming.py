"""The work of `testbed conformance`: groups of runs in processes of their own, analysed as they are done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from testbed.cli.conformance import DEFAULT_SEED, Wanted
from testbed.dashboard.conformance import Watch, conformance_table
from testbed.measure.words import Verdict
from testbed.results.analyse import CONTEXT, analyse, read_context
from testbed.results.folder import RunFolder
from testbed.scenario.catalogue import AnyScenario
from testbed.scenario.conformance import (
    NOT_RUN,
    Group,
    Outcome,
    RowOutcome,
    by_row,
    check_rules,
    chosen,
    exit_code,
    groups,
    outcome,
    write_job,
)
from testbed.scenario.conformance_page import page
from testbed.scenario.site import RunOptions
from testbed.topology.load import load, resolve
from testbed.topology.planning import make_plan

JOB, SAID = "job.json", "said.log"


class Conforming:
    """One call of the command."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._started, self._begun = datetime.now(UTC), time.monotonic()
        self._out = Console(stderr=True) if wanted.as_json else Console()
        self._outcomes: list[Outcome] = []
        self._kernel = ""
        self._scenarios = chosen(wanted.rows)
        self._rules = check_rules(wanted.without)
        seed = DEFAULT_SEED if wanted.seed is None and wanted.clock == "simulated" else wanted.seed
        self._groups = groups(self._scenarios, wanted.transports, wanted.families, seed)
        for group in self._groups:
            plan = make_plan(load(resolve(group.topology)))
            for scenario in group.runs:
                scenario.fit(plan)

    def run(self) -> int:
        """Everything; the exit code."""
        folder = self._wanted.runs / f"conformance-{self._started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        folder.mkdir(parents=True)
        total = sum(len(group.runs) for group in self._groups)
        with Watch(Console(stderr=True), total) as watch:
            asyncio.run(self._all(folder, watch))
        table = by_row(self._outcomes, self._scenarios)
        self._write(folder, table)
        return exit_code(self._outcomes)

    async def _all(self, folder: Path, watch: Watch) -> None:
        """Workers that take one group after the other."""
        waiting: list[tuple[int, Group]] = list(enumerate(self._groups))

        async def work(worker: int) -> None:
            while waiting:
                number, group = waiting.pop(0)
                await self._group(folder / f"group-{number}", group, worker, watch)
            watch.working(worker, None)

        await asyncio.gather(*(work(worker) for worker in range(self._workers())))

    def _workers(self) -> int:
        """In real time one: a neighbour would be measured too."""
        if self._wanted.workers is not None:
            return self._wanted.workers
        return (os.cpu_count() or 1) if self._wanted.clock == "simulated" else 1

    async def _group(self, folder: Path, group: Group, worker: int, watch: Watch) -> None:
        """One group: its process, and the analysis of each run as soon as it has left its evidence."""
        wanted = self._wanted
        folder.mkdir()
        folders = [RunFolder.create(wanted.runs, scenario.name) for scenario in group.runs]
        options = RunOptions(rig=f"{wanted.rig}{worker}", without=self._rules)
        write_job(folder / JOB, group, resolve(group.topology).resolve(), folders, options)
        judging: list[asyncio.Task[None]] = []
        watch.working(worker, f"{group.title}: starting")
        async for event in _said_by(self._argv(folder / JOB), folder / SAID):
            if (number := event.get("begins")) is not None:
                watch.working(worker, f"{group.title}: {group.runs[number].name}")
            elif (number := event.get("done")) is not None:
                judging.append(asyncio.create_task(self._judge(group.runs[number], folders[number], watch)))
        await asyncio.gather(*judging)
        for scenario, one in zip(group.runs, folders, strict=True):
            if not (one.path / CONTEXT).is_file():
                self._lost(scenario, one, folder / SAID, watch)

    def _argv(self, job: Path) -> list[str]:
        wanted = self._wanted
        argv = [sys.executable, "-P", "-m", "testbed.cli.main", "conformance", "--batch", str(job.absolute())]
        argv += ["--kernel", wanted.kernel, "--clock", wanted.clock, "--runs", str(wanted.runs.absolute())]
        seed = self._groups[0].runs[0].seed
        return [*argv, *(["--seed", str(seed)] if seed is not None else [])]

    async def _judge(self, scenario: AnyScenario, folder: RunFolder, watch: Watch) -> None:
        result = await asyncio.to_thread(analyse, folder, read_context(folder))
        self._kernel = f"{result.kernel.name} {result.kernel.release}"
        self._took(outcome(scenario, result, folder.path), watch)

    def _lost(self, scenario: AnyScenario, folder: RunFolder, said: Path, watch: Watch) -> None:
        """A run that left nothing: its process broke before it came to it."""
        words = said.read_text(errors="replace").strip().splitlines()
        why = words[-1] if words else "its process said nothing"
        how = (scenario.name, scenario.title, scenario.transport, scenario.ip)
        self._took(Outcome(*how, Verdict.RIG_ERROR, "", (f"it was not carried out: {why}",), str(folder.path)), watch)

    def _took(self, one: Outcome, watch: Watch) -> None:
        self._outcomes.append(one)
        watch.finished(one)

    # What is told at the end

    def _write(self, folder: Path, table: list[RowOutcome]) -> None:
        took_s = time.monotonic() - self._begun
        record = {
            "started": self._started.isoformat(),
            "took_s": round(took_s, 1),
            "kernel": self._kernel,
            "clock": self._wanted.clock,
            "without": sorted(self._rules),
            "rows": [row.as_record() for row in table if row.runs or not self._wanted.rows],
        }
        text = json.dumps(record, indent=2, ensure_ascii=False)
        (folder / "conformance.json").write_text(text + "\n")
        without = ", ".join(sorted(self._rules))
        markdown = page(table, self._kernel, self._wanted.clock, self._started.isoformat(), took_s, without)
        (folder / "conformance.md").write_text(markdown)
        if self._wanted.page is not None:
            self._wanted.page.parent.mkdir(parents=True, exist_ok=True)
            self._wanted.page.write_text(markdown)
        if self._wanted.as_json:
            click.echo(text)
        self._out.print(conformance_table([row for row in table if row.runs or not self._wanted.rows]))
        passed = sum(one.verdict is Verdict.PASSED for one in self._outcomes)
        self._out.print(f"{passed} of {len(self._outcomes)} runs passed in {took_s:.0f} s; {folder}/conformance.json")
        for rule in sorted(self._rules):
            self._say_what_the_rule_was_for(rule, table)

    def _say_what_the_rule_was_for(self, rule: str, table: list[RowOutcome]) -> None:
        row = next(each for each in table if each.row.rule == rule)
        failed = [str(each.row.number) for each in table if each.verdict is Verdict.FAILED]
        told = row.verdict.value if row.verdict else NOT_RUN
        words = f"without `{rule}` row {row.row.number} {told}; rows that failed: {', '.join(failed) or 'none'}"
        self._out.print(words, highlight=False)


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
