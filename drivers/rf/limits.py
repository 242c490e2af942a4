"""What an attenuator can be set to: from, to, in which steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivers.rf.errors import OutOfRange


@dataclass(frozen=True)
class Limits:
    """In dB.  The bench may allow less than the device can."""

    minimum_db: float
    maximum_db: float
    step_db: float

    def clamped(self, db: float) -> float:
        """The nearest step, counted from 0 dB, that is allowed."""
        lowest = math.ceil(self.minimum_db / self.step_db - 1e-9)
        highest = math.floor(self.maximum_db / self.step_db + 1e-9)
        return round(min(max(round(db / self.step_db), lowest), highest) * self.step_db, 6)

    def checked(self, db: float, where: str) -> float:
        """The setting for `db`, rounded to a step; raises OutOfRange when it is not allowed (or no number)."""
        if not self.minimum_db <= db <= self.maximum_db:
            mend = f"ask for {self.minimum_db:g} to {self.maximum_db:g} dB, or change the lever's limits"
            raise OutOfRange(f"{db:g} dB is out of range", where=where, mend=mend)
        return self.clamped(db)

    def within(self, other: Limits) -> bool:
        return other.minimum_db <= self.minimum_db and self.maximum_db <= other.maximum_db
