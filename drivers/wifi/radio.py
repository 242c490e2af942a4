"""What is asked of a radio itself, by iw and ip on its host: transmit power, and to be on."""

from __future__ import annotations

import re

from drivers.host.errors import CommandFailed
from drivers.protocols import Host
from drivers.wifi.errors import RadioBlocked, Unreadable, WifiError

_PHY = re.compile(r"wiphy (\d+)")
_POWER = re.compile(r"txpower (-?[0-9.]+) dBm")


def set_power_dbm(host: Host, device: str, dbm: float) -> None:
    """Fix the transmit power.  Raises WifiError with the driver's words where it does not do that."""
    phy = _PHY.search(_info(host, device))  # of the radio: mac80211 takes the power of a device and leaves it as it is
    if not phy:
        raise Unreadable("iw tells no wiphy", where=f"{device} on {host.name}")
    try:
        host.run(["iw", f"phy#{phy[1]}", "set", "txpower", "fixed", str(round(dbm * 100))])
    except CommandFailed as failed:
        what = f"cannot transmit with {dbm:g} dBm: {failed.completed.stderr.strip()}"
        raise WifiError(what, where=f"{device} on {host.name}") from failed


def power_dbm(host: Host, device: str) -> float:
    """The transmit power in force; raises WifiError when the device is not there or does not transmit."""
    found = _POWER.search(_info(host, device))
    if not found:
        raise WifiError("transmits nothing", where=f"{device} on {host.name}", mend="start its access point")
    return float(found[1])


def switch_on(host: Host, device: str) -> None:
    """The device up; its mode stays.  Raises RadioBlocked when rfkill forbids it, or WifiError with the reason."""
    try:
        host.run(["ip", "link", "set", "dev", device, "up"])
    except CommandFailed as failed:
        where, words = f"{device} on {host.name}", failed.completed.stderr.strip()
        if "RF-kill" in words:
            mend = "`rfkill unblock wifi`, or move the switch on the machine"
            raise RadioBlocked("is blocked by rfkill", where=where, mend=mend) from failed
        raise WifiError(f"cannot be switched on: {words}", where=where) from failed


def _info(host: Host, device: str) -> str:
    try:
        return host.run(["iw", "dev", device, "info"])
    except CommandFailed as failed:
        what = f"is no radio's device: {failed.completed.stderr.strip()}"
        raise WifiError(what, where=f"{device} on {host.name}", mend="`iw dev` lists those that there are") from failed
