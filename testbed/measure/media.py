"""How long media was interrupted, and what was lost, in one direction of a call (DESIGN "Words").

**Interruption** is the largest gap between received packets around the handoff, less the normal packet interval I.

*Uncertainty.*  Packets sample the path every I.  A path that is dead for D lets the last packet through at most I
before it dies and the next one at most I after it lives again, and the sender's grid stands at random against both
moments: the gap is (q+1)I or (q+2)I where D = qI + r, with mean D + I.  So gap - I is an unbiased estimate of D; its
error lies within +-I with a triangular distribution, whose standard deviation is I / sqrt(6) (JCGM 100:2008 4.3.9).
A sender that repeats its newest frame at once over a new path, as our UE does, leaves no second part: the estimate is
then I/2 low on average, as the silence that its listener hears really is shorter; the same u bounds it, and what the
grid gave or took stands among the shares above the floor.
To it comes what moves single packets, the lateness of the sender and the jitter of the path: s, the standard deviation
of the intervals between received neighbours outside the gap, which holds both packets' share (type A, 4.2).  The
kernel's stamps are good to microseconds and add nothing.  Standard uncertainty, coverage factor 1:

    u = sqrt(I**2 / 6 + s**2)

**Lost** counts sequence numbers of the streams which never reached the receiver: those that left the sender (they are
in its capture) and those that it never got out (they are in neither, yet later ones are).  A call that is dialled again
has a new stream with numbers of its own: what the silence between the two would have held was never got out either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from testbed.measure.packets import Bools
from testbed.measure.pcapng import Ints
from testbed.measure.rtp import CLOCK_HZ, Rtp, extended, first_copies

SILENCE_AT_END_MS = 500.0  # media that is silent for so long when the call ends has not been restored


@dataclass(frozen=True)
class Window:
    """The time that belongs to one handoff: packets lost from `start` on are its, gaps that end after `trigger`."""

    start_ns: int
    trigger_ns: int
    end_ns: int


@dataclass(frozen=True)
class Gap:
    """The largest silence of a direction; `end_ns` is the window's end where media never came back."""

    start_ns: int
    end_ns: int
    resumed: bool

    @property
    def ms(self) -> float:
        return (self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True)
class Losses:
    """Packets of the streams of one direction within a window."""

    sent_not_received: int = 0
    never_sent: int = 0
    duplicates: int = 0
    reordered: int = 0

    @property
    def lost(self) -> int:
        return self.sent_not_received + self.never_sent

    def __add__(self, other: Losses) -> Losses:
        return Losses(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class DirectionFigures:
    """What one direction of media went through in one handoff.  None: there was no media to measure."""

    gap: Gap | None
    interval_ms: float
    spread_ms: float
    losses: Losses
    new_path_ns: int | None  # the first packet received over the new access

    @property
    def interruption_ms(self) -> float | None:
        return max(0.0, self.gap.ms - self.interval_ms) if self.gap else None

    @property
    def uncertainty_ms(self) -> float | None:
        return math.sqrt(self.interval_ms**2 / 6 + self.spread_ms**2) if self.gap else None

    @property
    def resumed(self) -> bool:
        return self.gap is not None and self.gap.resumed


def judge(sent: Rtp, received: Rtp, on_new_path: Bools, window: Window, ptime_ms: float = 20.0) -> DirectionFigures:
    """Figures of one direction.

    `sent` is from the sender's capture (empty where there is none), `received` from the receiver's; `on_new_path`
    says which of `received` came over the new access, on behalf of this handoff.
    """
    interval = packet_interval_ms(received, ptime_ms)
    gap = largest_gap(received.only(_new_packets(received)).time_ns, window)
    arrived = received.time_ns[on_new_path]
    return DirectionFigures(
        gap=gap,
        interval_ms=interval,
        spread_ms=interval_spread_ms(received, interval, gap),
        losses=count_losses(sent, received, window, interval),
        new_path_ns=int(arrived[0]) if len(arrived) else None,
    )


def _new_packets(rtp: Rtp) -> Bools:
    """All but the duplicates: a copy of an old packet ends no silence."""
    new = np.zeros(len(rtp), np.bool_)
    for ssrc, stream in rtp.by_ssrc().items():
        new[rtp.ssrc == ssrc] = first_copies(extended(stream.sequence))
    return new


def packet_interval_ms(rtp: Rtp, otherwise: float) -> float:
    """The normal interval between packets, from the media's own timestamps (RFC 3551 4.2)."""
    steps = np.diff(rtp.timestamp.astype(np.int64))
    steps = steps[(np.diff(rtp.sequence).astype(np.int16) == 1) & (steps > 0)]
    if not len(steps):
        return otherwise
    return float(np.median(steps)) * 1000 / CLOCK_HZ.get(int(rtp.payload_type[0]), 8000)


def interval_spread_ms(rtp: Rtp, interval_ms: float, gap: Gap | None) -> float:
    """Standard deviation of the intervals between neighbours by sequence number, the handoff's gap left out."""
    steps = np.diff(rtp.time_ns)
    neighbours = (np.diff(rtp.sequence).astype(np.int16) == 1) & (np.diff(rtp.ssrc.astype(np.int64)) == 0)
    if gap is not None:
        neighbours &= rtp.time_ns[:-1] != gap.start_ns
    if int(neighbours.sum()) < 2:
        return 0.0
    return float(np.sqrt(np.mean((steps[neighbours] / 1e6 - interval_ms) ** 2)))


def largest_gap(time_ns: Ints, window: Window) -> Gap | None:
    """The largest gap that ends after the trigger and begins before the window's end.

    Silence that lasts until the window's end counts as a gap that did not end, if it is the largest or longer than
    SILENCE_AT_END_MS.  None where nothing was received before the trigger: then there was no call to interrupt.
    """
    time_ns = np.sort(time_ns[time_ns <= window.end_ns])
    if not len(time_ns) or time_ns[0] > window.trigger_ns:
        return None
    silence = Gap(int(time_ns[-1]), window.end_ns, resumed=False)
    ends_after = time_ns[1:] >= window.trigger_ns
    starts, ends = time_ns[:-1][ends_after], time_ns[1:][ends_after]
    if not len(ends):
        return silence
    widest = int(np.argmax(ends - starts))
    gap = Gap(int(starts[widest]), int(ends[widest]), resumed=True)
    return silence if silence.ms > SILENCE_AT_END_MS else gap


def silences(time_ns: Ints, window: Window, longer_than_ms: float) -> list[Gap]:
    """Every silence of the window longer than this, in order: when media stopped and when it came back."""
    time_ns = np.sort(time_ns[(time_ns >= window.start_ns) & (time_ns <= window.end_ns)])
    wide = np.flatnonzero(np.diff(time_ns) > longer_than_ms * 1e6)
    return [Gap(int(time_ns[at]), int(time_ns[at + 1]), resumed=True) for at in wide]


def count_losses(sent: Rtp, received: Rtp, window: Window, interval_ms: float = 20.0) -> Losses:
    """Losses of all streams of a direction that fall into the window.

    A lost packet falls where the last packet received before it fell, or where it was sent if that is known.
    """
    arrivals, departures = received.by_ssrc(), sent.by_ssrc()
    total = Losses()
    for ssrc in dict.fromkeys([*departures, *arrivals]):
        total += _stream_losses(departures.get(ssrc), arrivals.get(ssrc), window)
    return total + Losses(never_sent=_between_streams(departures or arrivals, window, interval_ms))


def _between_streams(streams: Mapping[int, Rtp], window: Window, interval_ms: float) -> int:
    """Packets that would have been sent after one stream ended and before the next began."""
    spans = sorted((int(stream.time_ns.min()), int(stream.time_ns.max())) for stream in streams.values())
    missing = 0
    for (_, end_ns), (begin_ns, _) in pairwise(spans):
        if window.start_ns <= end_ns <= window.end_ns:
            missing += max(0, round((begin_ns - end_ns) / 1e6 / interval_ms) - 1)
    return missing


def _stream_losses(sent: Rtp | None, received: Rtp | None, window: Window) -> Losses:
    departed = extended(sent.sequence) if sent is not None else np.empty(0, np.int64)
    near = int(departed[0]) if len(departed) else None
    arrived = extended(received.sequence, near) if received is not None else np.empty(0, np.int64)
    known = np.concatenate([departed, arrived])
    missing = np.setdiff1d(np.arange(known.min(), known.max() + 1), arrived)
    left = np.isin(missing, departed)
    moment = _moments(missing, departed, sent, arrived, received)
    inside = (moment >= window.start_ns) & (moment <= window.end_ns)
    losses = Losses(int((left & inside).sum()), int((~left & inside).sum()))
    if received is None:
        return losses
    first = first_copies(arrived)
    late = np.zeros(len(arrived), np.bool_)
    late[first] = arrived[first] < np.maximum.accumulate(arrived[first])
    here = (received.time_ns >= window.start_ns) & (received.time_ns <= window.end_ns)
    return Losses(losses.sent_not_received, losses.never_sent, int((~first & here).sum()), int((late & here).sum()))


def _moments(missing: Ints, departed: Ints, sent: Rtp | None, arrived: Ints, received: Rtp | None) -> Ints:
    """When each missing packet went missing: its own departure, else its nearest known predecessor's time."""
    numbers, times = [departed, arrived], [rtp.time_ns for rtp in (sent, received) if rtp is not None]
    number, time = np.concatenate(numbers), np.concatenate(times)
    order = np.argsort(number, kind="stable")  # a departure stands before its arrival
    number, time = number[order], time[order]
    place = np.clip(np.searchsorted(number, missing, side="right") - 1, 0, len(number) - 1)
    moments: Ints = time[place]
    return moments
