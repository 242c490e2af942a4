"""A wired access network as the UE uses it: a device with a cable that somebody may pull.

It runs in the UE's namespace and in the UE's event loop.  Addresses and the P-CSCF are configured; each access has a
routing table of its own, chosen by source address, so that several IMS connections live side by side.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_REPLACE
from pyroute2.netlink.rtnl import (
    RTM_DELRULE,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTM_NEWRULE,
)
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from drivers.errors import DriverError
from drivers.link.netlink import Netlink, encode
from drivers.protocols import AccessAddress, AccessEvent

IFF_UP, IFA_F_NODAD = 0x1, 0x02
IFF_CARRIER = 0x10000 | 0x40  # IFF_LOWER_UP and IFF_RUNNING: the carrier is there and the kernel has dealt with it
RTNLGRP_LINK = 1
CARRIER_DEADLINE_S = 5.0
CARRIER_CHECK_S = 0.1  # should the kernel have dropped the notification
MAIN_TABLE, PROTO_STATIC, SCOPE_UNIVERSE, TYPE_UNICAST, ACTION_TO_TABLE = 254, 4, 0, 1, 1


class WiredAccess:
    """`table` is the number of this access's routing table; no two accesses of a UE share one."""

    def __init__(self, name: str, device: str, table: int, addresses: Sequence[AccessAddress]) -> None:
        self.name, self._device, self._table, self.addresses = name, device, table, tuple(addresses)
        self._netlink = Netlink(socket.NETLINK_ROUTE, f"access {name}")
        self._events = Netlink(socket.NETLINK_ROUTE, f"access {name}", (RTNLGRP_LINK,))
        self._index = socket.if_nametoindex(device)
        self._carrier: bool | None = None
        self._arrived = asyncio.Event()
        self._on_event: Callable[[AccessEvent], None] | None = None
        asyncio.get_running_loop().add_reader(self._events, self._notified)

    async def attach(self) -> Sequence[AccessAddress]:
        """Device up, carrier there, addresses and routes in force.  Raises DriverError when there is no carrier."""
        if not self._has_carrier():
            self._notified()  # what was before does not count
            self._arrived.clear()
            self._set_up(True)
            await self._wait_for_carrier()
        for address in self.addresses:
            self._configure(address)
        self._carrier = True
        return self.addresses

    async def _wait_for_carrier(self) -> None:
        """Wait to be *told* of the carrier.

        A device has its carrier some microseconds before both ends of the cable may send; until then the far end drops
        its answer to our first ARP request without a word, and the next request is a second later.  The kernel tells of
        both ends in one go.  Asking it would make it deal with our end alone (linkwatch_sync_dev).
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CARRIER_DEADLINE_S
        while not self._arrived.is_set():
            try:
                await asyncio.wait_for(self._arrived.wait(), CARRIER_CHECK_S)
            except TimeoutError as late:
                if self._has_carrier():
                    return
                if loop.time() >= deadline:
                    mend = "plug the cable in, or restore the access"
                    what = f"no carrier within {CARRIER_DEADLINE_S:g} s"
                    raise DriverError(what, where=f"access {self.name}", mend=mend) from late

    async def detach(self) -> None:
        """Device down; addresses, routes and rules gone."""
        self._carrier = None  # our own doing is no event
        self._set_up(False)
        for address in self.addresses:
            body = self._rule(address)
            self._netlink.request(RTM_DELRULE, body, f"rule of {address.address}", fine=(errno.ENOENT,))

    def watch(self, on_event: Callable[[AccessEvent], None]) -> None:
        """Call back when the carrier goes or comes back."""
        self._on_event = on_event

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._events)
        self._events.close()
        self._netlink.close()

    def _notified(self) -> None:
        for kind, payload in self._events.notifications():
            if kind != RTM_NEWLINK or int.from_bytes(payload[4:8], "little", signed=True) != self._index:
                continue
            carrier = _has_carrier(payload)
            if carrier:
                self._arrived.set()
            if self._carrier is None or carrier == self._carrier:
                continue
            self._carrier = carrier
            if self._on_event:
                self._on_event(AccessEvent(self.name, "carrier-back" if carrier else "carrier-lost"))

    def _has_carrier(self) -> bool:
        body = encode(ifinfmsg, index=self._index)
        for _, payload in self._netlink.exchange(RTM_GETLINK, body, f"state of {self._device}"):
            return _has_carrier(payload)
        return False

    def _set_up(self, up: bool) -> None:
        body = encode(ifinfmsg, index=self._index, flags=IFF_UP if up else 0, change=IFF_UP)
        self._netlink.request(RTM_NEWLINK, body, f"{self._device} {'up' if up else 'down'}")

    def _configure(self, address: AccessAddress) -> None:
        family = socket.AF_INET6 if address.family == 6 else socket.AF_INET
        attributes: list[tuple[str, Any]] = [("IFA_ADDRESS", address.address)]
        if family == socket.AF_INET:
            attributes.append(("IFA_LOCAL", address.address))
        body = encode(
            ifaddrmsg,
            family=family,
            prefixlen=address.prefix,
            flags=IFA_F_NODAD if family == socket.AF_INET6 else 0,
            index=self._index,
            attributes=attributes,
        )
        replace = NLM_F_CREATE | NLM_F_REPLACE
        self._netlink.request(RTM_NEWADDR, body, f"address {address.address}", flags=replace)
        route = encode(
            rtmsg,
            family=family,
            table=self._table,
            proto=PROTO_STATIC,
            scope=SCOPE_UNIVERSE,
            type=TYPE_UNICAST,
            attributes=[("RTA_GATEWAY", address.gateway), ("RTA_OIF", self._index), ("RTA_TABLE", self._table)],
        )
        self._netlink.request(RTM_NEWROUTE, route, f"route via {address.gateway}", flags=replace)
        rule, what = self._rule(address), f"rule of {address.address}"
        self._netlink.request(RTM_NEWRULE, rule, what, flags=NLM_F_CREATE, fine=(errno.EEXIST,))

    def _rule(self, address: AccessAddress) -> bytes:
        six = address.family == 6
        attributes = [("FRA_SRC", address.address), ("FRA_TABLE", self._table), ("FRA_PRIORITY", self._table)]
        return encode(
            fibmsg,
            family=socket.AF_INET6 if six else socket.AF_INET,
            src_len=128 if six else 32,
            table=self._table,
            action=ACTION_TO_TABLE,
            attributes=attributes,
        )


def _has_carrier(payload: bytes) -> bool:
    """What an ifinfomsg says of the carrier."""
    return int.from_bytes(payload[8:12], "little") & IFF_CARRIER == IFF_CARRIER
