"""What can be wrong with a radio lever, each state a type of its own."""

from __future__ import annotations

from drivers.errors import DriverError


class LeverError(DriverError):
    """Root of everything that an attenuator, relay or power switch did or did not do."""


class OutOfRange(LeverError):
    """A setting that is not allowed; nothing was sent."""


class Unreachable(LeverError):
    """Nobody answers there: refused, no route, unplugged."""


class Silent(LeverError):
    """It takes the command and gives no answer in time."""


class Garbled(LeverError):
    """It answers something that is no answer to what was asked."""


class NotTaken(LeverError):
    """It says that it did not do it, or what is read back is not what was asked for."""
