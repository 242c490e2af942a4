"""`testbed rf ramp`: an attenuator goes evenly from where it is to where it is wanted, and each step is timed."""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import sys
import threading
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from drivers.errors import DriverError
from drivers.rf import player
from drivers.rf.attenuator import MiniCircuitsAttenuator
from drivers.rf.fade import Ramp
from drivers.rf.player import Played, Step
from testbed.cli.rf_bench import BENCH, JSON, read
from testbed.cli.rf_progress import Lines, Quiet, Screen, View
from testbed.errors import UsageError

LONGEST_S, FASTEST_HZ = 86400.0, 1000.0
INTERRUPTED = 130


@dataclass
class Outcome:
    """What was played, and where the lever is now; None: it does not tell."""

    name: str
    begin_db: float
    plan: list[Step]
    played: list[Played] = field(default_factory=list)
    stopped: bool = False
    error: DriverError | None = None
    end_db: float | None = None

    def as_record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "from_db": self.begin_db,
            "to_db": self.plan[-1].db,
            "at_db": self.end_db,
            "stopped": self.stopped,
            "planned": len(self.plan),
            "left_out": self.left_out,
            "steps": [asdict(step) for step in self.played],
        }

    @property
    def left_out(self) -> int:
        """Steps that were passed over since the lever was not ready for them."""
        due = [step for step in self.plan if self.played and step.at_s <= self.played[-1].at_s]
        return len(due) - len(self.played)


def _positive(limit: float) -> Any:
    def check(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
        if value is not None and not 0 < value <= limit:
            raise UsageError(f"{value:g} is not between 0 and {limit:g}", where=parameter.opts[0])
        return value

    return check


@click.command()
@click.argument("name")
@click.option("--to", "to_db", type=float, required=True, metavar="DB", help="Where it goes, in dB.")
@click.option(
    "--over",
    "over_s",
    type=float,
    required=True,
    metavar="S",
    callback=_positive(LONGEST_S),
    help="In so many seconds.",
)
@click.option(
    "--rate",
    "rate_hz",
    type=float,
    metavar="HZ",
    callback=_positive(FASTEST_HZ),
    help="At most so many steps a second; otherwise the lever's own rate_hz.",
)
@BENCH
@JSON
def ramp(name: str, to_db: float, over_s: float, rate_hz: float | None, bench: Path, as_json: bool) -> None:
    """Have the attenuator NAME go evenly from where it is to DB over S seconds, each step read back.

    At the end stands how late each step was.  Ctrl-C stops it and leaves the lever where it is; the exit code is 130
    then.
    """
    spec = read(bench).named(name)
    if spec.kind != "attenuator":
        raise UsageError(f"a {spec.kind} can only be switched", where=f"lever {name}", mend=f"`testbed rf set {name}`")
    with closing(spec.open()) as lever:
        begin_db, end_db = lever.attenuation_db(), lever.limits.checked(to_db, lever.where)
        fade = Ramp(from_db=begin_db, to_db=end_db, duration_s=over_s)
        outcome = Outcome(name, begin_db, player.steps(fade, lever.limits, rate_hz or spec.rate_hz))
        view: View = Quiet() if as_json else Screen(outcome.plan, name) if sys.stdout.isatty() else Lines()
        with view:
            asyncio.run(_play(outcome, lever, view))
        _look_back(outcome, lever)
    if as_json:
        click.echo(json.dumps(outcome.as_record()))
    else:
        _say(outcome)
    if outcome.error:
        raise outcome.error
    if outcome.stopped:
        sys.exit(INTERRUPTED)


async def _play(outcome: Outcome, lever: MiniCircuitsAttenuator, view: View) -> None:
    """In a thread, so that Ctrl-C ends it between two steps and never within one."""
    stop = threading.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def told(step: Played) -> None:
        outcome.played.append(step)
        view.step(step)

    try:
        await asyncio.to_thread(player.play, outcome.plan, lever, stop=stop, told=told)
    except DriverError as error:
        outcome.error = error
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    arrived = bool(outcome.played) and outcome.played[-1].at_s == outcome.plan[-1].at_s
    outcome.stopped = stop.is_set() and not arrived


def _look_back(outcome: Outcome, lever: MiniCircuitsAttenuator) -> None:
    try:
        outcome.end_db = lever.attenuation_db()
    except DriverError as error:
        outcome.error = outcome.error or error


def _say(outcome: Outcome) -> None:
    at = "where nobody knows" if outcome.end_db is None else f"at {outcome.end_db:g} dB"
    name = click.style(outcome.name, bold=True)
    if outcome.error or outcome.stopped:
        why = "failed" if outcome.error else "stopped"
        way = f"from {outcome.begin_db:g} to {outcome.plan[-1].db:g} dB"
        click.echo(f"{name}: {click.style(why, fg='yellow')} on its way {way}; it stays {at}")
    else:
        click.echo(f"{name}: {at}, from {outcome.begin_db:g} dB")
    if not outcome.played:
        return
    late_ms = [step.late_s * 1000 for step in outcome.played]
    took_ms = [step.took_s * 1000 for step in outcome.played]
    passed = f", {outcome.left_out} left out since the lever was not ready" if outcome.left_out else ""
    click.echo(f"{len(outcome.played)} of {len(outcome.plan)} steps{passed}")
    click.echo(f"late  median {statistics.median(late_ms):.1f} ms, at most {max(late_ms):.1f} ms")
    click.echo(f"took  median {statistics.median(took_ms):.1f} ms, at most {max(took_ms):.1f} ms")
