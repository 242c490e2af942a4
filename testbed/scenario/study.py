"""The argument of C1-062198 in figures: what interrupts a call for how long, by what must move and how far the core is.

Two sweeps over the rig of `two-access`, without its jitter, which would only blur the lines:

- **identities**: N public identities, each registered explicitly; they move one by one (clause 2.2) or all at once by
  `imsglobreg` (2.3), and then the call by re-INVITE.
- **round trip**: between the UE and its P-CSCF over either access; the call is moved by re-INVITE or by Replaces, or
  lost and dialled again (release 7).

Every point is one run, with its folder and its evidence; the floor beside it is the topology's.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from testbed.results.model import Result
from testbed.scenario import catalogue
from testbed.scenario.catalogue import AnyScenario
from testbed.scenario.common import DEFAULT_TOPOLOGY, FAR, MOVING
from testbed.scenario.conformance import Group
from testbed.topology.load import load, loads, resolve

IDENTITIES = (1, 2, 4, 8, 16, 32)
ROUND_TRIPS_MS = (10, 20, 50, 100, 200, 400)
ONE_BY_ONE, AT_ONCE = "one by one", "all at once"
SETTLE_S, TAIL_S = 3.5, 2.0  # as in the catalogue: the next authentication vector is fetched by then


@dataclass(frozen=True)
class Sweep:
    """One picture: what stands on its axis, and its lines."""

    name: str
    title: str
    axis: str
    lines: tuple[str, ...]


SWEEPS = (
    Sweep(
        "identities",
        "Interruption by the number of identities that move",
        "public identities, each registered explicitly",
        (ONE_BY_ONE, AT_ONCE),
    ),
    Sweep(
        "round-trip",
        "Interruption by the round trip to the P-CSCF",
        "round trip between UE and P-CSCF, ms",
        ("re-INVITE", "Replaces", "release 7"),
    ),
)
LINES = {"re-INVITE": "global-reregistration", "Replaces": "replaces", "release 7": "release7"}


@dataclass(frozen=True)
class Point:
    """One run of a study: on which line, at which place of the axis."""

    sweep: str
    line: str
    at: int
    topology: str  # the text of its topology file
    scenario: AnyScenario


@dataclass(frozen=True)
class Measured:
    """What came of a point.  Milliseconds; None where there is no figure."""

    point: Point
    verdict: str
    uplink: float | None
    downlink: float | None
    floor_uplink: float | None
    floor_downlink: float | None
    folder: str

    def as_record(self) -> dict[str, Any]:
        point = self.point
        figures = ("uplink", "downlink", "floor_uplink", "floor_downlink")
        return {
            "sweep": point.sweep,
            "line": point.line,
            "at": point.at,
            "verdict": self.verdict,
            **{f"{name}_ms": getattr(self, name) for name in figures},
            "folder": self.folder,
        }


def points(
    seed: int, identities: Sequence[int] = IDENTITIES, round_trips_ms: Sequence[int] = ROUND_TRIPS_MS
) -> Iterator[Point]:
    """All runs of the study."""
    for count in identities:
        topology = _topology(f"identities-{count}", implicit_sets=_identities(count))
        for line, how in ((ONE_BY_ONE, "explicit"), (AT_ONCE, "global")):
            yield Point("identities", line, count, topology, _with_identities(count, how, seed))
    for round_trip_ms in round_trips_ms:
        topology = _topology(f"round-trip-{round_trip_ms}", delay_ms=round_trip_ms / 2)
        for line, name in LINES.items():
            scenario = catalogue.find(name).with_options(seed=seed)
            yield Point("round-trip", line, round_trip_ms, topology, scenario)


def groups(all_points: Sequence[Point], folder: Path) -> list[tuple[Group, list[Point]]]:
    """The points that can share a core, the longest groups first; their topologies are written into `folder`."""
    made = []
    key = lambda point: (point.sweep, point.at, point.scenario.profile)  # noqa: E731
    for (sweep, at, _), each in groupby(sorted(all_points, key=key), key=key):
        shared = list(each)
        path = folder / f"{sweep}-{at}.yaml"
        path.write_text(shared[0].topology, encoding="utf-8")
        made.append((Group(str(path), tuple(point.scenario for point in shared)), shared))
    return sorted(made, key=lambda one: (-len(one[1]), -one[1][0].at))


def measured(point: Point, result: Result | None, folder: Path) -> Measured:
    """The figures of a point's run."""
    if result is None or not result.handoffs:
        return Measured(point, result.verdict.value if result else "rig-error", None, None, None, None, str(folder))
    handoff = result.handoffs[0]
    interruption, floor = handoff.interruption_ms, handoff.floor_ms
    values = (interruption.uplink.value, interruption.downlink.value, floor.uplink, floor.downlink)
    return Measured(point, result.verdict.value, *values, str(folder))


def _identities(count: int) -> list[list[str]]:
    """So many implicit registration sets of one identity each, the first of them the UE's own."""
    ue = load(resolve(DEFAULT_TOPOLOGY)).ues[MOVING]
    user, _, domain = ue.impus[0].partition("@")
    return [[ue.impus[0]], *([f"{user}-{number}@{domain}"] for number in range(2, count + 1))]


def _with_identities(count: int, how: str, seed: int) -> AnyScenario:
    others = [{"add-identity": {"access": "lte", "impu": one}} for (one,) in _identities(count)[1:]]
    steps: list[Mapping[str, Any]] = [
        {"register": {"ue": FAR, "access": "far"}},
        {"register": {"access": "lte"}},
        *others,
        {"call": {"to": FAR, "as": "first"}},
        {"wait": {"s": SETTLE_S, "for": "media"}},
        {"handoff": {"from": "lte", "to": "wifi", "register": how}},
        {"wait": {"s": TAIL_S, "for": "media"}},
        {"hang-up": {"call": "first"}},
    ]
    words = "one by one" if how == "explicit" else "at once"
    data = {"name": f"identities-{how}-{count}", "title": f"{count} identities move {words}.", "steps": steps}
    return catalogue.loads(json.dumps(data)).with_options(seed=seed)  # JSON is YAML


def _topology(name: str, *, delay_ms: float | None = None, implicit_sets: Sequence[Sequence[str]] | None = None) -> str:
    """The text of the default topology without jitter, with another delay or other identities."""
    data = load(resolve(DEFAULT_TOPOLOGY)).model_dump(mode="json", exclude_unset=True)
    data["name"] = name
    for access, entry in data["accesses"].items():
        entry["jitter_ms"] = 0.0
        if delay_ms is not None and access in data["ues"][MOVING]["accesses"]:
            entry["delay_ms"] = delay_ms
    if implicit_sets is not None:
        del data["ues"][MOVING]["impus"]
        data["ues"][MOVING]["implicit_sets"] = [list(one) for one in implicit_sets]
    stream = io.StringIO()
    YAML().dump(data, stream)
    text = stream.getvalue()
    loads(text, f"{name}.yaml")  # what is wrong with it is said here, and not in the middle of the study
    return text
