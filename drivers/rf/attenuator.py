"""An attenuator of Mini-Circuits on the network, by HTTP or telnet.

The same family speaks USB HID too.  That is not supported: it has never been tried here, for want of the hardware; a
model with USB only (RUDAT) is put on a host as a network attenuator, or replaced by an RCDAT.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from drivers.rf import minicircuits
from drivers.rf.errors import NotTaken, OutOfRange
from drivers.rf.limits import Limits
from drivers.rf.wires import Wire

logger = logging.getLogger(__name__)


class MiniCircuitsAttenuator:
    """One or several channels that are set together, as those of one access point's antennas.

    `limits` is what the bench allows; without it, all that the model can.  Raises LeverError when the device is not
    there or is another than that.
    """

    def __init__(
        self,
        wire: Wire,
        channels: Sequence[int] = (1,),
        limits: Limits | None = None,
        step_db: float = minicircuits.STEP_DB,
    ) -> None:
        self._wire, self._channels, self.where = wire, tuple(channels), wire.where
        self.model = minicircuits.parse_model(wire.ask("MN?"), self.where)
        able = Limits(0.0, self.model.maximum_db, step_db)
        self.limits = limits or able
        if not self.limits.within(able):
            what = f"is a {self.model.name}: it cannot do {self.limits.minimum_db:g} to {self.limits.maximum_db:g} dB"
            raise OutOfRange(what, where=self.where, mend=f"set the limits within 0 to {able.maximum_db:g} dB")
        missing = [channel for channel in self._channels if not 1 <= channel <= self.model.channels]
        if missing:
            what = f"is a {self.model.name}: it has no channel {', '.join(map(str, missing))}"
            raise OutOfRange(what, where=self.where, mend=f"channels are 1 to {self.model.channels}")

    def set_attenuation_db(self, db: float) -> float:
        """Set the nearest step that there is, read it back, and return it."""
        wanted = self.limits.checked(db, self.where)
        if abs(wanted - db) > 1e-6:
            logger.info("%s: %g dB rounded to its step, %g dB", self.where, db, wanted)
        answer = self._wire.ask(minicircuits.setting(wanted, self._channels, self.model))
        minicircuits.check_set(answer, wanted, self.where)
        actual = self._read()
        if any(abs(each - wanted) >= self.limits.step_db / 2 for each in actual):
            found = ", ".join(f"{each:g}" for each in actual)
            raise NotTaken(f"asked for {wanted:g} dB, it has {found} dB", where=self.where)
        return wanted

    def attenuation_db(self) -> float:
        """The attenuation in force; raises NotTaken when the channels differ."""
        actual = self._read()
        if max(actual) - min(actual) >= self.limits.step_db:
            found = ", ".join(f"{each:g}" for each in actual)
            raise NotTaken(f"its channels differ: {found} dB", where=self.where, mend="set it")
        return actual[0]

    def states(self) -> list[float]:
        """The attenuation of each channel, whatever they are."""
        return self._read()

    def restore(self, states: Sequence[float]) -> None:
        """Put each channel back as :meth:`states` found it, be that outside the bench's own limits."""
        for channel, db in zip(self._channels, states, strict=True):
            answer = self._wire.ask(minicircuits.setting(db, (channel,), self.model))
            minicircuits.check_set(answer, db, self.where)
        actual = self._read()
        if any(abs(one - other) >= self.limits.step_db / 2 for one, other in zip(actual, states, strict=True)):
            raise NotTaken(f"asked for {list(states)} dB, it has {actual} dB", where=self.where)

    def close(self) -> None:
        self._wire.close()

    def _read(self) -> list[float]:
        return minicircuits.parse_attenuation(self._wire.ask("ATT?"), self._channels, self.model, self.where)
