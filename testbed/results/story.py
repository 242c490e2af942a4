"""A run told in its order of time: the lines of `timeline.jsonl`, and the pictures that a report draws from."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.measure.timeline import Event, lines, timeline, zero
from testbed.results.context import RunContext
from testbed.results.reading import Reading


@dataclass
class Story:
    """Everything that happened, and when the first trigger was."""

    events: list[Event]
    zero_ns: int = 0

    def lines(self) -> str:
        """The text of `timeline.jsonl`."""
        return lines(self.events)


def tell(reading: Reading, context: RunContext) -> Story:
    """The story of a run."""
    accesses = {**context.ue_addresses, "far": context.far_addresses}
    events = timeline(reading.ends["ue"], reading.ends["far"], reading.handoffs, accesses)
    return Story(events, zero(events))
