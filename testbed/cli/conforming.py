"""The work of `testbed conformance`: what is to be run, what came of it, and where that is written."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from testbed.cli.batches import Batches, Done, How
from testbed.cli.conformance import DEFAULT_SEED, Wanted
from testbed.cli.repeats import ends_like_ctrl_c
from testbed.dashboard.conformance import Watch, conformance_table
from testbed.measure.words import Verdict
from testbed.scenario.conformance import (
    NOT_RUN,
    Outcome,
    RowOutcome,
    by_row,
    check_rules,
    chosen,
    exit_code,
    groups,
)
from testbed.scenario.conformance_page import page
from testbed.topology.load import load, resolve
from testbed.topology.planning import make_plan


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
        self._how = How(wanted.kernel, wanted.clock, seed, wanted.runs, wanted.rig, wanted.workers, self._rules)
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
        code, ended_by = 0, list[int]()
        with Watch(Console(stderr=True), total) as watch, ends_like_ctrl_c(ended_by):
            batches = Batches(folder, self._how, watch.working, partial(self._done, watch))
            try:
                asyncio.run(batches.carry_out(self._groups))
            except KeyboardInterrupt:
                code = 128 + (ended_by[0] if ended_by else signal.SIGINT)
                click.echo("interrupted: the rigs are undone; what had been run by then is told below", err=True)
        self._write(folder, by_row(self._outcomes, self._scenarios))
        return code or exit_code(self._outcomes)

    def _done(self, watch: Watch, done: Done) -> None:
        if done.result is not None:
            self._kernel = f"{done.result.kernel.name} {done.result.kernel.release}"
        one = done.as_outcome()
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
