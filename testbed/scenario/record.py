"""What the runner sees of a run, and how it tells of it while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from testbed.measure.capture import CaptureStats
from testbed.measure.expected import PlannedHandoff
from testbed.results.context import Lateness, StepRecord
from testbed.scenario.evidence import clock_offset_s
from testbed.scenario.progress import Progress, Told


@dataclass
class Recorded:
    """What is known of a run at its end, beside its captures."""

    started: datetime
    clock_s: float = field(default_factory=clock_offset_s)
    failures: list[str] = field(default_factory=list)
    rig_errors: list[str] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    lateness: dict[str, Lateness] = field(default_factory=dict)
    captures: dict[str, CaptureStats] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    handoffs: list[PlannedHandoff] = field(default_factory=list)  # those that were triggered
    steps: list[StepRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@contextmanager
def stage_of(told: Told, stage: str, text: str, timings_s: dict[str, float]) -> Iterator[None]:
    """Tell when a stage begins and how it ends, and note how long it took."""
    begun = time.monotonic()
    told(Progress(stage, "begun", text))
    try:
        yield
    except BaseException:
        told(Progress(stage, "failed", text, time.monotonic() - begun))
        raise
    timings_s[stage] = time.monotonic() - begun
    told(Progress(stage, "done", text, timings_s[stage]))
