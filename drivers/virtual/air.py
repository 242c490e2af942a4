"""What the air does to Wi-Fi frames: path loss, attenuation, and frames lost for want of signal.

No I/O and no clock: a frame in, who receives it with which signal, and what the sender learns.  Chance is seeded and
drawn in the order of the frames.  Frames do not collide and take no time: the signal is the subject here, not the load.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.errors import DriverError

SPEED_OF_LIGHT_M_S = 299_792_458.0
LEAST_DBM, MOST_DBM = -128, 20  # what a receiver can report: a signed byte, and no more than is sent near by
HALVING_DB = 0.6  # so many dB change the odds of a frame by the factor e
ODDS_AT_SENSITIVITY = math.log(9)  # there a frame of 1000 octets is lost one time in ten
PREAMBLE_PART = 0.5  # of that risk lies before the first octet: also a short frame must be noticed
# Mbit/s, and the signal in dBm at which one in ten frames of 1000 octets is lost: the minimum input sensitivity of IEEE
# 802.11-2020 (15.4.6.2, 16.3.8.2, table 17-18, table 19-23: 20 MHz), less 10 dB, by which common receivers are better.
CCK = ((1.0, -97.0), (2.0, -94.0), (5.5, -91.0), (11.0, -88.0))
OFDM = (
    (6.0, -92.0),
    (9.0, -91.0),
    (12.0, -89.0),
    (18.0, -87.0),
    (24.0, -84.0),
    (36.0, -80.0),
    (48.0, -76.0),
    (54.0, -75.0),
)
MCS_DBM = (
    -92.0,
    -89.0,
    -87.0,
    -84.0,
    -80.0,
    -76.0,
    -75.0,
    -74.0,
    -69.0,
    -67.0,
)  # HT and VHT, each spatial stream alike
Link = frozenset[str]


@dataclass(frozen=True)
class Rate:
    """What a frame is sent with."""

    index: int  # in the band's table, or the MCS
    tries: int
    mcs: bool = False


@dataclass(frozen=True)
class Frame:
    """A frame on its way; `sender` names a radio, `to` is None where all may receive it (a group address)."""

    sender: str
    to: str | None
    octets: int
    frequency_mhz: int
    rates: Sequence[Rate]  # tried in this order; nobody acknowledges a frame to all, which is sent once


@dataclass(frozen=True)
class Reception:
    """A radio that receives it."""

    radio: str
    signal_dbm: int


@dataclass(frozen=True)
class Outcome:
    """What became of a frame: to how many tries of each rate it came, who receives it, and whether he acknowledges."""

    tries: tuple[int, ...]
    receptions: tuple[Reception, ...]
    acknowledged: bool = False


@dataclass
class Radio:
    """A radio as the air sees it."""

    name: str
    power_dbm: float = 20.0
    place_m: tuple[float, float] = (0.0, 0.0)
    mute: bool = False  # it believes that it sends, and nothing leaves its antenna
    deaf: bool = False  # nothing reaches it


@dataclass
class Air:
    """All radios, and what lies between them."""

    radios: Mapping[str, Radio]
    seed: int = 0
    exponent: float = 3.0  # of the path loss: 2 in the open, 3 to 4 indoors (ITU-R P.1238)
    losses_db: Mapping[Link, float] = field(default_factory=dict)  # instead of path loss by distance
    _attenuations_db: dict[Link, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def attenuate(self, link: Link, db: float) -> None:
        """So much weaker, both ways, from now on."""
        self._known(link)
        self._attenuations_db[link] = db

    def attenuation_db(self, link: Link) -> float:
        self._known(link)
        return self._attenuations_db.get(link, 0.0)

    def signal_dbm(self, sender: str, receiver: str, frequency_mhz: int) -> float:
        """What arrives of what a radio sends."""
        link = frozenset((sender, receiver))
        one, other = self.radios[sender], self.radios[receiver]
        loss_db = self.losses_db.get(link)
        if loss_db is None:
            loss_db = path_loss_db(math.dist(one.place_m, other.place_m), frequency_mhz, self.exponent)
        return one.power_dbm - loss_db - self._attenuations_db.get(link, 0.0)

    def carry(self, frame: Frame) -> Outcome:
        """Send a frame."""
        if frame.to is None:
            heard = (name for name in self.radios if name != frame.sender)
            received = [each for name in heard if (each := self._try(frame, name, frame.rates[:1], once=True)[1])]
            return Outcome((1,), tuple(received))
        tries, reception = self._try(frame, frame.to, frame.rates) if frame.to in self.radios else ((), None)
        if reception and not self.radios[frame.to].mute:
            return Outcome(tries, (reception,), True)
        # Whom it does not reach, or who has no voice, acknowledges none of the tries.
        return Outcome(tuple(rate.tries for rate in frame.rates), (reception,) if reception else ())

    def _try(
        self, frame: Frame, receiver: str, rates: Sequence[Rate], *, once: bool = False
    ) -> tuple[tuple[int, ...], Reception | None]:
        signal_dbm = self.signal_dbm(frame.sender, receiver, frame.frequency_mhz)
        nothing = self.radios[frame.sender].mute or self.radios[receiver].deaf
        tried: list[int] = []
        for rate in rates:
            lost = loss_probability(signal_dbm, sensitivity_dbm(rate, frame.frequency_mhz), frame.octets)
            for count in range(1, (1 if once else rate.tries) + 1):
                if self._chance.random() >= lost and not nothing:
                    reported = max(LEAST_DBM, min(MOST_DBM, round(signal_dbm)))
                    return (*tried, count), Reception(receiver, reported)
            tried.append(rate.tries)
        return tuple(tried), None

    def _known(self, link: Link) -> None:
        missing = sorted(link - self.radios.keys())
        if missing or len(link) != 2:
            what = f"there is no radio {', '.join(missing)}" if missing else "a link has two radios"
            raise DriverError(what, where="virtual medium", mend=f"there are {', '.join(sorted(self.radios))}")


def path_loss_db(distance_m: float, frequency_mhz: int, exponent: float) -> float:
    """Log-distance path loss: in free space up to one metre (ITU-R P.525), from there 10 n log10(d)."""
    free_db = 20 * math.log10(4 * math.pi * frequency_mhz * 1e6 / SPEED_OF_LIGHT_M_S)
    return free_db + 10 * exponent * math.log10(max(distance_m, 1.0))


def sensitivity_dbm(rate: Rate, frequency_mhz: int) -> float:
    """The signal that a rate needs; the tables of 5 GHz begin with OFDM."""
    if rate.mcs:
        return MCS_DBM[min(max(rate.index, 0), len(MCS_DBM) - 1)]
    table = (*CCK, *OFDM) if frequency_mhz < 4000 else OFDM
    return table[min(max(rate.index, 0), len(table) - 1)][1]


def loss_probability(signal_dbm: float, needed_dbm: float, octets: int) -> float:
    """Of one try of a frame, which is lost when any of its parts is."""
    odds = (signal_dbm - needed_dbm) / HALVING_DB + ODDS_AT_SENSITIVITY
    if odds > 60:
        return 0.0
    lost = 1 / (1 + math.exp(odds)) if odds > -60 else 1.0
    return float(1 - (1 - lost) ** (PREAMBLE_PART + (1 - PREAMBLE_PART) * octets / 1000))
