"""What a policy would have done with recorded signals, and two policies beside each other on the same ones."""

from __future__ import annotations

import csv
import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import UsageError
from testbed.ue.deciding import Decider
from testbed.ue.decisions import MOVES, Decision, Event, HandedOver, LinkLost, LinkUp, Ready, Signal, Tick, What
from testbed.ue.policy import Policy


@dataclass(frozen=True)
class Observed:
    """Something that was seen at a time."""

    at_s: float
    event: Event


@dataclass(frozen=True)
class Costs:
    """How long it takes to carry a decision out, and what counts when the outcome is judged.

    `poor_below_dbm` judges all policies alike: below it an access is of no good use, whatever a policy thinks.
    """

    poor_below_dbm: Mapping[str, float]
    prepare_s: float = 1.0
    move_s: float = 0.1  # to an access that is ready
    short_stay_s: float = 10.0  # who returns sooner need not have left


@dataclass(frozen=True)
class Outcome:
    """What came of a policy on a trace."""

    policy: str
    decisions: tuple[Decision, ...]
    handoffs: int
    needless: int
    poor_s: float

    def __str__(self) -> str:
        return (
            f"{self.policy}: {self.handoffs} handoffs, {self.needless} needless, {self.poor_s:.1f} s on a poor access"
        )


def replay(policy: Policy, trace: Iterable[Observed], serving: str, costs: Costs) -> Outcome:
    """Have a policy decide over a trace, each decision carried out as `costs` say; the end is that of the trace."""
    return _Replay(policy, sorted(trace, key=lambda one: one.at_s), serving, costs).run()


def compare(policies: Sequence[Policy], trace: Sequence[Observed], serving: str, costs: Costs) -> list[Outcome]:
    """The same trace under each policy."""
    return [replay(policy, trace, serving, costs) for policy in policies]


def read_trace(path: Path) -> list[Observed]:
    """A trace from a CSV file with lines `seconds,access,dBm`; `lost` or `up` in place of a figure is the link's."""
    found = []
    for number, row in enumerate(csv.reader(path.read_text().splitlines()), 1):
        if not row or row[0].startswith("#") or (number == 1 and row[0] == "seconds"):
            continue
        try:
            at_s, access, said = row
            found.append(Observed(float(at_s), _event(access.strip(), said.strip())))
        except ValueError as unclear:
            mend = "write `seconds,access,dBm`, or `lost` or `up` in place of dBm"
            raise UsageError(f"`{','.join(row)}` is no sample", where=f"{path}:{number}", mend=mend) from unclear
    return found


def _event(access: str, said: str) -> Event:
    if said == "lost":
        return LinkLost(access)
    return LinkUp(access) if said == "up" else Signal(access, float(said))


class _Replay:
    """One policy on one trace."""

    def __init__(self, policy: Policy, trace: Sequence[Observed], serving: str, costs: Costs) -> None:
        begin_s = trace[0].at_s if trace else 0.0
        self._end_s = trace[-1].at_s if trace else 0.0
        self._decider, self._policy, self._costs = Decider(policy, serving, begin_s), policy, costs
        self._order = itertools.count()
        self._coming = [(one.at_s, next(self._order), one.event) for one in trace]
        self._ready: set[str] = set()
        self._decisions: list[Decision] = []
        self._stays = [(begin_s, serving)]
        self._signals: dict[str, list[tuple[float, float]]] = {}

    def run(self) -> Outcome:
        while self._coming:
            at_s, _, event = heapq.heappop(self._coming)
            if at_s > self._end_s:
                break
            self._see(at_s, event)
            for decision in self._decider.handle(at_s, event):
                self._decisions.append(decision)
                self._carry_out(decision)
            wake_s = self._decider.wake_at()
            if wake_s is not None and not (self._coming and self._coming[0][0] <= wake_s):
                self._later(wake_s, Tick())
        return Outcome(
            self._policy.name, tuple(self._decisions), len(self._stays) - 1, self._needless(), self._poor_s()
        )

    def _see(self, at_s: float, event: Event) -> None:
        match event:
            case Signal(access=access, dbm=dbm):
                self._signals.setdefault(access, []).append((at_s, dbm))
            case LinkLost(access=access):
                self._signals.setdefault(access, []).append((at_s, float("-inf")))
            case Ready(access=access):
                self._ready.add(access)
            case HandedOver(access=access):
                self._stays.append((at_s, access))
                self._ready.clear()

    def _carry_out(self, decision: Decision) -> None:
        takes_s = 0.0 if decision.access in self._ready else self._costs.prepare_s
        if decision.what is What.PREPARE:
            self._later(decision.at_s + takes_s, Ready(decision.access))
        elif decision.what in MOVES:
            self._later(decision.at_s + takes_s + self._costs.move_s, HandedOver(decision.access))

    def _later(self, at_s: float, event: Event) -> None:
        heapq.heappush(self._coming, (at_s, next(self._order), event))

    def _needless(self) -> int:
        """Handoffs after which the UE was back soon, though the access that it had left never turned poor meanwhile."""
        return sum(
            1
            for (_, old), (left_s, _), (back_s, again) in zip(
                self._stays, self._stays[1:], self._stays[2:], strict=False
            )
            if old == again
            and back_s - left_s < self._costs.short_stay_s
            and self._poor_between(old, left_s, back_s) == 0
        )

    def _poor_s(self) -> float:
        ends = [at_s for at_s, _ in self._stays[1:]] + [self._end_s]
        return sum(
            self._poor_between(access, begin_s, end_s)
            for (begin_s, access), end_s in zip(self._stays, ends, strict=True)
        )

    def _poor_between(self, access: str, begin_s: float, end_s: float) -> float:
        """How long an access was poor; a sample holds until the next one."""
        limit = self._costs.poor_below_dbm.get(access, float("-inf"))
        samples = self._signals.get(access, [])
        times = [*(at_s for at_s, _ in samples[1:]), float("inf")][: len(samples)]
        return sum(
            max(0.0, min(until_s, end_s) - max(at_s, begin_s))
            for (at_s, dbm), until_s in zip(samples, times, strict=True)
            if dbm < limit or dbm == float("-inf")
        )
