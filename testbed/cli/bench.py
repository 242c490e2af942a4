"""`testbed bench`: what this bench costs and what it reaches, as figures of this machine and this hour."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from testbed.cli.options import KERNEL, RUNS
from testbed.errors import RigError, UsageError

SCENARIO = "global-reregistration"
STAGES = {
    "rig": "rig brought up",
    "core": "core ready",
    "ue": "UEs and captures ready",
    "register": "two registrations",
}
PARTS = ("runs", "analysis", "modem")
ROUND_TRIPS = 1000
Row = tuple[str, str, str]  # what, figure, how it was had


@click.command()
@click.option("--repeat", type=click.IntRange(1, 100), default=5, show_default=True, help="Runs to take medians over.")
@click.option(
    "--packets", type=click.IntRange(1_000), default=500_000, show_default=True, help="RTP packets to analyse."
)
@click.option("--at-port", metavar="PATH", help="An AT port to time; a pseudo-terminal when not given.")
@click.option(
    "--responses",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Answers of modems to parse: JSON, a `command` and a `raw` in each of `cases`; three built-in ones otherwise.",
)
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Only this part; may be given again.")
@RUNS
@KERNEL
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def bench(
    repeat: int,
    packets: int,
    at_port: str | None,
    responses: Path | None,
    only: tuple[str, ...],
    runs: Path,
    kernel: str,
    as_json: bool,
) -> None:
    """Time the stages of a run, the handoff over its floor, an analysis beside tshark's, and the AT channel of modems.

    Seconds are of this machine as busy as it is now.  What can be compared between machines are the ratios.
    """
    wanted, rows = only or PARTS, list[Row]()
    answers = _answers(responses) if responses else None
    if "modem" in wanted:
        rows += _modem(at_port, answers)
    if "runs" in wanted:
        results = _runs(repeat, runs, kernel)
        rows += [*_stages(results), *_handoff(results)]
    if "analysis" in wanted:
        rows += _analysis(packets)
    if as_json:
        click.echo(json.dumps({"bench": [dict(zip(("what", "figure", "how"), row, strict=True)) for row in rows]}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "figure", "how", title="bench", title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _runs(repeat: int, runs: Path, kernel: str) -> list[dict[str, Any]]:
    """The results of some runs by the same command that a user gives; its progress shows on standard error."""
    argv = [sys.argv[0], "run", SCENARIO, "--repeat", str(repeat), "--runs", str(runs), "--kernel", kernel, "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    try:
        results: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    except (ValueError, KeyError) as none:
        raise RigError(f"`{' '.join(argv)}` gave no results", where="bench", mend="run it by hand") from none
    return [result for result in results if result["handoffs"]]


def _stages(results: list[dict[str, Any]]) -> Iterator[Row]:
    for stage, text in STAGES.items():
        seconds = [result["timings_s"][stage] for result in results if stage in result["timings_s"]]
        if seconds:
            yield text, f"{statistics.median(seconds):.2f} s", f"median of {len(seconds)} runs"


def _handoff(results: list[dict[str, Any]]) -> Iterator[Row]:
    for direction in ("uplink", "downlink"):
        handoffs = [result["handoffs"][0] for result in results]
        ratios = [each["over_floor"][direction] for each in handoffs if each["over_floor"][direction] is not None]
        if ratios:
            floor = handoffs[0]["floor_ms"][direction]
            values = [each["interruption_ms"][direction]["value"] for each in handoffs]
            how = f"median of {len(ratios)}: {statistics.median(values):.1f} ms over a floor of {floor:.1f} ms"
            yield f"handoff over floor, {direction}", f"{statistics.median(ratios):.2f}", how


def _analysis(packets: int) -> Iterator[Row]:
    from testbed.measure.bench import compare

    ours, theirs = compare(packets)
    yield "analysis of a capture", f"{ours:,.0f} packets/s", f"{packets:,} RTP packets"
    yield "the same by tshark", f"{theirs:,.0f} packets/s", "tshark -q -z rtp,streams"
    yield "analysis, ours over tshark's", f"{ours / theirs:.1f}", "aim: at least 3"


def _modem(port: str | None, answers: Sequence[tuple[str, str]] | None) -> Iterator[Row]:
    from drivers.modem import bench

    figures = bench.round_trips(port, ROUND_TRIPS)
    where = port or "a pseudo-terminal"
    yield "AT round trip", f"{figures.channel_ms:.3f} ms", f"median of {ROUND_TRIPS:,} on {where}"
    yield "the same by bare pyserial", f"{figures.bare_ms:.3f} ms", "write and read on the same port"
    yield "AT channel over pyserial", f"{figures.overhead_ms:.3f} ms", "aim: less than 0.5 ms"
    answers = answers or bench.SAMPLES
    yield "answers of modems parsed", f"{bench.parsed_per_s(answers):,.0f} /s", f"{len(answers)} different ones"


def _answers(path: Path) -> list[tuple[str, str]]:
    """Commands and what modems answered to them.  Raises UsageError for a file that has none."""
    try:
        found = [
            (str(one["command"]), str(one["raw"])) for one in json.loads(path.read_text(encoding="utf-8"))["cases"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        mend = 'write {"cases": [{"command": "AT+CSQ", "raw": "+CSQ: 17,99"}]}'
        raise UsageError(f"it holds no answers of modems ({wrong!r})", where=str(path), mend=mend) from wrong
    if not found:
        raise UsageError("it holds no answers of modems", where=str(path), mend="its `cases` are empty")
    return found
