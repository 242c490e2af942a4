"""What a UE's handoff policy sees and what it decides; see :mod:`testbed.ue.deciding`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class What(Enum):
    """The kinds of decision."""

    PREPARE = "prepare"  # get on that access; registrations and sessions stay where they are
    MAKE_BEFORE_BREAK = "make-before-break"  # move now, while the old access still works
    BREAK_BEFORE_MAKE = "break-before-make"  # move now; the old access is gone
    COME_BACK = "come-back"  # move to the access that is preferred, while the old one still works
    STAY = "stay"  # something speaks for leaving, and something more against it


MOVES = (What.MAKE_BEFORE_BREAK, What.BREAK_BEFORE_MAKE, What.COME_BACK)


@dataclass(frozen=True)
class Decision:
    """What to do, with which access, and why."""

    at_s: float
    what: What
    access: str
    reason: str


@dataclass(frozen=True)
class Signal:
    """A measurement of an access, used or not."""

    access: str
    dbm: float


@dataclass(frozen=True)
class LinkLost:
    """An access has no link any more."""

    access: str
    why: str = "link lost"


@dataclass(frozen=True)
class LinkUp:
    """An access has a link (again)."""

    access: str


@dataclass(frozen=True)
class MediaSilence:
    """Nothing has been received over an access for so long, in a call that is not held."""

    access: str
    after_ms: float


@dataclass(frozen=True)
class Ready:
    """An access that was to be prepared is attached."""

    access: str


@dataclass(frozen=True)
class HandedOver:
    """The sessions are on that access now."""

    access: str


@dataclass(frozen=True)
class Failed:
    """A decision for that access could not be carried out; the UE is where it was."""

    access: str
    why: str = "failed"


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Event = Signal | LinkLost | LinkUp | MediaSilence | Ready | HandedOver | Failed | Tick
