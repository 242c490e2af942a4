"""Statistics over repeated runs: the `summary` of `--json`.

Only runs whose figures can be trusted count, those that `passed` or `failed`; a direction whose media never came back
has a lower bound, not a figure, and is counted apart.  Quantiles interpolate linearly between order statistics
(Hyndman and Fan 1996, type 7), so that the median of an even number of runs is the mean of the two in the middle.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, quantiles, stdev
from typing import Any

from testbed.measure.words import Direction, Phase, Verdict
from testbed.results.model import Handoff, Measured, NumberPair, Result

TRUSTED = (Verdict.PASSED, Verdict.FAILED)


def summarise(results: Iterable[Result]) -> dict[str, Any]:
    """Counts for each verdict, and the spread of every figure, by direction and by phase; milliseconds."""
    results = list(results)
    verdicts = Counter(result.verdict for result in results)
    handoffs = [handoff for result in results if result.verdict in TRUSTED for handoff in result.handoffs]
    return {
        "runs": len(results),
        "verdicts": {verdict.value: verdicts[verdict] for verdict in Verdict},
        "handoffs": len(handoffs),
        "interruption_ms": _both(handoffs, interruption),
        "over_floor": _both(handoffs, over_floor),
        "outage_over_floor": _both(handoffs, outage_over_floor),
        "above_floor_ms": _both(handoffs, above_floor_ms),
        "lost": _both(handoffs, lambda handoff, way: getattr(handoff.lost, way.value)),
        "never_resumed": {
            way.value: sum(not measured(handoff, way).resumed for handoff in handoffs) for way in Direction
        },
        "handoff_ms": spread([handoff.handoff_ms for handoff in handoffs]),
        "phases_ms": {phase.value: spread([handoff.phases_ms.get(phase) for handoff in handoffs]) for phase in Phase},
        "whose_ms": {way.value: _whose(handoffs, way) for way in Direction},
    }


def spread(values: Iterable[float | None]) -> dict[str, float | int | None]:
    """Count, median, extremes, quantiles and standard deviation of what is known."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return {"n": 0, "median": None, "min": None, "max": None, "p10": None, "p90": None, "mean": None, "stdev": None}
    figures = {
        "median": quantile(known, 0.5),
        "min": known[0],
        "max": known[-1],
        "p10": quantile(known, 0.1),
        "p90": quantile(known, 0.9),
        "mean": fmean(known),
        "stdev": stdev(known) if len(known) > 1 else 0.0,
    }
    return {"n": len(known), **{name: round(value, 3) for name, value in figures.items()}}


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of sorted values lies."""
    if len(ordered) == 1:
        return ordered[0]
    cuts = quantiles(ordered, n=100, method="inclusive")
    return cuts[round(share * 100) - 1]


def measured(handoff: Handoff, direction: Direction) -> Measured:
    """One direction's interruption."""
    figure: Measured = getattr(handoff.interruption_ms, direction.value)
    return figure


def interruption(handoff: Handoff, direction: Direction) -> float | None:
    """Its value, where media came back."""
    figure = measured(handoff, direction)
    return figure.value if figure.resumed else None


def over_floor(handoff: Handoff, direction: Direction) -> float | None:
    """Interruption over floor."""
    ratio: float | None = getattr(handoff.over_floor, direction.value)
    return ratio if measured(handoff, direction).resumed else None


def outage_ms(handoff: Handoff, direction: Direction) -> float | None:
    """The interruption without what the packet grid gave or took."""
    return _of_pair(handoff, handoff.outage_ms, direction)


def outage_over_floor(handoff: Handoff, direction: Direction) -> float | None:
    """The same over floor."""
    return _of_pair(handoff, handoff.outage_over_floor, direction)


def _of_pair(handoff: Handoff, pair: NumberPair | None, direction: Direction) -> float | None:
    """One of two numbers, where media came back."""
    if pair is None or not measured(handoff, direction).resumed:
        return None
    value: float | None = getattr(pair, direction.value)
    return value


def above_floor_ms(handoff: Handoff, direction: Direction) -> float | None:
    """Interruption less floor."""
    value, floor = interruption(handoff, direction), getattr(handoff.floor_ms, direction.value)
    return None if value is None or floor is None else value - floor


def whose(handoff: Handoff, direction: Direction) -> dict[str, float]:
    """What lies above the floor of one direction, by whose it is, in the order in which they first come."""
    sums: dict[str, float] = defaultdict(float)
    for share in handoff.above_floor:
        if direction in share.directions:
            sums[share.whose] += share.ms
    return {name: round(ms, 3) for name, ms in sums.items()}


def _whose(handoffs: Sequence[Handoff], direction: Direction) -> dict[str, Any]:
    """The spread of each one's share; in a handoff where it had none it had 0."""
    each = [whose(handoff, direction) for handoff in handoffs if handoff.above_floor]
    names = dict.fromkeys(name for shares in each for name in shares)
    return {name: spread([shares.get(name, 0.0) for shares in each]) for name in names}


def _both(handoffs: Sequence[Handoff], figure: Any) -> dict[str, Any]:
    return {way.value: spread([figure(handoff, way) for handoff in handoffs]) for way in Direction}
