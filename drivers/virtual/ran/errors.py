"""Whose fault it is when a message of the network cannot be used."""

from __future__ import annotations

from drivers.errors import DriverError


class PeerFault(DriverError):
    """The other end sent something that its protocol does not know."""


class IntegrityFailure(PeerFault):
    """A NAS message's authentication code is missing or wrong: it was not made with the keys of this UE."""


class CoreGone(DriverError):
    """The association with the MME is over, or did not come about."""
