"""The two ends of a stick's network device: the host's, for the UE, and the gadget's, which leads to the network.

The kernel makes both in the first network namespace, whoever asks; from there they are moved to where they belong.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_interface

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from drivers.errors import DriverError
from drivers.host import netns
from drivers.link.interfaces import SET, address, switch
from drivers.link.netlink import Netlink, Request, encode

FIRST_NAMESPACE = "/proc/1/ns/net"
RTM_SETLINK = 19
SIOCGIFHWADDR = 0x8927


@contextmanager
def first_namespace() -> Iterator[None]:
    """Be in the namespace of the machine's first process for the time of a `with` block (the calling thread only)."""
    with netns.staying_at_home():
        descriptor = os.open(FIRST_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            netns.setns(descriptor)
        finally:
            os.close(descriptor)
        yield


def move(device: str, namespace: str, name: str) -> None:
    """Move a device from the first namespace to another one, under a new name; down, as the kernel leaves it."""
    with first_namespace(), Netlink(socket.NETLINK_ROUTE, f"network device {device}") as netlink:
        descriptor = netns.open_descriptor(namespace)
        try:
            index = _index(device)
            attributes = [("IFLA_NET_NS_FD", descriptor), ("IFLA_IFNAME", name)]
            body = encode(ifinfmsg, index=index, attributes=attributes)
            netlink.batch([Request(RTM_SETLINK, body, f"{device} to namespace {namespace} as {name}")])
        finally:
            os.close(descriptor)


def find(mac: str) -> str | None:
    """The name of the device in the first namespace that has this hardware address, or None."""
    with first_namespace():
        return next((name for _, name in socket.if_nameindex() if _mac(name) == mac.lower()), None)


class GadgetNic:
    """The gadget's end in its namespace.  Down, the host's end has no carrier; addresses come back with each up."""

    def __init__(self, device: str, namespace: str, addresses: Sequence[str]) -> None:
        """`addresses` with their prefix lengths, the network's own: the gateway of whoever uses the stick."""
        self.device = device
        with netns.inside(namespace):
            self._netlink = Netlink(socket.NETLINK_ROUTE, f"network device {device}")
            index = _index(device)
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


def _index(device: str) -> int:
    try:
        return socket.if_nametoindex(device)
    except OSError as missing:
        raise DriverError("is not there", where=f"network device {device}", mend="plug the stick in") from missing


def _mac(name: str) -> str:
    """A device's hardware address (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, SIOCGIFHWADDR, struct.pack("256s", name.encode()))
        except OSError:  # it has just gone
            return ""
    return answer[18:24].hex(":")
