"""`testbed study`: sweeps over many runs, with pictures."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testbed.cli.options import JSON, KERNEL, RIG, RUNS, WORKERS, clock_option, page_option

if TYPE_CHECKING:
    from testbed.cli.batches import Done, How
    from testbed.scenario.study import Measured, Point


class Numbers(click.ParamType):
    """Whole numbers above 0, with commas between them."""

    name = "N,N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(sorted({int(part) for part in str(value).split(",") if part}))
        except ValueError:
            numbers = (0,)
        if numbers and numbers[0] < 1:
            self.fail(f"{value!r} is no list of whole numbers above 0; write 1,2,4", param, ctx)
        return numbers


@click.group()
def study() -> None:
    """Sweeps over many runs, with pictures and the tables behind them."""


@study.command()
@click.option("--identities", type=Numbers(), help="Numbers of identities; 1 to 32 when not given, `` for none.")
@click.option("--round-trips", type=Numbers(), help="Round trips in ms; 10 to 400 when not given, `` for none.")
@KERNEL
@clock_option("simulated")
@click.option("--seed", type=int, metavar="N", default=1, show_default=True)
@WORKERS
@JSON
@page_option("page and pictures")
@RUNS
@RIG
def identities(identities: tuple[int, ...] | None, round_trips: tuple[int, ...] | None, **options: Any) -> None:
    """Interruption by the number of identities, moved one by one or at once, and by the round trip to the core.

    The exit code is 0 when every run passed.
    """
    from testbed.cli.batches import How
    from testbed.cli.run import check_tools
    from testbed.scenario.study import IDENTITIES, ROUND_TRIPS_MS, points

    counts = IDENTITIES if identities is None else identities
    trips = ROUND_TRIPS_MS if round_trips is None else round_trips
    check_tools(options["rig"])
    how = How(*(options[name] for name in ("kernel", "clock", "seed", "runs", "rig", "workers")))
    folder = how.runs / f"study-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    found = _measure([*points(how.seed or 0, counts, trips)], how, folder)
    sys.exit(_tell(found, how, folder, options["page"], options["as_json"]))


def _measure(points: Sequence[Point], how: How, folder: Path) -> list[Measured]:
    """Carry all points out; what came of each."""
    from rich.console import Console

    from testbed.cli.batches import Batches
    from testbed.dashboard.conformance import Watch
    from testbed.scenario.study import groups, measured

    shared = groups(points, folder)
    found: list[Measured] = []
    by_scenario = {id(point.scenario): point for _, each in shared for point in each}
    with Watch(Console(stderr=True), len(points)) as watch:

        def took(done: Done) -> None:
            found.append(measured(by_scenario[id(done.scenario)], done.result, done.folder))
            watch.finished(done.as_outcome())

        asyncio.run(Batches(folder, how, watch.working, took).carry_out([group for group, _ in shared]))
    return found


def _tell(found: Sequence[Measured], how: How, folder: Path, page: Path | None, as_json: bool) -> int:
    """Pictures, page and table; the exit code."""
    from rich.console import Console
    from rich.markdown import Markdown

    from testbed.measure.words import EXIT_CODE, Direction, Verdict
    from testbed.results.plot import draw
    from testbed.scenario import study_page
    from testbed.scenario.study import SWEEPS

    where = page.parent if page else folder
    where.mkdir(parents=True, exist_ok=True)
    for sweep in SWEEPS:
        panels = {way.value: study_page.lines(sweep, found, way) for way in Direction}
        if any(line.at for lines in panels.values() for line in lines):
            draw(where / sweep.name, sweep.title, sweep.axis, panels)
    said = f"Measured in {how.clock} time with seed {how.seed}, by `testbed study identities`."
    text = study_page.page(found, said)
    (page or folder / "study.md").write_text(text, encoding="utf-8")
    record = json.dumps({"clock": how.clock, "seed": how.seed, "points": [one.as_record() for one in found]}, indent=2)
    (folder / "study.json").write_text(record + "\n")
    if as_json:
        click.echo(record)
    console = Console(stderr=as_json)
    console.print(Markdown("\n".join(line for line in text.splitlines() if not line.startswith("!["))))
    console.print(f"pictures: {where}, table: {folder}/study.json", highlight=False)
    worst = [Verdict(one.verdict) for one in found if one.verdict != Verdict.PASSED]
    return EXIT_CODE[worst[0]] if worst else 0
