"""Network devices that come from outside a rig: moved from the first network namespace to where they belong, and back.

The kernel makes the device of a USB stick in the namespace of the machine's first process, whoever asks, and again
there each time it is plugged in.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from drivers.errors import DriverError
from drivers.host import netns
from drivers.link.netlink import Netlink, Request, encode

FIRST_NAMESPACE = "/proc/1/ns/net"
RTM_SETLINK = 19
IFF_UP = 0x1


@contextmanager
def first_namespace() -> Iterator[None]:
    """Be in the namespace of the machine's first process for the time of a `with` block (the calling thread only)."""
    with netns.staying_at_home():
        descriptor = _first()
        try:
            netns.setns(descriptor)
        finally:
            os.close(descriptor)
        yield


def move(device: str, namespace: str | None, name: str, *, index: int = 0) -> None:
    """Move a device from the first namespace to another one, under a new name; down, as the kernel leaves it.

    `namespace` None is that of the calling thread.  `index` is the number that it shall have there; 0 leaves it to the
    kernel.
    """
    ours = namespace is None
    descriptor = os.open(netns.OWN, os.O_RDONLY | os.O_CLOEXEC) if ours else netns.open_descriptor(namespace or "")
    try:
        with first_namespace(), Netlink(socket.NETLINK_ROUTE, f"network device {device}") as netlink:
            attributes = [("IFLA_NET_NS_FD", descriptor), ("IFLA_IFNAME", name)]
            attributes += [("IFLA_NEW_IFINDEX", index)] if index else []
            body = encode(ifinfmsg, index=index_of(device), attributes=attributes)
            where = "here" if ours else f"to namespace {namespace}"
            netlink.batch([Request(RTM_SETLINK, body, f"{device} {where} as {name}")])
    finally:
        os.close(descriptor)


def is_in(namespace: str, device: str) -> bool:
    """Whether a namespace has a device of this name."""
    with netns.inside(namespace):
        return any(name == device for _, name in socket.if_nameindex())


def bring_home(namespace: str, device: str, name: str) -> None:
    """Move a device back to the first namespace, under the name that it had there."""
    descriptor = _first()
    try:
        with netns.inside(namespace), Netlink(socket.NETLINK_ROUTE, f"network device {device}") as netlink:
            attributes = [("IFLA_NET_NS_FD", descriptor), ("IFLA_IFNAME", name)]
            down = encode(ifinfmsg, index=index_of(device), flags=0, change=IFF_UP)
            body = encode(ifinfmsg, index=index_of(device), attributes=attributes)
            netlink.batch([Request(RTM_SETLINK, down, f"{device} down"), Request(RTM_SETLINK, body, f"{name} home")])
    finally:
        os.close(descriptor)


def _first() -> int:
    try:
        return os.open(FIRST_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as forbidden:
        mend = "it takes CAP_SYS_PTRACE (in a container: --cap-add SYS_PTRACE), or run with --kernel uml"
        raise DriverError("may not be looked into", where="the first network namespace", mend=mend) from forbidden


def index_of(device: str) -> int:
    """A device's number; raises DriverError when it is not there."""
    try:
        return socket.if_nametoindex(device)
    except OSError as missing:
        raise DriverError("is not there", where=f"network device {device}", mend="plug the stick in") from missing
