"""The gadget's end of a stick's network device, which leads to the network."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_interface

from drivers.host import netns
from drivers.link.devices import index_of
from drivers.link.interfaces import SET, address, switch
from drivers.link.netlink import Netlink


class GadgetNic:
    """The gadget's end in its namespace.  Down, the host's end has no carrier; addresses come back with each up."""

    def __init__(self, device: str, namespace: str, addresses: Sequence[str]) -> None:
        """`addresses` with their prefix lengths, the network's own: the gateway of whoever uses the stick."""
        self.device = device
        with netns.inside(namespace):
            self._netlink = Netlink(socket.NETLINK_ROUTE, f"network device {device}")
            index = index_of(device)
        own = [ip_interface(text) for text in addresses]
        self._up = [switch(index, True, device)]
        self._up += [address(index, str(one.ip), one.network.prefixlen, SET) for one in own]
        self._down = [switch(index, False, device)]

    def up(self) -> None:
        self._netlink.batch(self._up)

    def down(self) -> None:
        self._netlink.batch(self._down)

    def close(self) -> None:
        self._netlink.close()
