"""A wired access network as the UE uses it: a device with a cable that somebody may pull.

It runs in the UE's namespace and in the UE's event loop.  Addresses and the P-CSCF are configured; each access has a
routing table of its own, chosen by source address, so that several IMS connections live side by side.

Attaching is part of a handoff, so everything is encoded beforehand, and it waits for what the kernel tells instead of
looking again and again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from drivers.errors import DriverError
from drivers.link.interfaces import (
    IFF_LOWER_UP,
    RTM_NEWADDR,
    RTM_NEWLINK,
    SET,
    address,
    default_route,
    no_rule,
    rule,
    switch,
)
from drivers.link.netlink import Netlink, attributes, encode
from drivers.protocols import AccessAddress, AccessEvent
from drivers.waiting import within

RTM_GETLINK = 18
RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR = 1, 9
IFF_RUNNING, IFA_F_TENTATIVE, IFA_ADDRESS = 0x40, 0x40, 1
IFF_CARRIER = IFF_LOWER_UP | IFF_RUNNING  # the carrier is there and the kernel has dealt with it
DEADLINE_S = 5.0
CHECK_S = 0.1  # then we ask: the kernel drops notifications when there are too many


class WiredAccess:
    """`table` is the number of this access's routing table; no two accesses of a UE share one."""

    def __init__(self, name: str, device: str, table: int, addresses: Sequence[AccessAddress]) -> None:
        self.name, self.addresses = name, tuple(addresses)
        self._netlink = Netlink(socket.NETLINK_ROUTE, f"access {name}")
        self._events = Netlink(socket.NETLINK_ROUTE, f"access {name}", (RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR))
        self._index = socket.if_nametoindex(device)
        self._up = [switch(self._index, True, device)]
        self._down = [switch(self._index, False, device), *(no_rule(own.address, table) for own in addresses)]
        self._own = [address(self._index, own.address, own.prefix, SET) for own in addresses]
        self._ways = [default_route(self._index, own.gateway, table, family=own.family) for own in addresses]
        self._ways += [rule(own.address, table) for own in addresses]
        self._state = encode(ifinfmsg, index=self._index)
        self._carrier: bool | None = None  # None: we are not attached, so that it comes or goes is no event
        self._told_of_carrier = False
        self._unsettled: set[bytes] = set()  # IPv6 addresses that the kernel has not yet told of
        self._news = asyncio.Event()
        self._on_event: Callable[[AccessEvent], None] | None = None
        asyncio.get_running_loop().add_reader(self._events, self._notified)

    async def attach(self) -> Sequence[AccessAddress]:
        """Device up, carrier there, addresses and routes in force.  Raises DriverError when there is no carrier."""
        if not self._has_carrier():
            self._notified()  # what was before does not count
            self._told_of_carrier = False
            self._netlink.batch(self._up)
            # A device has its carrier some microseconds before both ends of the cable may send; until then the far
            # end drops its answer to our first ARP request without a word, and the next request is a second later.
            # The kernel deals with both ends in one go and tells of ours.  Asking it may make it deal with ours alone.
            await self._until(lambda: self._told_of_carrier, self._has_carrier, "carrier")
        self._carrier = True
        self._unsettled = {_packed(own) for own in self.addresses if own.family == 6}
        self._netlink.batch(self._own)
        # The kernel accepts an IPv6 address and only then, in a thread of its own, makes it one that receives: an
        # answer to our first neighbour solicitation that comes before is dropped, and the next is a second later.
        await self._until(lambda: not self._unsettled, lambda: True, "address")
        self._netlink.batch(self._ways)
        return self.addresses

    async def detach(self) -> None:
        """Device down; addresses, routes and rules gone."""
        self.leave()

    def leave(self) -> None:
        """The same.  Raises DriverError where the device is gone; the rules are then gone too."""
        self._carrier = None
        self._netlink.batch(self._down)

    @property
    def carrier(self) -> bool:
        """Whether we are attached and the cable is whole, as far as the kernel has told."""
        return bool(self._carrier)

    def watch(self, on_event: Callable[[AccessEvent], None]) -> None:
        """Call back when the carrier goes or comes back."""
        self._on_event = on_event

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._events)
        self._events.close()
        self._netlink.close()

    async def _until(self, told: Callable[[], bool], asked: Callable[[], bool], what: str) -> None:
        """Wait until we are told; after `CHECK_S` without any news ask instead."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_S
        while not told():
            self._news.clear()
            if await within(self._news, CHECK_S):
                continue
            if asked():
                return
            if loop.time() >= deadline:
                mend = "plug the cable in, or restore the access"
                raise DriverError(f"no {what} within {DEADLINE_S:g} s", where=f"access {self.name}", mend=mend)

    def _notified(self) -> None:
        for kind, payload in self._events.notifications():
            if int.from_bytes(payload[4:8], "little", signed=True) != self._index:
                continue
            if kind == RTM_NEWLINK:
                self._told_of_link(payload)
            elif kind == RTM_NEWADDR and not payload[2] & IFA_F_TENTATIVE:
                self._unsettled.discard(attributes(payload[8:]).get(IFA_ADDRESS, b""))
                self._news.set()

    def _told_of_link(self, payload: bytes) -> None:
        carrier = _carrier(payload)
        # What is told of our own switching on names what changed, and may still show a carrier of before.
        if carrier and payload[12:16] == bytes(4):
            self._told_of_carrier = True
            self._news.set()
        if self._carrier is None or carrier == self._carrier:
            return
        self._carrier = carrier
        if self._on_event:
            self._on_event(AccessEvent(self.name, "carrier-back" if carrier else "carrier-lost"))

    def _has_carrier(self) -> bool:
        for _, payload in self._netlink.exchange(RTM_GETLINK, self._state, f"state of access {self.name}"):
            return _carrier(payload)
        return False


def _carrier(payload: bytes) -> bool:
    """What an ifinfomsg says of the carrier."""
    return int.from_bytes(payload[8:12], "little") & IFF_CARRIER == IFF_CARRIER


def _packed(own: AccessAddress) -> bytes:
    return socket.inet_pton(socket.AF_INET6, own.address)
