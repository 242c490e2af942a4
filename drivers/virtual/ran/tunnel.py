"""A UE's network device: what the kernel sends through it goes into the bearer, what the bearer brings comes out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from ipaddress import IPv4Address, IPv6Address

from drivers.errors import DriverError
from drivers.host import netns
from drivers.link.interfaces import NAME_LENGTH, address, switch
from drivers.link.netlink import Netlink, Request, encode

_TUN = "/dev/net/tun"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_RTM_NEWLINK, _ADDRESSES_NONE = 16, 1  # IN6_ADDR_GEN_MODE_NONE
MAX_PACKET = 65536


def place(namespace: str | None) -> AbstractContextManager[None]:
    """Be in a network namespace; None is where we are."""
    return netns.inside(namespace) if namespace else contextlib.nullcontext()


class TunDevice:
    """A TUN device in a namespace, with the addresses of a PDN connection; it goes when it is closed, or we do."""

    def __init__(self, name: str, namespace: str | None, own: tuple[IPv4Address | IPv6Address, ...], mtu: int) -> None:
        """Raises DriverError.  IPv6 addresses have a prefix of 64 bits, IPv4 ones stand alone."""
        self.name, self.addresses = name, own
        where = f"network device {name}"
        if not 0 < len(name) <= NAME_LENGTH:
            raise DriverError(f"a name has at most {NAME_LENGTH} characters", where=where)
        with place(namespace):
            try:
                self._descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
                fcntl.ioctl(self._descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
            except OSError as refused:
                mend = "modprobe tun, or run as root or with --kernel uml"
                raise DriverError(f"cannot be made: {refused.strerror}", where=where, mend=mend) from refused
            try:
                with Netlink(socket.NETLINK_ROUTE, where) as netlink:
                    index = socket.if_nametoindex(name)
                    netlink.batch([_shape(index, mtu), switch(index, True, name)])
                    netlink.batch([address(index, str(one), 32 if one.version == 4 else 64) for one in own])
            except BaseException:
                os.close(self._descriptor)
                raise

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> Iterator[bytes]:
        """The packets that wait."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield os.read(self._descriptor, MAX_PACKET)

    def write(self, packet: bytes) -> None:
        """Give a packet to the kernel; it does not take what is no IP packet."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, packet)

    def close(self) -> None:
        os.close(self._descriptor)


def _shape(index: int, mtu: int) -> Request:
    """Its MTU, and no IPv6 address that the kernel makes up by itself: the network gives it one, or none."""
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    ipv6 = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _ADDRESSES_NONE)]})]}
    attributes = [("IFLA_MTU", mtu), ("IFLA_AF_SPEC", ipv6)]
    return Request(_RTM_NEWLINK, encode(ifinfmsg, index=index, attributes=attributes), f"MTU of {mtu}")
