"""All of the proposal, row by row: which scenarios are to be run and on which core, and what came of each row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, product
from pathlib import Path
from typing import Any, get_args

from drivers.protocols import Family
from testbed.errors import UsageError
from testbed.measure.words import EXIT_CODE, Direction, Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Result
from testbed.scenario.catalogue import AnyScenario, catalogue, load
from testbed.scenario.rows import ROWS, ProposalRow
from testbed.scenario.site import RunOptions
from testbed.topology.faults import nearest

TRANSPORTS = ("udp", "tcp")
FAMILIES: tuple[Family, ...] = get_args(Family)
WORST_FIRST = (Verdict.RIG_ERROR, Verdict.INVALID, Verdict.FAILED, Verdict.PASSED)
CHECKING = ("expect", "request")
NOT_RUN = "not run"


@dataclass(frozen=True)
class Group:
    """Runs that can share a rig and its core."""

    topology: str
    runs: tuple[AnyScenario, ...]

    @property
    def title(self) -> str:
        first = self.runs[0]
        return f"{self.topology}, {first.profile}, {first.transport}, IPv{first.ip}"


def chosen(rows: Sequence[int], scenarios: Iterable[AnyScenario] | None = None) -> list[AnyScenario]:
    """The scenarios that show these rows, or any row; UsageError where there is none."""
    known = list(catalogue().values() if scenarios is None else scenarios)
    found = [each for each in known if set(each.rows) & set(rows or range(1, len(ROWS) + 1))]
    if not found:
        raise UsageError(f"no scenario shows row {', '.join(map(str, rows))}", mend="`testbed scenarios` lists them")
    return found


def check_rules(names: Iterable[str]) -> frozenset[str]:
    """Names of rules that the core can be started without; UsageError for any other."""
    known = [row.rule for row in ROWS]
    for name in names:
        if name not in known:
            raise UsageError(f"the core has no rule `{name}`", where="--without", mend=nearest(name, known, "it has"))
    return frozenset(names)


def groups(
    scenarios: Iterable[AnyScenario], transports: Sequence[str], families: Sequence[int], seed: int | None
) -> list[Group]:
    """Every scenario over every transport and family, those together that want the same core."""
    runs = [
        scenario.with_options(transport=transport, ip=family, seed=seed)
        for scenario, transport, family in product(scenarios, transports, families)
    ]
    runs.sort(key=_core_of)
    made = [Group(key[0], tuple(each)) for key, each in groupby(runs, _core_of)]
    return sorted(made, key=lambda group: -len(group.runs))  # the longest first, so that none is left over at the end


def _core_of(scenario: AnyScenario) -> tuple[str, str, str, int, float]:
    return scenario.topology, scenario.profile, scenario.transport, scenario.ip, scenario.linger_s


# A group as a file, for the process that carries it out


def write_job(path: Path, group: Group, topology: Path, folders: Sequence[RunFolder], options: RunOptions) -> None:
    """What that process must know; each scenario lies in its run's folder."""
    for scenario, folder in zip(group.runs, folders, strict=True):
        folder.write("scenario.yaml", scenario.to_yaml())
    job = {
        "topology": str(topology),
        "rig": options.rig,
        "without": sorted(options.without),
        "folders": [str(folder.path.absolute()) for folder in folders],
    }
    path.write_text(json.dumps(job, indent=2) + "\n")


def read_job(path: Path) -> tuple[Path, list[tuple[AnyScenario, RunFolder]], RunOptions]:
    """Topology, scenarios with their folders, options."""
    job = json.loads(path.read_text())
    folders = [RunFolder(Path(each)) for each in job["folders"]]
    runs = [(load(folder.path / "scenario.yaml"), folder) for folder in folders]
    return Path(job["topology"]), runs, RunOptions(rig=job["rig"], without=frozenset(job["without"]))


# What came of it


@dataclass(frozen=True)
class Outcome:
    """One run."""

    scenario: str
    title: str
    transport: str
    ip: int
    verdict: Verdict
    figure: str
    reasons: tuple[str, ...]
    folder: str

    @property
    def how(self) -> str:
        return f"{self.transport} IPv{self.ip}"

    def as_record(self) -> dict[str, Any]:
        return {**self.__dict__, "verdict": self.verdict.value, "reasons": list(self.reasons)}


@dataclass
class RowOutcome:
    """A row of the table, and the runs that show it."""

    row: ProposalRow
    runs: list[Outcome] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict | None:
        """The worst of its runs; None where none was made."""
        found = {run.verdict for run in self.runs}
        return next((verdict for verdict in WORST_FIRST if verdict in found), None)

    def by_scenario(self) -> Iterator[tuple[str, list[Outcome]]]:
        names = dict.fromkeys(run.scenario for run in self.runs)
        for name in names:
            yield name, [run for run in self.runs if run.scenario == name]

    def as_record(self) -> dict[str, Any]:
        return {
            "row": self.row.number,
            "what": self.row.what,
            "clause": self.row.clause,
            "rule": self.row.rule,
            "verdict": self.verdict.value if self.verdict else NOT_RUN,
            "runs": [run.as_record() for run in self.runs],
        }


def outcome(scenario: AnyScenario, result: Result, folder: Path) -> Outcome:
    """What a run's result comes to in the table."""
    return Outcome(
        scenario.name,
        scenario.title,
        scenario.transport,
        scenario.ip,
        result.verdict,
        figure(result),
        tuple(result.reasons),
        str(folder),
    )


def figure(result: Result) -> str:
    """The figure that tells most: durations that have a name, interruptions, or how much was checked."""
    parts = [
        f"{step.figure} {_duration(step.took_ms)}" for step in result.steps if step.figure and step.took_ms is not None
    ]
    if result.handoffs:
        worst = [_worst(result, way) for way in Direction]
        parts.append("interruption up {} / down {} ms".format(*worst))
    if not parts:
        parts.append(f"{sum(step.verb in CHECKING for step in result.steps)} checks")
    return ", ".join(parts)


def _duration(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def _worst(result: Result, way: Direction) -> str:
    values = [getattr(handoff.interruption_ms, way.value).value for handoff in result.handoffs]
    known = [value for value in values if value is not None]
    return f"{max(known):.1f}" if known else "–"


def by_row(outcomes: Iterable[Outcome], scenarios: Iterable[AnyScenario]) -> list[RowOutcome]:
    """Every row of the table with its runs, in the order of the table."""
    rows_of = {scenario.name: scenario.rows for scenario in scenarios}
    table = [RowOutcome(row) for row in ROWS]
    for one in sorted(outcomes, key=lambda one: (one.scenario, TRANSPORTS.index(one.transport), one.ip)):
        for number in rows_of[one.scenario]:
            table[number - 1].runs.append(one)
    return table


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """That of the worst verdict."""
    found = {one.verdict for one in outcomes}
    return next((EXIT_CODE[verdict] for verdict in WORST_FIRST if verdict in found), 0)
