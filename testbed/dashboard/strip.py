"""Media as a strip of marks, one for a fixed time, read from a run's own captures once it is over.

media, one mark for 20 ms
uplink   ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▂▁▁▁▁▅▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
downlink ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▄▁▁▁▁▁▃▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
                         ▲ carrier-loss on lte
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from testbed.measure.pcapng import Ints
    from testbed.results.folder import RunFolder

LEVELS = "▁▂▃▄▅▆▇"
LEAD_MS = 300.0  # of media before the trigger and after the handoff
PTIME_MS = 20.0
TOLERANCE_MS = 5.0  # a packet may be that late without leaving a hole in the sound: jitter is no interruption


@dataclass(frozen=True)
class MediaStrip:
    """How much of each slot of `slot_ms` had sound, from 0 to 1; the trigger lies at the start of slot `trigger`."""

    slot_ms: float
    trigger: int
    shares: dict[str, tuple[float, ...]]
    label: str = ""  # of the trigger


def level_marks(shares: Sequence[float]) -> str:
    """A mark for each share, from 0 to 1."""
    top = len(LEVELS) - 1
    return "".join(LEVELS[min(top, max(0, round(share * top)))] for share in shares)


def strip_lines(strip: MediaStrip, trigger: str) -> list[str]:
    """The strip as lines of text."""
    name = max(map(len, strip.shares), default=0)
    lines = [f"media, one mark for {strip.slot_ms:g} ms"]
    lines += [f"{way:{name}} {level_marks(shares)}" for way, shares in strip.shares.items()]
    return [*lines, f"{' ' * (name + 1 + strip.trigger)}▲ {trigger}"]


def media_strips(folder: RunFolder, width: int) -> list[MediaStrip]:
    """A strip of at most `width` slots for each handoff of a run that is over; none where captures tell nothing."""
    from testbed.errors import MeasurementInvalid
    from testbed.measure.esp import EspKeys
    from testbed.measure.handoff import read_end, windows
    from testbed.measure.media import largest_gap
    from testbed.results.analyse import read_context

    context = read_context(folder)
    ue = tuple(address for addresses in context.ue_addresses.values() for address in addresses)
    try:
        at_ue = read_end(folder.capture("ue"), ue, context.far_addresses, EspKeys())
        at_far = read_end(folder.capture("far"), context.far_addresses, ue, EspKeys())
    except MeasurementInvalid:
        return []
    received = {"uplink": at_far.received.time_ns, "downlink": at_ue.received.time_ns}
    strips = []
    found = windows(at_ue.markers, context.handoffs, at_ue.last_ns)
    for plan, window in zip(context.handoffs, found, strict=False):
        gaps = [gap for times in received.values() if (gap := largest_gap(times, window)) is not None]
        if gaps:
            last_ms = max(0.0, max(gap.end_ns - window.trigger_ns for gap in gaps) / 1e6)
            strip = strip_of(received, window.trigger_ns, last_ms, width)
            strips.append(replace(strip, label=str(plan.trigger)))
    return strips


def strip_of(received: dict[str, Ints], trigger_ns: int, last_ms: float, width: int) -> MediaStrip:
    """From LEAD_MS before the trigger to LEAD_MS after media was back, `last_ms` after it, in at most `width` slots."""
    slot_ms = PTIME_MS * max(1, math.ceil((2 * LEAD_MS + last_ms) / (width * PTIME_MS)))
    before = round(LEAD_MS / slot_ms)
    slots = min(width, before + math.ceil((last_ms + LEAD_MS) / slot_ms))
    begin_ns = trigger_ns - round(before * slot_ms * 1e6)
    return MediaStrip(
        slot_ms, before, {way: _shares(times, begin_ns, slot_ms, slots) for way, times in received.items()}
    )


def _shares(times: Ints, begin_ns: int, slot_ms: float, slots: int) -> tuple[float, ...]:
    import numpy as np

    sound_ms = PTIME_MS + TOLERANCE_MS  # each packet holds PTIME_MS of sound
    at_ms: NDArray[np.float64] = np.sort(times - begin_ns) / 1e6
    at_ms = at_ms[(at_ms > -sound_ms) & (at_ms < slots * slot_ms)]
    if not len(at_ms):
        return (0.0,) * slots
    lasts_ms = np.minimum(np.diff(at_ms, append=np.inf), sound_ms)
    borders = np.arange(slots + 1) * slot_ms
    heard_ms = np.clip(borders[:, None] - at_ms[None, :], 0.0, lasts_ms[None, :]).sum(axis=1)
    return tuple(float(share) for share in np.diff(heard_ms) / slot_ms)
