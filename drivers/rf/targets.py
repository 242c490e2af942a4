"""Other things than an attenuator on which a fade can be played: an access point's power, netem.

Both are what a bench has without an attenuator.  Power cannot do much (some 20 dB) and in coarse steps; netem does not
touch the signal, only what is lost and late, so a UE that decides by signal does not notice it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from drivers.protocols import LinkShaper, Shape
from drivers.rf.limits import Limits


class PowerFade:
    """Attenuation by transmitting with less power: `set_dbm` sets it, `read_dbm` reads it back."""

    def __init__(
        self,
        set_dbm: Callable[[float], None],
        read_dbm: Callable[[], float],
        *,
        full_dbm: float,
        least_dbm: float,
        step_db: float = 1.0,
        where: str = "transmit power",
    ) -> None:
        self._set_dbm, self._read_dbm, self._full_dbm, self._where = set_dbm, read_dbm, full_dbm, where
        self.limits = Limits(0.0, full_dbm - least_dbm, step_db)

    def set_attenuation_db(self, db: float) -> float:
        wanted = self.limits.checked(db, self._where)
        self._set_dbm(self._full_dbm - wanted)
        return wanted

    def attenuation_db(self) -> float:
        return self._full_dbm - self._read_dbm()


@dataclass(frozen=True)
class Effect:
    """What so much attenuation does to a link's packets."""

    db: float
    loss_percent: float
    more_delay_ms: float


# As a Wi-Fi link that starts with plenty of signal: nothing for long, then retries (late), then losses, then the end.
WIFI_EFFECTS = (
    Effect(0, 0.0, 0.0),
    Effect(35, 0.0, 0.0),
    Effect(45, 0.5, 5.0),
    Effect(52, 5.0, 20.0),
    Effect(58, 30.0, 40.0),
    Effect(62, 100.0, 40.0),
)


class NetemFade:
    """Attenuation as loss and delay on top of what each direction of a link has."""

    def __init__(
        self,
        directions: Sequence[tuple[LinkShaper, Shape]],
        effects: Sequence[Effect] = WIFI_EFFECTS,
        where: str = "netem",
    ) -> None:
        self._directions, self._effects, self._where = tuple(directions), tuple(effects), where
        self.limits = Limits(0.0, effects[-1].db, 0.25)
        self._db = 0.0

    def set_attenuation_db(self, db: float) -> float:
        wanted = self.limits.checked(db, self._where)
        effect = effect_of(wanted, self._effects)
        for shaper, base in self._directions:
            through = (1 - base.loss_percent / 100) * (1 - effect.loss_percent / 100)
            delay_ms = base.delay_ms + effect.more_delay_ms
            shaper.apply(replace(base, delay_ms=delay_ms, loss_percent=100 * (1 - through)))
        self._db = wanted
        return wanted

    def attenuation_db(self) -> float:
        return self._db


def effect_of(db: float, effects: Sequence[Effect]) -> Effect:
    """Between two rows of the table, in proportion."""
    for one, other in pairwise(effects):
        if db < other.db:
            part = max(0.0, (db - one.db) / (other.db - one.db))
            loss_percent = one.loss_percent + part * (other.loss_percent - one.loss_percent)
            return Effect(db, loss_percent, one.more_delay_ms + part * (other.more_delay_ms - one.more_delay_ms))
    return effects[-1]
