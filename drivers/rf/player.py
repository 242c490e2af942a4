"""Plays a fade on whatever has `set_attenuation_db`, at the rate and in the steps of which that is capable.

:func:`steps` is pure; :class:`Player` has the clock passed in and says when it wants to be called again; :func:`play`
is the loop around it for real time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.protocols import Attenuator
from drivers.rf.fade import Profile
from drivers.rf.limits import Limits


@dataclass(frozen=True)
class Step:
    """Set this attenuation at this time from the begin."""

    at_s: float
    db: float


@dataclass(frozen=True)
class Played:
    """A step that was played: when it was due, how late it was begun, and how long the lever took for it."""

    at_s: float
    db: float
    late_s: float
    took_s: float


def steps(profile: Profile, limits: Limits, rate_hz: float) -> list[Step]:
    """What to set and when: at most `rate_hz` steps a second, each one that the lever has, and only where it changes.

    What the fade wants beyond the limits stays at the limit.  The end is a step too: a fade ends where it says.
    """
    ticks = [number / rate_hz for number in range(math.ceil(profile.duration_s * rate_hz - 1e-9))]
    found: list[Step] = []
    for at_s in [*ticks, profile.duration_s]:
        db = limits.clamped(profile.db_at(at_s))
        if not found or found[-1].db != db:
            found.append(Step(at_s, db))
    return found


class Player:
    """One fade under way.  A step whose successor is due as well is left out: the lever cannot keep up."""

    def __init__(self, plan: Sequence[Step], begin_s: float) -> None:
        self._left, self._begin_s = list(plan), begin_s
        self.left_out = 0

    def wake_at(self) -> float | None:
        """When the next step is due, on the caller's clock; None at the end."""
        return self._begin_s + self._left[0].at_s if self._left else None

    def due(self, now_s: float) -> Step | None:
        """The step to be set now, if any."""
        ready = [step for step in self._left if self._begin_s + step.at_s <= now_s + 1e-9]
        if not ready:
            return None
        self._left = self._left[len(ready) :]
        self.left_out += len(ready) - 1
        return ready[-1]


def play(
    plan: Sequence[Step],
    lever: Attenuator,
    *,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
    told: Callable[[Played], None] = lambda _: None,
) -> list[Played]:
    """Play a plan to its end, or until `stop` is set; returns what was played.  Raises what the lever raises."""
    stop = stop or threading.Event()
    begin_s = clock()
    player, played = Player(plan, begin_s), list[Played]()
    while (wake_s := player.wake_at()) is not None:
        if stop.wait(max(0.0, wake_s - clock())):
            break
        now_s = clock()
        if (step := player.due(now_s)) is None:
            continue
        db = lever.set_attenuation_db(step.db)
        one = Played(step.at_s, db, now_s - begin_s - step.at_s, clock() - now_s)
        played.append(one)
        told(one)
    return played
