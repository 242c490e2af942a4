"""A run told in its order of time: the lines of `timeline.jsonl`, and the scenes that a report is drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from testbed.measure.budget import Share
from testbed.measure.handoff import End, HandoffFigures
from testbed.measure.rtp import Rtp
from testbed.measure.timeline import Event, lines, timeline
from testbed.measure.words import Direction, Phase
from testbed.results.context import RunContext
from testbed.results.ladder import Ladder, ladder, whole_ladder
from testbed.results.reading import Reading

MARGIN_MS = 150.0  # of media before and after the handoff, in its picture
LONGEST_MS = 30_000.0  # of one picture
SHOWN = 10  # handoffs of a run that a report draws; all are in `result.json` and `timeline.jsonl`
TICKS = 4000  # received packets of one direction that a picture shows at most


@dataclass(frozen=True)
class Track:
    """The packets of one direction in a picture: when received and whether over the new access; when lost."""

    received: tuple[tuple[float, bool], ...]
    lost: tuple[float, ...]  # sent, never received: drawn where it would have arrived
    gap: tuple[float, float] | None


@dataclass(frozen=True)
class Picture:
    """One handoff's media and phases; milliseconds from its trigger."""

    begin: float
    end: float
    tracks: dict[Direction, Track]
    bands: tuple[tuple[Phase, float, float], ...]
    ladder: Ladder


@dataclass
class Story:
    """Everything that happened."""

    events: list[Event] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    said: Ladder | None = None  # of a run without a handoff

    def lines(self) -> str:
        """The text of `timeline.jsonl`."""
        return lines(self.events)


def tell(reading: Reading, context: RunContext) -> Story:
    """The story of a run, as far as its captures tell it."""
    ue, far = reading.ends["ue"], reading.ends["far"]
    accesses = {**context.ue_addresses, "far": context.far_addresses}
    events = timeline(ue, far, reading.handoffs, accesses)
    for figures, shares in zip(reading.handoffs, reading.shares, strict=True):
        events += _concluded(figures, shares)
    events.sort(key=lambda event: event.time_ns)
    pictures = []
    if ue is not None:
        for figures in reading.handoffs[:SHOWN]:
            pictures.append(_picture(figures, ue, far, context))
    return Story(events, pictures, None if pictures else whole_ladder(ue, far, context))


def _concluded(figures: HandoffFigures, shares: Iterable[Share]) -> Iterator[Event]:
    """What the analysis says of a handoff, at the moments that it is about: phases, and time above the floor."""
    for phase, _, end_ms in bands(figures):
        detail = {"phase": phase.value, "ms": figures.phases.ms[phase]}
        yield Event(figures.window.trigger_ns + round(end_ms * 1e6), "analysis", "phase-end", detail)
    ends = [media.gap.end_ns for media in figures.media.values() if media.gap and media.gap.resumed]
    for share in shares:
        about = {
            "what": share.what,
            "whose": share.whose,
            "ms": round(share.ms, 3),
            "directions": [direction.value for direction in share.directions],
        }
        yield Event(share.end_ns or max(ends), "analysis", "above-floor", about)


def bands(figures: HandoffFigures) -> Iterator[tuple[Phase, float, float]]:
    """The phases as spans of time from the trigger."""
    begin = 0.0
    for phase, length in figures.phases.ms.items():
        if length is not None:
            yield phase, begin, begin + length
            begin += length


def _picture(figures: HandoffFigures, ue: End, far: End | None, context: RunContext) -> Picture:
    trigger_ns = figures.window.trigger_ns
    spans = tuple(bands(figures))
    gaps = [media.gap for media in figures.media.values() if media.gap is not None]
    last = max([end for *_, end in spans] + [(gap.end_ns - trigger_ns) / 1e6 for gap in gaps], default=0.0)
    first = min([0.0] + [(gap.start_ns - trigger_ns) / 1e6 for gap in gaps])
    begin, end = max(first, -LONGEST_MS) - MARGIN_MS, min(last, LONGEST_MS) + MARGIN_MS
    new = context.ue_addresses.get(figures.plan.new_access, ())
    span = (begin, end)
    tracks = {}
    if far is not None:
        by_new = far.packets.sent_by(new)
        tracks[Direction.UPLINK] = _track(figures, Direction.UPLINK, ue.sent, far, by_new, span)
    sent = far.sent if far is not None else None
    tracks[Direction.DOWNLINK] = _track(figures, Direction.DOWNLINK, sent, ue, ue.packets.sent_to(new), span)
    return Picture(begin, end, tracks, spans, ladder(figures, ue, far, context))


def _track(
    figures: HandoffFigures,
    direction: Direction,
    sent: Rtp | None,
    receiver: End,
    by_new: np.ndarray,
    picture: tuple[float, float],
) -> Track:
    begin, end = picture
    trigger_ns, received = figures.window.trigger_ns, receiver.received
    at = (received.time_ns - trigger_ns) / 1e6
    shown = np.flatnonzero((at >= begin) & (at <= end))[:TICKS]
    ticks = tuple((round(float(at[row]), 3), bool(by_new[received.row[row]])) for row in shown)
    lost: tuple[float, ...] = ()
    if sent is not None and len(sent):
        way_ms = figures.plan.old_delay_ms + figures.plan.far_delay_ms
        due = (sent.time_ns - trigger_ns) / 1e6 + way_ms
        missing = ~np.isin(_identity(sent), _identity(received)) & (due >= begin) & (due <= end)
        lost = tuple(round(float(moment), 3) for moment in due[missing][:TICKS])
    gap = figures.media[direction].gap
    span = ((gap.start_ns - trigger_ns) / 1e6, (gap.end_ns - trigger_ns) / 1e6) if gap else None
    return Track(ticks, lost, span)


def _identity(rtp: Rtp) -> np.ndarray:
    """SSRC and sequence number as one: unique within the minutes that a picture can show."""
    both: np.ndarray = rtp.ssrc.astype(np.int64) << 16 | rtp.sequence
    return both
