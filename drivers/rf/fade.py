"""A fade as data: attenuation in dB over time, as a link loses its signal by distance, by a door, by a plan.

    walk: {from_m: 2, to_m: 60, speed_m_s: 1.4, exponent: 3}
    ramp: {from_db: 0, to_db: 60, duration_s: 20}
    door: {db: 12, at_s: 5, duration_s: 10, closing_s: 0.8}
    points: [[0, 0], [3, 10], [4, 40]]
    file: corridor.csv
    together: [...]     # what several do at once, added up: a walk through a door
    then: [...]         # one after the other

With `reverse: true` beside it a fade runs backwards: who walked away comes home.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decibels = Annotated[float, Field(allow_inf_nan=False)]
Metres = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Moment = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Profile(Protocol):
    """Attenuation over time; before its begin and after its end it stays as it is there."""

    @property
    def duration_s(self) -> float: ...

    def db_at(self, t_s: float) -> float: ...


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ramp(_Data):
    """Evenly from here to there."""

    from_db: Decibels = 0.0
    to_db: Decibels
    duration_s: Seconds

    def db_at(self, t_s: float) -> float:
        return self.from_db + (self.to_db - self.from_db) * _clamp(t_s / self.duration_s, 0.0, 1.0)


class Walk(_Data):
    """Someone walks straight away from the access point (or towards it) at an even pace.

    Log-distance path loss: 10 n log10(d / d0) dB, with d0 the nearer of both ends, so that nothing is attenuated there.
    `exponent` n is 2 in the open and 3 to 4 indoors (ITU-R P.1238 has such figures by band and building).
    """

    from_m: Metres
    to_m: Metres
    speed_m_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.4
    exponent: Annotated[float, Field(gt=0, le=10)] = 3.0

    @property
    def duration_s(self) -> float:
        return abs(self.to_m - self.from_m) / self.speed_m_s

    def db_at(self, t_s: float) -> float:
        way = self.to_m - self.from_m
        distance_m = self.from_m + (way * _clamp(t_s / self.duration_s, 0.0, 1.0) if way else 0.0)
        return 10 * self.exponent * math.log10(distance_m / min(self.from_m, self.to_m))


class Door(_Data):
    """A door that falls shut: so many dB more from `at_s` on, over the time that it takes to close."""

    db: Decibels
    at_s: Moment = 0.0
    duration_s: Seconds
    closing_s: Moment = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.at_s + self.closing_s > self.duration_s:
            raise ValueError("the door closes after the end: make duration_s longer")
        return self

    def db_at(self, t_s: float) -> float:
        if t_s < self.at_s:
            return 0.0
        return self.db * _clamp((t_s - self.at_s) / self.closing_s, 0.0, 1.0) if self.closing_s else self.db


class Points(_Data):
    """Straight lines between points, each `(seconds, dB)`; times begin at 0 and go up.  Two at one time make a step."""

    points: Annotated[tuple[tuple[Moment, Decibels], ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        times = [t_s for t_s, _ in self.points]
        if times[0] != 0:
            raise ValueError(f"the first point is at {times[0]:g} s; it must be at 0")
        for number, (one, other) in enumerate(pairwise(times), 2):
            if other < one:
                raise ValueError(f"point {number} ({other:g} s) is before the one above it ({one:g} s)")
        if times[-1] == 0:
            raise ValueError("all points are at 0 s")
        return self

    @property
    def duration_s(self) -> float:
        return self.points[-1][0]

    def db_at(self, t_s: float) -> float:
        for (begin_s, begin_db), (end_s, end_db) in pairwise(self.points):
            if t_s < end_s:
                return begin_db + (end_db - begin_db) * _clamp((t_s - begin_s) / (end_s - begin_s), 0.0, 1.0)
        return self.points[-1][1]


class Reversed:
    """Another one backwards."""

    def __init__(self, of: Profile) -> None:
        self._of = of

    @property
    def duration_s(self) -> float:
        return self._of.duration_s

    def db_at(self, t_s: float) -> float:
        return self._of.db_at(self.duration_s - t_s)


class Together:
    """Several at once, added up; it lasts as long as the longest."""

    def __init__(self, parts: Sequence[Profile]) -> None:
        self._parts = tuple(parts)

    @property
    def duration_s(self) -> float:
        return max(part.duration_s for part in self._parts)

    def db_at(self, t_s: float) -> float:
        return sum(part.db_at(t_s) for part in self._parts)


class Then:
    """One after the other; each begins at its own attenuation."""

    def __init__(self, parts: Sequence[Profile]) -> None:
        self._parts = tuple(parts)

    @property
    def duration_s(self) -> float:
        return sum(part.duration_s for part in self._parts)

    def db_at(self, t_s: float) -> float:
        for part in self._parts:
            if t_s < part.duration_s:
                return part.db_at(t_s)
            t_s -= part.duration_s
        return self._parts[-1].db_at(self._parts[-1].duration_s)


KINDS: dict[str, Any] = {"walk": Walk, "ramp": Ramp, "door": Door}


def _clamp(value: float, lowest: float, highest: float) -> float:
    return min(max(value, lowest), highest)
