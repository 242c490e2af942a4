"""Requests for network devices: cables, bridges, addresses, routes, neighbours, up and down.

Each function encodes one request for :meth:`drivers.link.netlink.Netlink.batch`; nothing is asked of the kernel here.
Numbers and hardware addresses of devices are ours to choose, so nothing has to be read back to go on.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass, replace
from typing import Any

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from drivers.link.netlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request, encode

RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH, RTM_NEWRULE, RTM_DELRULE = 16, 20, 24, 28, 32, 33
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IFA_F_NODAD = 0x02  # an address is usable at once: duplicate address detection takes a second
NUD_PERMANENT = 0x80
MAIN_TABLE, PROTO_STATIC, SCOPE_UNIVERSE, TYPE_UNICAST, TYPE_BLACKHOLE, ACTION_TO_TABLE = 254, 4, 0, 1, 6, 1
NEW, SET = NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE | NLM_F_REPLACE
NAME_LENGTH = 15  # of a device: IFNAMSIZ less its zero


@dataclass(frozen=True)
class CableEnd:
    """One end of a veth pair.

    Its number must differ from the number of the other end, though that lies in another namespace: with the same number
    on both ends the kernel takes it for a device that stands on no other, and tells of a lost carrier up to a second
    late (linkwatch_urgent_event in net/core/link_watch.c).
    """

    name: str
    index: int
    mac: str
    bridge: int = 0  # the number of the bridge that it is plugged into; only at the near end

    def attributes(self) -> list[tuple[str, Any]]:
        return [("IFLA_IFNAME", self.name), ("IFLA_ADDRESS", self.mac)]


def cable(end: CableEnd, peer: CableEnd, peer_namespace: int) -> Request:
    """A cable from here to a namespace (its open descriptor).

    Our end is up.  The far end is down: the kernel makes it first, and it cannot come up alone (ENOTCONN).
    """
    if end.index == peer.index:
        raise ValueError(f"both ends of the cable {end.name}-{peer.name} have the number {end.index}")
    far = {"index": peer.index, "attrs": [*peer.attributes(), ("IFLA_NET_NS_FD", peer_namespace)]}
    kind = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", far)]})]}
    attributes = [*end.attributes(), ("IFLA_LINKINFO", kind)]
    if end.bridge:
        attributes.append(("IFLA_MASTER", end.bridge))
    body = encode(ifinfmsg, index=end.index, flags=IFF_UP, change=IFF_UP, attributes=attributes)
    return Request(RTM_NEWLINK, body, f"cable {end.name}-{peer.name}", NEW)


def bridge(name: str, index: int, mac: str) -> Request:
    """A switch, up, without spanning tree's delay and without multicast snooping."""
    data = [("IFLA_BR_FORWARD_DELAY", 0), ("IFLA_BR_STP_STATE", 0), ("IFLA_BR_MCAST_SNOOPING", 0)]
    kind = {"attrs": [("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", {"attrs": data})]}
    attributes = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), ("IFLA_LINKINFO", kind)]
    body = encode(ifinfmsg, index=index, flags=IFF_UP, change=IFF_UP, attributes=attributes)
    return Request(RTM_NEWLINK, body, f"bridge {name}", NEW)


def switch(index: int, up: bool, what: str) -> Request:
    """A device up or down."""
    body = encode(ifinfmsg, index=index, flags=IFF_UP if up else 0, change=IFF_UP)
    return Request(RTM_NEWLINK, body, f"{what} {'up' if up else 'down'}")


def address(index: int, own: str, prefix: int, flags: int = NEW) -> Request:
    """An address of a device, IPv6 without duplicate address detection.

    An IPv6 address is whole only when the kernel has told of it (RTM_NEWADDR), a moment after it has said yes.
    """
    family, attributes = _family(own), [("IFA_ADDRESS", own)]
    if family == socket.AF_INET:
        attributes.append(("IFA_LOCAL", own))
    nodad = IFA_F_NODAD if family == socket.AF_INET6 else 0
    body = encode(ifaddrmsg, family=family, prefixlen=prefix, flags=nodad, index=index, attributes=attributes)
    return Request(RTM_NEWADDR, body, f"address {own}/{prefix}", flags)


def route(network: str, gateway: str) -> Request:
    """A network (`address/prefix`) is reached through a gateway."""
    return _route(network, MAIN_TABLE, TYPE_UNICAST, [("RTA_GATEWAY", gateway)], f"route {network} via {gateway}")


def default_route(index: int, gateway: str, table: int, *, family: int = 0) -> Request:
    """Everything that asks this table goes through a gateway on a device; a default route that was there gives way.

    Without a gateway, as on a point-to-point link, it goes out on the device; `family` (4, 6) then says of which.
    """
    network = "::/0" if ":" in gateway or family == 6 else "0.0.0.0/0"
    through: list[tuple[str, Any]] = [("RTA_GATEWAY", gateway)] if gateway else []
    what = f"default route via {gateway or f'device {index}'}"
    return replace(_route(network, table, TYPE_UNICAST, [*through, ("RTA_OIF", index)], what), flags=SET)


def rule(own: str, table: int) -> Request:
    """What is sent from an address of ours asks this table; the table's number is also the rule's priority."""
    return Request(RTM_NEWRULE, _rule(own, table), f"rule of {own}", NLM_F_CREATE, fine=(errno.EEXIST,))


def no_rule(own: str, table: int) -> Request:
    """Take such a rule away, if it is there."""
    return Request(RTM_DELRULE, _rule(own, table), f"rule of {own}", fine=(errno.ENOENT,))


def swallow(network: str, metric: int) -> Request:
    """What is for a network vanishes without a word, as long as no route of a lower metric knows better."""
    return _route(network, MAIN_TABLE, TYPE_BLACKHOLE, [("RTA_PRIORITY", metric)], f"blackhole {network}")


def neighbour(index: int, other: str, mac: str) -> Request:
    """Another's hardware address, for good: nobody has to ask for it, least of all through a link with a delay."""
    body = encode(
        ndmsg,
        family=_family(other),
        ifindex=index,
        state=NUD_PERMANENT,
        attributes=[("NDA_DST", other), ("NDA_LLADDR", mac)],
    )
    return Request(RTM_NEWNEIGH, body, f"neighbour {other}", NEW)


def _route(network: str, table: int, kind: int, attributes: list[tuple[str, Any]], what: str) -> Request:
    net = ipaddress.ip_network(network)
    destination = [("RTA_DST", str(net.network_address))] if net.prefixlen else []
    body = encode(
        rtmsg,
        family=_family(str(net.network_address)),
        dst_len=net.prefixlen,
        table=table,
        proto=PROTO_STATIC,
        scope=SCOPE_UNIVERSE,
        type=kind,
        attributes=[*destination, ("RTA_TABLE", table), *attributes],
    )
    return Request(RTM_NEWROUTE, body, what, NEW)


def _rule(own: str, table: int) -> bytes:
    family = _family(own)
    return encode(
        fibmsg,
        family=family,
        src_len=128 if family == socket.AF_INET6 else 32,
        table=table,
        action=ACTION_TO_TABLE,
        attributes=[("FRA_SRC", own), ("FRA_TABLE", table), ("FRA_PRIORITY", table)],
    )


def _family(text: str) -> int:
    return socket.AF_INET6 if ":" in text else socket.AF_INET
