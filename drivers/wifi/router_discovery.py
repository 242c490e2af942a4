"""An IPv6 address and a router by router advertisements (RFC 4861, RFC 4862): the kernel does it, we ask and listen.

Each :meth:`RouterDiscovery.acquire` begins anew: IPv6 goes off and on again on the device, so that the kernel solicits
a router at once and nothing of a network that was left stays.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from drivers.link.netlink import Netlink, attributes
from drivers.protocols import Host
from drivers.wifi.errors import NoLease

RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE = 20, 21, 24
RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE = 9, 11
IFA_ADDRESS, IFA_FLAGS, RTA_OIF, RTA_GATEWAY = 1, 8, 4, 5
IFA_F_TEMPORARY, IFA_F_TENTATIVE, SCOPE_GLOBAL = 0x01, 0x40, 0
# RTR_SOLICITATION_INTERVAL is 4 s (RFC 4861 10): two more solicitations, should the first one be lost.
DEADLINE_S = 9.0
SETTINGS = {
    "accept_ra": 2,  # a host that forwards too
    "autoconf": 1,
    "use_tempaddr": 0,
    "accept_dad": 0,  # nobody else has our interface identifier, and looking for him takes a second
    "router_solicitation_delay": 0,
}


@dataclass(frozen=True)
class Advertised:
    """What router advertisements gave."""

    address: str
    prefix: int
    router: str


class RouterDiscovery:
    """Of one device; made in its namespace and event loop."""

    def __init__(self, host: Host, device: str) -> None:
        self.where = f"IPv6 on {device}, {host.name}"
        self._host, self._device, self._index = host, device, socket.if_nametoindex(device)
        self._events = Netlink(socket.NETLINK_ROUTE, self.where, (RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE))
        self._address: tuple[str, int] | None = None
        self._router: str | None = None
        self._news = asyncio.Event()
        self._on_lost: Callable[[], None] | None = None
        asyncio.get_running_loop().add_reader(self._events, self._notified)

    async def acquire(self) -> Advertised:
        """Raises NoLease when no router advertises a prefix in time."""
        await self.release()
        await self._set(SETTINGS)
        await self._set({"disable_ipv6": 0})
        try:
            async with asyncio.timeout(DEADLINE_S):
                while self._address is None or self._router is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as late:
            lacks = "a router" if self._router is None else "a prefix"
            await self.release()
            mend = "does the access advertise itself, with a prefix for autoconfiguration?"
            raise NoLease(f"nobody advertises {lacks} within {DEADLINE_S:g} s", where=self.where, mend=mend) from late
        return Advertised(*self._address, self._router)

    async def release(self) -> None:
        """No IPv6 any more: no address, no route."""
        await self._set({"disable_ipv6": 1})
        self._notified()  # that our addresses went is no loss
        self._address = self._router = None

    def watch(self, on_lost: Callable[[], None]) -> None:
        """Call back when the address goes by itself."""
        self._on_lost = on_lost

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._events)
        self._events.close()

    async def _set(self, settings: dict[str, int]) -> None:
        given = [f"net/ipv6/conf/{self._device}/{name}={value}" for name, value in settings.items()]
        if settings.get("disable_ipv6"):
            self._address = None  # so that nobody takes this for a loss
        await asyncio.to_thread(self._host.run, ["sysctl", "-q", "-w", *given])

    def _notified(self) -> None:
        for kind, payload in self._events.notifications():
            if kind == RTM_NEWROUTE:
                self._told_of_route(payload)
            elif kind in (RTM_NEWADDR, RTM_DELADDR):
                self._told_of_address(kind, payload)

    def _told_of_address(self, kind: int, payload: bytes) -> None:
        _, prefix, flags, scope, index = struct.unpack_from("BBBBI", payload)
        found = attributes(payload[8:])
        if index != self._index or scope != SCOPE_GLOBAL or IFA_ADDRESS not in found:
            return
        if IFA_FLAGS in found:
            flags = struct.unpack("I", found[IFA_FLAGS])[0]
        address = socket.inet_ntop(socket.AF_INET6, found[IFA_ADDRESS])
        if kind == RTM_DELADDR:
            if self._address == (address, prefix):
                self._address = None
                if self._on_lost:
                    self._on_lost()
        elif self._address is None and not flags & (IFA_F_TENTATIVE | IFA_F_TEMPORARY):
            self._address = (address, prefix)
            self._news.set()

    def _told_of_route(self, payload: bytes) -> None:
        found = attributes(payload[12:])
        through = found.get(RTA_OIF)
        if payload[1] or through is None or struct.unpack("I", through)[0] != self._index or RTA_GATEWAY not in found:
            return
        self._router = socket.inet_ntop(socket.AF_INET6, found[RTA_GATEWAY])
        self._news.set()
