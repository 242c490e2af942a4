"""What DHCP gave (RFC 2131), as the client's hook reports it: JSON lines in, leases out."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any, Literal

from drivers.wifi.errors import BadLease

Happened = Literal["bound", "renewed", "lost", "refused", "no-answer"]
# What busybox's udhcpc calls it.
_HAPPENED: dict[str, Happened] = {
    "bound": "bound",
    "renew": "renewed",
    "deconfig": "lost",
    "nak": "refused",
    "leasefail": "no-answer",
}


@dataclass(frozen=True)
class Lease:
    """One address with what belongs to it."""

    address: str
    prefix: int
    router: str
    dns: tuple[str, ...]
    pcscf: tuple[str, ...]  # option 120 (RFC 3361): addresses, or names, in the order of preference
    server: str | None
    lease_s: int


@dataclass(frozen=True)
class Report:
    """Something that happened to the client; with a lease when it has one."""

    happened: Happened
    lease: Lease | None


def parse(line: str, where: str) -> Report | None:
    """One line of the client's output; None when it is no report.  Raises BadLease."""
    if not line.startswith("{"):
        return None
    try:
        values: dict[str, Any] = json.loads(line)
        happened = _HAPPENED[values["event"]]
    except (ValueError, KeyError, TypeError):
        return None
    return Report(happened, _lease(values, where) if happened in ("bound", "renewed") else None)


def _lease(values: dict[str, Any], where: str) -> Lease:
    try:
        interface = ipaddress.IPv4Interface(f"{values['ip']}/{values.get('subnet') or 32}")
        routers = [str(ipaddress.IPv4Address(each)) for each in values.get("router", "").split()]
        dns = tuple(str(ipaddress.IPv4Address(each)) for each in values.get("dns", "").split())
        lease_s = int(values.get("lease") or 0)
    except (ValueError, KeyError) as wrong:
        raise BadLease(f"the lease cannot be used: {wrong}", where=where, mend="look at the DHCP server") from wrong
    if not routers:
        mend = "have the server give a router (option 3)"
        raise BadLease(f"the lease of {interface.ip} names no router", where=where, mend=mend)
    pcscf = tuple(values.get("sipsrv", "").split())
    return Lease(
        str(interface.ip), interface.network.prefixlen, routers[0], dns, pcscf, values.get("serverid"), lease_s
    )
