"""What can be wrong with an access point, a station or the addresses they give, each state a type of its own."""

from __future__ import annotations

from drivers.errors import DriverError


class WifiError(DriverError):
    """Root of everything that an access point, a station or its DHCP did or did not do."""


class DaemonGone(WifiError):
    """hostapd or wpa_supplicant is not there: never started, ended, or killed."""


class DaemonSilent(WifiError):
    """hostapd or wpa_supplicant is there and does not answer."""


class CommandRefused(WifiError):
    """hostapd or wpa_supplicant answered something else than OK; the error has its own words."""


class Unreadable(WifiError):
    """An answer or event that does not look as its source documents it."""


class BadConfiguration(WifiError):
    """A setting that no access point or station can have; nothing was done."""


class ChannelNotAllowed(WifiError):
    """The radio may not transmit there: the country's rules, or what the radio can."""


class RadioBlocked(WifiError):
    """The radio is switched off by rfkill, by software or by a switch."""


class AssociationFailed(WifiError):
    """The station found the network and did not get in; the subclass says more where it is known."""


class NoSuchNetwork(AssociationFailed):
    """No access point with that SSID, and with security of that kind, is heard."""


class WrongPassphrase(AssociationFailed):
    """The access point and the station do not have the same passphrase."""


class NoLease(WifiError):
    """DHCP gave no address: nobody answered, or the answer was no."""


class BadLease(WifiError):
    """DHCP gave something that cannot be used: no address, no router, or not what the option's RFC says."""


class NoPcscf(WifiError):
    """DHCP gave an address and no P-CSCF (option 120, RFC 3361), and none is configured."""
