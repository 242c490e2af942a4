"""Where things lie in the report's drawings: plain numbers, which the templates turn into SVG.

Lengths are SVG user units.  A drawing is as wide as the page's text and scales with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testbed.measure.words import Direction, Phase
from testbed.results import summary
from testbed.results.ladder import UE, Ladder, Row
from testbed.results.model import Handoff
from testbed.results.story import Picture, Track

WIDTH = 940.0
LEFT = 84.0  # of names and times, before a drawing's own field
RIGHT = 12.0
LANE = 58.0  # from one direction's packets to the next
LETTER = 6.6  # about the width of a letter of a drawing's text
ROW, HEAD = 25.0, 44.0  # of a ladder

Spans = Sequence[tuple[Phase, float, float]]  # the phases with begin and end


@dataclass(frozen=True)
class Mark:
    """Something at one place of the time axis."""

    x: float
    text: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Band:
    """Something that lasts."""

    x: float
    width: float
    kind: str
    text: str = ""
    full: str = ""


@dataclass(frozen=True)
class Lane:
    """The packets of one direction."""

    y: float
    name: str
    ticks: tuple[Mark, ...]
    gap: Band | None


@dataclass(frozen=True)
class TimelineDrawing:
    """Media, phases and trigger over a common axis."""

    width: float
    height: float
    field_bottom: float
    trigger: float
    bands: tuple[Band, ...]
    lanes: tuple[Lane, ...]
    axis: tuple[Mark, ...]


def draw_timeline(picture: Picture) -> TimelineDrawing:
    """Media in both directions around the trigger."""
    scale = (WIDTH - LEFT - RIGHT) / max(picture.end - picture.begin, 1.0)

    def x(ms: float) -> float:
        return round(LEFT + (ms - picture.begin) * scale, 2)

    bands = []
    for phase, begin, end in picture.bands:
        width = (min(end, picture.end) - begin) * scale
        text = phase.value if width > (len(phase.value) + 1) * LETTER else ""
        bands.append(
            Band(x(begin), round(max(width, 0.0), 2), phase.value, text, f"{phase.value}: {end - begin:.1f} ms")
        )
    lanes = []
    for number, direction in enumerate(direction for direction in Direction if direction in picture.tracks):
        lanes.append(_lane(picture.tracks[direction], direction, 62.0 + number * LANE, x, picture))
    bottom = 62.0 + len(lanes) * LANE - 8
    axis = tuple(Mark(x(ms), _label(ms)) for ms in _steps(picture.begin, picture.end))
    return TimelineDrawing(WIDTH, bottom + 34, bottom, x(0.0), tuple(bands), tuple(lanes), axis)


def _lane(track: Track, direction: Direction, y: float, x: Callable[[float], float], picture: Picture) -> Lane:
    ticks = [Mark(x(ms), f"{ms:.1f} ms", "new" if new else "old") for ms, new in track.received]
    ticks += [Mark(x(ms), "lost", "lost") for ms in track.lost]
    gap = None
    if track.gap is not None:
        begin, end = (min(max(ms, picture.begin), picture.end) for ms in track.gap)
        gap = Band(x(begin), x(end) - x(begin), "gap", f"{track.gap[1] - track.gap[0]:.1f} ms")
    return Lane(y, direction.value, tuple(ticks), gap)


def _steps(begin: float, end: float) -> list[float]:
    """Round moments of an axis, about ten of them."""
    rough = max(end - begin, 1.0) / 10
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(begin / step)
    return [number * step for number in range(first, math.floor(end / step) + 1)]


def _label(ms: float) -> str:
    text = f"{ms:g}".replace("-", "−")
    return f"{text} ms" if ms == 0 else text


@dataclass(frozen=True)
class Arrow:
    """A row of a ladder, placed."""

    row: Row
    y: float
    begin: float
    end: float
    text_x: float
    anchor: str
    band: str  # the phase in which it fell


@dataclass(frozen=True)
class LadderDrawing:
    """Lanes from left to right, arrows from top to bottom."""

    width: float
    height: float
    lanes: tuple[Mark, ...]
    arrows: tuple[Arrow, ...]
    bands: tuple[Band, ...]  # `x` is the top and `width` the height of each
    omitted: int


def draw_ladder(ladder: Ladder, spans: Spans = ()) -> LadderDrawing:
    """One row for each message, whatever time lies between: the times stand at the left."""
    places = _lane_places(ladder)
    arrows = []
    for number, row in enumerate(ladder.rows):
        y = HEAD + (number + 0.7) * ROW
        begin = places.get(row.source, LEFT)
        end = places.get(row.destination, begin if row.source else WIDTH - RIGHT)
        text_x, anchor = ((begin + end) / 2, "middle") if row.destination or not row.source else (begin + 8, "start")
        arrows.append(Arrow(row, y, begin, end, text_x, anchor, _phase_at(spans, row.t_ms)))
    lanes = tuple(Mark(x, name) for name, x in places.items())
    return LadderDrawing(
        WIDTH, HEAD + len(arrows) * ROW + 18, lanes, tuple(arrows), _ladder_bands(arrows), ladder.omitted
    )


def _lane_places(ladder: Ladder) -> dict[str, float]:
    count = len(ladder.lanes)
    if count == 1:
        return {UE: (LEFT + WIDTH) / 2}
    first, last = LEFT + 50, WIDTH - 50
    return {name: round(first + number * (last - first) / (count - 1), 1) for number, name in enumerate(ladder.lanes)}


def _phase_at(spans: Spans, ms: float) -> str:
    """A phase holds what ends it: the answer that ends the registration belongs to it."""
    return next((phase.value for phase, begin, end in spans if begin < ms <= end + 0.0005), "")


def _ladder_bands(arrows: list[Arrow]) -> tuple[Band, ...]:
    bands: list[Band] = []
    for arrow in arrows:
        top = arrow.y - 0.7 * ROW
        if bands and bands[-1].kind == arrow.band:
            last = bands.pop()
            bands.append(Band(last.x, top + ROW - last.x, last.kind, last.text))
        else:
            bands.append(Band(top, ROW, arrow.band, arrow.band))
    return tuple(band for band in bands if band.kind)


@dataclass(frozen=True)
class BudgetDrawing:
    """One direction's interruption as a bar: the floor, then what lies above it, by whose it is."""

    direction: str
    parts: tuple[Band, ...]


def draw_budget(handoff: Handoff) -> tuple[BudgetDrawing, ...]:
    """Both directions on the same scale.  What took less than the floor grants cannot be drawn, and is left out."""
    values = [summary.interruption(handoff, way) or 0.0 for way in Direction]
    whole = max([*values, 0.001])
    drawings = []
    for way in Direction:
        floor: float = getattr(handoff.floor_ms, way.value) or 0.0
        value = summary.interruption(handoff, way)
        shares = {name: ms for name, ms in summary.whose(handoff, way).items() if ms > 0}
        if value is None or value <= 0:
            drawings.append(BudgetDrawing(way.value, ()))
            continue
        excess = max(value - floor, 0.0)
        fit = excess / sum(shares.values()) if shares else 0.0  # negative shares shorten the positive ones
        pieces = [("floor", min(floor, value)), *((name, ms * fit) for name, ms in shares.items())]
        at, parts = 0.0, []
        for name, ms in pieces:
            parts.append(Band(round(at / whole * 100, 2), round(ms / whole * 100, 2), name, f"{ms:.1f}"))
            at += ms
        drawings.append(BudgetDrawing(way.value, tuple(parts)))
    return tuple(drawings)


def phase_widths(handoff: Handoff) -> dict[Phase, float]:
    """Each phase as a share of the longest, in per cent."""
    longest = max([value or 0.0 for value in handoff.phases_ms.values()] + [0.001])
    return {phase: round((value or 0.0) / longest * 100, 1) for phase, value in handoff.phases_ms.items()}
