"""Which vendor a modem is of: by what it says, then by its USB identity, else generic."""

from __future__ import annotations

from drivers.modem.vendors.cinterion import CINTERION
from drivers.modem.vendors.fibocom import FIBOCOM
from drivers.modem.vendors.generic import GENERIC
from drivers.modem.vendors.huawei import HUAWEI
from drivers.modem.vendors.model import Vendor
from drivers.modem.vendors.quectel import QUECTEL
from drivers.modem.vendors.sierra import SIERRA
from drivers.modem.vendors.simcom import SIMCOM
from drivers.modem.vendors.telit import TELIT
from drivers.modem.vendors.ublox import UBLOX

VENDORS: tuple[Vendor, ...] = (QUECTEL, SIERRA, SIMCOM, TELIT, UBLOX, HUAWEI, FIBOCOM, CINTERION, GENERIC)


def choose(said: str = "", usb: tuple[int, int] | None = None) -> Vendor:
    """`said`: the answers to ATI, AT+CGMI and AT+CGMM.  A USB identity may be a bridge's or a notebook maker's."""
    for vendor in VENDORS:
        if vendor.is_named_in(said):
            return vendor
    for vendor in VENDORS:
        if usb and vendor.has_usb(*usb):
            return vendor
    return GENERIC


def by_name(name: str) -> Vendor | None:
    """A vendor as a user writes it."""
    return next((vendor for vendor in VENDORS if vendor.name.lower() == name.lower()), None)
