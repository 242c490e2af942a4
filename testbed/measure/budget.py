"""What lies above the floor, millisecond by millisecond, and whose it is.

The interruption of a direction is a chain of moments that captures stamped: the last packet by the old access, the
trigger, the UE's notice, each request and its answer, the first packet by the new access.  Every link of the chain has
its share of the floor (`testbed.measure.floor`); what it took beyond that is an excess, and belongs to somebody:

- **UE**, **far UE**: between what an end received and what it sent next.
- **core+network**: a round trip, or a way to the far end, beyond the topology's delay.  Captures at the servers take it
  apart: each server's own is what it held a message for, the rest is the **network**'s (links, and the machine that
  plays them).
- **measurement**: a packet every I reads the path at its own moments.  The last one before the cut came up to I early,
  the first one after the repair waited for up to I unless its sender repeats the newest one at once, and one I was
  taken off the gap: what remains lies within +-I and is nobody's.

The links telescope, so the shares of a direction sum to its interruption less its floor.  A moment that is not in the
captures lends its floor to the next one, whose excess then speaks for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from testbed.measure.chain import FAR, MEASUREMENT, NETWORK, UE, UNKNOWN, Link, Scene, links
from testbed.measure.media import Gap
from testbed.measure.rtp import Rtp
from testbed.measure.words import Direction, Procedure

GRID = "packet grid: where the gap's two ends fell between packets"
NEGLIGIBLE_MS = 0.0005  # half of the last digit that a result shows


@dataclass(frozen=True)
class Share:
    """Some milliseconds above the floor; negative: it took less than the floor grants."""

    what: str
    whose: str
    ms: float
    directions: tuple[Direction, ...] = ()
    end_ns: int | None = None  # when it was over; None: at no moment of its own


def above_floor(scene: Scene) -> list[Share]:
    """The shares of both directions, in the order of time; one that is the same in both stands once."""
    up, down = (_direction(scene, direction) for direction in Direction)
    shared = [share for share in up if share in down and share.whose != MEASUREMENT]
    found = []
    for shares, direction in ((up, Direction.UPLINK), (down, Direction.DOWNLINK)):
        for share in shares:
            if share not in shared:
                found.append(replace(share, directions=(direction,)))
            elif direction == Direction.UPLINK:
                found.append(replace(share, directions=tuple(Direction)))
    return found


def total_ms(shares: Iterable[Share], direction: Direction) -> float:
    """What the shares of one direction sum to: its interruption less its floor."""
    return sum(share.ms for share in shares if direction in share.directions)


def outage_ms(interruption_ms: float | None, shares: Iterable[Share], direction: Direction) -> float | None:
    """How long the path of a direction carried nothing: its interruption without what the raster gave or took.

    None where the interruption could not be apportioned, for then nobody knows the raster's part.
    """
    mine = [share for share in shares if direction in share.directions]
    if interruption_ms is None or any(share.whose == UNKNOWN for share in mine):
        return None
    return interruption_ms - sum(share.ms for share in mine if share.whose == MEASUREMENT)


def _direction(scene: Scene, direction: Direction) -> list[Share]:
    figures = scene.handoff.media[direction]
    gap, interruption = figures.gap, figures.interruption_ms
    if gap is None or interruption is None or not gap.resumed:
        return []
    excess = interruption - getattr(scene.handoff.floor, direction.value)
    ends = (scene.ue.sent, scene.far.received) if direction == Direction.UPLINK else (scene.far.sent, scene.ue.received)
    last, first = (departure(*ends, moment) for moment in (gap.start_ns, gap.end_ns))
    if scene.handoff.plan.procedure == Procedure.MAKE_BEFORE_BREAK:
        shares = _of_two_packets(direction, gap, last, first, figures.interval_ms)
    elif gap.end_ns == figures.new_path_ns:
        shares = _of_chain(scene, direction, gap, last, first)
    else:
        shares = []
    if not shares:
        shares = [Share("not apportioned: the largest gap does not end with the new access", UNKNOWN, excess)]
    rest = excess - sum(share.ms for share in shares)
    if abs(rest) >= NEGLIGIBLE_MS:
        shares.append(Share("neither an interruption nor a floor can be less than nothing", MEASUREMENT, rest))
    return [share for share in shares if abs(share.ms) >= NEGLIGIBLE_MS]


def _of_chain(scene: Scene, direction: Direction, gap: Gap, last: int | None, first: int | None) -> list[Share]:
    """The shares of a break before make: what the packets' raster did, then every link of the chain."""
    interval_ms, trigger_ns = scene.handoff.media[direction].interval_ms, scene.handoff.window.trigger_ns
    start_ns = _silence_begins(scene)
    shares = _walk(start_ns, links(scene, direction, first, gap.end_ns))
    grid_ms = sum(share.ms for share in shares if share.whose == MEASUREMENT) - interval_ms
    grid_ms -= (trigger_ns - start_ns) / 1e6
    if direction == Direction.DOWNLINK:
        grid_ms += (trigger_ns - gap.start_ns) / 1e6
        early = []
    else:  # the last packet left before the cut, and arrived after it
        swallowed_ms = 0.0 if scene.handoff.plan.old_path_drains else scene.handoff.plan.old_delay_ms
        way_ms = scene.legs.drain + swallowed_ms
        left_ns = last if last is not None else gap.start_ns - round(way_ms * 1e6)
        grid_ms += (trigger_ns - left_ns) / 1e6 - swallowed_ms
        on_its_way_ms = (gap.start_ns - left_ns) / 1e6
        early = [Share("last uplink packet on its way", NETWORK, way_ms - on_its_way_ms, end_ns=gap.start_ns)]
    return [*early, *(share for share in shares if share.whose != MEASUREMENT), Share(GRID, MEASUREMENT, grid_ms)]


def _silence_begins(scene: Scene) -> int:
    """From when the UE's notice counts: the trigger; where silence tells it, the last packet that it received.

    That packet came up to an interval before the trigger, which is no merit of the UE's but the raster's.
    """
    trigger_ns, received = scene.handoff.window.trigger_ns, scene.ue.received.time_ns
    before = received[received <= trigger_ns]
    return int(before.max()) if scene.handoff.plan.detection_ms and len(before) else trigger_ns


def _of_two_packets(
    direction: Direction, gap: Gap, last: int | None, first: int | None, interval_ms: float
) -> list[Share]:
    """The shares of a gap without a procedure in it: how its two packets were sent, and how they travelled."""
    if last is None or first is None:
        return []
    sent_ms = (first - last) / 1e6
    sender = UE if direction == Direction.UPLINK else FAR
    return [
        Share(
            "last packet before the gap and first one after it: sent apart, beyond the interval",
            sender,
            sent_ms - interval_ms,
        ),
        Share("the second of them was longer on its way than the first", NETWORK, gap.ms - sent_ms),
    ]


def _walk(start_ns: int, chain: Iterable[Link]) -> list[Share]:
    """What each link took beyond its floor.  A link with no end, or one after the chain's own, lends to the next."""
    chain = list(chain)
    limit_ns = chain[-1].end_ns
    shares: list[Share] = []
    last_ns, lent_ms = start_ns, 0.0
    for link in chain:
        lent_ms += link.floor_ms
        if link.end_ns is None or (limit_ns is not None and link.end_ns > limit_ns):
            continue
        end_ns = max(link.end_ns, last_ns)
        excess_ms = (end_ns - last_ns) / 1e6 - lent_ms
        for server, held_ns in link.held_ns.items():
            shares.append(Share(f"{link.what}: held", server, held_ns / 1e6, end_ns=end_ns))
            excess_ms -= held_ns / 1e6
        shares.append(Share(link.what, link.whose, excess_ms, end_ns=end_ns))
        last_ns, lent_ms = end_ns, 0.0
    return shares


def departure(sent: Rtp, received: Rtp, arrived_ns: int) -> int | None:
    """When the packet that arrived at this moment had left its sender, where the sender's capture holds it."""
    rows = np.flatnonzero(received.time_ns == arrived_ns)
    if not len(rows):
        return None
    row = rows[0]
    same = (sent.ssrc == received.ssrc[row]) & (sent.sequence == received.sequence[row]) & (sent.time_ns <= arrived_ns)
    found = np.flatnonzero(same)
    return int(sent.time_ns[found[-1]]) if len(found) else None
