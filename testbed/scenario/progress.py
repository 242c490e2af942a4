"""What a run tells of itself while it goes on: events for whoever looks on, never evidence.

Figures in a result come from captures.  What is told here is measured with the program's own clock and may be late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

# In the order in which a run passes them.  Those of HANDOFF lie between the trigger and media that flows again.
STAGES = (
    "rig",
    "core",
    "ue",
    "register",
    "call",
    "trigger",
    "detect",
    "access",
    "reregister",
    "session",
    "media",
    "hangup",
    "analysis",
)
HANDOFF = frozenset(("detect", "access", "reregister", "session", "media"))

State = Literal["begun", "done", "failed", "note"]


@dataclass(frozen=True)
class Progress:
    """One event.

    `seconds` is how long the stage took, where it is over.  `detail` may hold `uplink` and `downlink` (packets received
    in 100 ms at the far end and at the UE; a number, or a list of them) and `connections` (access -> active, inactive
    or ended).
    """

    stage: str
    state: State
    text: str = ""
    seconds: float | None = None
    detail: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


Told = Callable[[Progress], None]

# Which marker of the UE ends which stage of the live view.
ENDS_STAGE = (
    ("detected", "detect"),
    ("access-up", "access"),
    ("registered", "reregister"),
    ("session-moved", "session"),
)


def tell_steps(steps: Iterable[tuple[str, float]], told: Told) -> None:
    """A handoff's phases, told when it is over: drawing them as they pass would be part of what is measured."""
    last, first = 0.0, dict(reversed(list(steps)))
    for event, stage in ENDS_STAGE:
        moment = first.get(event)
        if moment is not None:
            told(Progress(stage, "done", event, (moment - last) / 1000))
            last = moment
