"""What Mini-Circuits' programmable attenuators (RCDAT, RC2DAT, RC4DAT, RUDAT) are asked and answer, without I/O.

Source: Mini-Circuits, "Programming Manual, Programmable Attenuators" (Prog_Manual-6-Programmable_Attenuator), SCPI
commands over Ethernet, and the maker's Python example: `SETATT=10.75` for a single channel, `CHAN:2:3:4:SETATT:10.25`
for several, `ATT?`, `MN?` -> `MN=RCDAT-8000-30`.  A setting is answered with 1 (done), 0 (failed) or 2 (more than the
device's maximum, which was set).  `ATT?` tells several channels on one line with blanks between; they count from 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.rf.errors import Garbled, NotTaken

DONE, FAILED, TOO_MUCH = "1", "0", "2"
STEP_DB = 0.25  # of most models; some of those for 18 GHz and more have 0.5
MODEL = re.compile(r"(?:MN=)?(?P<name>(?:R[CU]|ZT)(?P<channels>\d*)U?DAT[\w-]*-(?P<maximum_db>\d+)\w*)$")


@dataclass(frozen=True)
class Model:
    """What a model's name says."""

    name: str
    channels: int
    maximum_db: float


def parse_model(answer: str, where: str) -> Model:
    """`MN=RC4DAT-6000-95` -> four channels of up to 95 dB."""
    found = MODEL.match(answer.strip())
    if found is None:
        mend = "look whether that is the attenuator's address"
        raise Garbled(f"`{answer.strip()[:80]}` is no model of an attenuator", where=where, mend=mend)
    return Model(found["name"], int(found["channels"] or 1), float(found["maximum_db"]))


def setting(db: float, channels: Sequence[int], of: Model) -> str:
    """The command that sets one or several channels to the same attenuation."""
    if of.channels == 1:
        return f"SETATT={db:g}"
    return f"CHAN:{':'.join(map(str, channels))}:SETATT:{db:g}"


def check_set(answer: str, db: float, where: str) -> None:
    """Raises unless the answer to a setting says that it was done."""
    said = answer.strip()
    if said == DONE:
        return
    if said == TOO_MUCH:
        raise NotTaken(f"{db:g} dB is more than the device can: it has set its maximum", where=where)
    if said == FAILED:
        raise NotTaken(f"refused to set {db:g} dB", where=where)
    raise Garbled(f"answered `{said[:80]}` to a setting", where=where)


def parse_attenuation(answer: str, channels: Sequence[int], of: Model, where: str) -> list[float]:
    """The attenuation of each of the channels, from the answer to `ATT?`."""
    try:
        values = [float(word) for word in answer.split()]
        if len(values) != of.channels:
            raise ValueError
        return [values[channel - 1] for channel in channels]
    except ValueError as unclear:
        raise Garbled(f"answered `{answer.strip()[:80]}` to ATT?", where=where) from unclear
