"""What is asked of a radio itself, by iw and rfkill on its host: transmit power, and whether it is blocked."""

from __future__ import annotations

import json
import re

from drivers.host.errors import CommandFailed
from drivers.protocols import Host
from drivers.wifi.errors import RadioBlocked, Unreadable, WifiError

_POWER = re.compile(r"txpower (-?[0-9.]+) dBm")
_PHY = re.compile(r"wiphy (\d+)")


def set_power_dbm(host: Host, device: str, dbm: float) -> None:
    """Fix the transmit power.  Raises WifiError with the driver's words where it does not do that."""
    try:
        host.run(["iw", "dev", device, "set", "txpower", "fixed", str(round(dbm * 100))])
    except CommandFailed as failed:
        what = f"cannot transmit with {dbm:g} dBm: {failed.completed.stderr.strip()}"
        raise WifiError(what, where=f"{device} on {host.name}") from failed


def power_dbm(host: Host, device: str) -> float:
    """The transmit power in force; raises WifiError when the device is not there or does not transmit."""
    found = _POWER.search(_info(host, device))
    if not found:
        raise WifiError("transmits nothing", where=f"{device} on {host.name}", mend="start its access point")
    return float(found[1])


def check_unblocked(host: Host, device: str) -> None:
    """Raises RadioBlocked when rfkill has the radio switched off."""
    phy = _PHY.search(_info(host, device))
    if not phy:
        raise Unreadable("iw tells no wiphy", where=f"{device} on {host.name}")
    listed = host.run(["rfkill", "--json", "--output", "DEVICE,SOFT,HARD"])
    for switch in json.loads(listed or "{}").get("rfkilldevices", []):
        if switch.get("device") != f"phy{phy[1]}":
            continue
        for kind, mend in (("soft", "rfkill unblock wifi"), ("hard", "move the switch on the machine")):
            if switch.get(kind) == "blocked":
                raise RadioBlocked(f"is {kind}-blocked by rfkill", where=f"{device} on {host.name}", mend=mend)


def _info(host: Host, device: str) -> str:
    try:
        return host.run(["iw", "dev", device, "info"])
    except CommandFailed as failed:
        what = f"is no radio's device: {failed.completed.stderr.strip()}"
        raise WifiError(what, where=f"{device} on {host.name}", mend="`iw dev` lists those that there are") from failed
