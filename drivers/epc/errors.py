"""What can be wrong with a packet core, each a type of its own."""

from __future__ import annotations

from drivers.errors import DriverError


class CoreFailed(DriverError):
    """A daemon ended, or did not become ready; its own words are in the error."""


class NotSupported(DriverError):
    """This kind of core has no way to do that."""


class DatabaseAway(DriverError):
    """The subscribers' database cannot be reached."""


class OtherKey(DriverError):
    """The subscriber is there already, with another key: one of the two is somebody else's."""
