"""`testbed conformance`: all of the proposal, row by row."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testbed.cli.options import JSON, KERNEL, RIG, RUNS, WORKERS, clock_option, page_option

if TYPE_CHECKING:
    from testbed.rig.kernel.uml import Clock

DEFAULT_SEED = 1


@dataclass(frozen=True)
class Wanted:
    """The command line."""

    rows: tuple[int, ...]
    transports: tuple[str, ...]
    families: tuple[int, ...]
    kernel: str
    clock: Clock
    without: tuple[str, ...]
    runs: Path
    rig: str
    seed: int | None
    workers: int | None
    as_json: bool
    page: Path | None


@click.command()
@click.option("--row", "rows", type=click.IntRange(1, 13), multiple=True, metavar="N", help="Only the scenarios of it.")
@click.option("--transport", type=click.Choice(["udp", "tcp"]), help="Of SIP; both when not given.")
@click.option("--ip", type=click.Choice(["4", "6"]), help="IP version; both when not given.")
@KERNEL
@clock_option("real")
@click.option("--without", metavar="RULE", multiple=True, help="Leave a rule of the core out: its row must fail.")
@click.option("--seed", type=int, metavar="N", help="Makes runs repeat; 1 in simulated time when not given.")
@WORKERS
@JSON
@page_option("a Markdown page")
@RUNS
@RIG
@click.option("--batch", type=click.Path(path_type=Path, exists=True), hidden=True, help="Carry out one group.")
def conformance(transport: str | None, ip: str | None, batch: Path | None, **options: Any) -> None:
    """Run every scenario that shows a row of the proposal's table (C1-062198), and say what came of each row.

    Without --transport and --ip each is run over UDP and TCP, over IPv4 and IPv6.  In simulated time guests run side
    by side, as many as there are processors.

    The exit code is that of the worst run: 3 rig-error, 4 invalid, 1 failed, 0 passed.
    """
    transports = (transport,) if transport else ("udp", "tcp")
    wanted = Wanted(transports=transports, families=(int(ip),) if ip else (4, 6), **options)
    from testbed.cli.run import check_tools

    if batch is not None:
        sys.exit(_carry_out(batch, wanted))
    check_tools(wanted.rig)
    from testbed.cli.conforming import Conforming

    sys.exit(Conforming(wanted).run())


def _carry_out(job: Path, wanted: Wanted) -> int:
    """One group of runs, in a guest where it must be; what is done is told on standard output, a JSON object a line."""
    from testbed.cli.run import needs_guest

    if needs_guest(wanted.kernel, wanted.clock):
        from testbed.rig.kernel.choose import repeat_in_guest

        return repeat_in_guest([wanted.runs.absolute()], clock=wanted.clock, seed=wanted.seed)

    from functools import partial

    from rich.console import Console

    from testbed.dashboard.live import PlainView
    from testbed.rig.kernel.wall import wall_s
    from testbed.scenario.batch import Batch
    from testbed.scenario.conformance import read_job

    topology, runs, options = read_job(job)

    def say(event: str, number: int) -> None:
        click.echo(json.dumps({event: number}))
        sys.stdout.flush()

    def begins(number: int) -> None:
        say("begins", number)

    def done(number: int) -> None:
        say("done", number)

    wall = partial(wall_s, job.parent) if wanted.clock == "simulated" else None
    with PlainView(Console(stderr=True), f"{len(runs)} runs on {topology.stem}", wall=wall) as view:
        Batch(topology, runs, options, job.parent, view.told, begins, done).carry_out()
    return 0
