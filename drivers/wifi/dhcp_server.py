"""A DHCP server (dnsmasq) for one access: address, router, DNS and the P-CSCF (option 120, RFC 3361)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drivers.protocols import Host
from drivers.wifi.daemon import Daemon
from drivers.wifi.errors import BadConfiguration

READY_S = 5.0


@dataclass(frozen=True)
class DhcpPlan:
    """What is given.  `first` to `last` is the range; `fixed` has addresses by hardware address."""

    network: str  # address/prefix
    first: str
    last: str
    router: str
    dns: Sequence[str] = ()
    pcscf: Sequence[str] = ()  # addresses, or names; none: the option is not sent
    lease_s: int = 3600  # 120 at least, as dnsmasq has it
    fixed: Mapping[str, str] = field(default_factory=dict)
    advertises: bool = False  # the device's IPv6 prefixes, by router advertisements; DHCPv6 is stateless then
    pcscf6: Sequence[str] = ()  # IPv6 addresses, by option 22 of DHCPv6 (RFC 3319)

    def check(self, where: str) -> None:
        """Raises BadConfiguration when addresses do not fit."""
        try:
            network = ipaddress.IPv4Network(self.network)
            own = [self.first, self.last, self.router, *self.fixed.values()]
            outside = [each for each in own if ipaddress.IPv4Address(each) not in network]
            for each in self.dns:
                ipaddress.IPv4Address(each)
            for each in self.pcscf6:
                ipaddress.IPv6Address(each)
        except ValueError as wrong:
            raise BadConfiguration(str(wrong), where=where) from wrong
        if outside:
            raise BadConfiguration(f"{', '.join(outside)} is not in {self.network}", where=where)
        if self.lease_s < 120:
            raise BadConfiguration(f"a lease of {self.lease_s} s is too short", where=where, mend="120 s at least")


class DhcpServer:
    """`device` has its address already; `folder` is one of `host`, for the list of leases."""

    def __init__(self, host: Host, device: str, plan: DhcpPlan, folder: str, log: Path | None = None) -> None:
        self.where, self.plan = f"DHCP server on {device}, {host.name}", plan
        self._host, self._device, self._folder, self._log = host, device, folder, log
        self._daemon: Daemon | None = None
        self._ready = False

    async def start(self) -> None:
        """It answers when this returns.  Raises BadConfiguration, or DaemonGone with dnsmasq's words."""
        self.plan.check(self.where)
        self._daemon = Daemon(
            self._host, arguments(self.plan, self._device, self._folder), self.where, log=self._log, on_line=self._said
        )
        await self._daemon.start(lambda: self._ready, READY_S, "range of addresses")

    async def stop(self) -> None:
        """End it; its list of leases is forgotten."""
        self._ready = False
        daemon, self._daemon = self._daemon, None
        if daemon:
            await daemon.end()
            self._host.remove(_leases(self._device, self._folder))

    def _said(self, line: str) -> None:
        if "DHCP, IP range" in line:
            self._ready = True


def arguments(plan: DhcpPlan, device: str, folder: str) -> list[str]:
    """dnsmasq's command line: in the foreground, no DNS of its own, nothing from the host's configuration.

    Without its ping it answers at once; addresses of a bench are not used by anybody else.
    """
    argv = [
        "dnsmasq",
        "--keep-in-foreground",
        "--log-facility=-",
        "--conf-file=/dev/null",
        "--user=root",
        "--pid-file=",
    ]
    argv += ["--port=0", "--no-resolv", "--no-hosts", "--no-ping", "--dhcp-authoritative", "--bind-interfaces"]
    argv += [f"--interface={device}", "--except-interface=lo", f"--dhcp-leasefile={_leases(device, folder)}"]
    mask = ipaddress.IPv4Network(plan.network).netmask
    argv += [f"--dhcp-range={plan.first},{plan.last},{mask},{plan.lease_s}"]
    argv += [f"--dhcp-option=option:router,{plan.router}"]
    # Without a value the option is not sent at all; dnsmasq would otherwise name itself.
    argv += [f"--dhcp-option=option:dns-server{''.join(f',{each}' for each in plan.dns)}"]
    if plan.pcscf:
        argv += [f"--dhcp-option=option:sip-server,{','.join(plan.pcscf)}"]
    if plan.advertises:
        argv += ["--enable-ra", f"--dhcp-range=::,constructor:{device},ra-stateless,64,{plan.lease_s}"]
    if plan.pcscf6:
        argv += [f"--dhcp-option=option6:sip-server,{','.join(f'[{each}]' for each in plan.pcscf6)}"]
    return argv + [f"--dhcp-host={mac},{address}" for mac, address in plan.fixed.items()]


def _leases(device: str, folder: str) -> str:
    return f"{folder}/{device}.leases"
