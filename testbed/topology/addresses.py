"""The addresses of a rig: as given in the file, and derived, the same every time, where they are not.

The n-th access (from 1) is 10.<n>.0.0/24 and fd00:0:0:<n>::/64; the UE on it has address 2, its gateway 1.  The
backbone is 10.100.0.0/24 and fd00:0:0:64::/64 (0x64 = 100): access routers from 1 on, servers from 11 on (or behind
the routers, where there are more than ten).  A derived address steps aside for a given one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import Any

from drivers.protocols import Family
from testbed.topology.model import Topology

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

FAMILIES: tuple[Family, ...] = (4, 6)
BACKBONES: Mapping[Family, str] = {4: "10.100.0.0/24", 6: "fd00:0:0:64::/64"}
UES: Mapping[Family, str] = {4: "10.{}.0.2/24", 6: "fd00:0:0:{:x}::2/64"}
FIRST_ROUTER, FIRST_SERVER = 1, 11
LONGEST_PREFIX: Mapping[Family, int] = {4: 30, 6: 126}


@dataclass(frozen=True)
class Addresses:
    """One family's addresses.  An address is None where the backbone had no room for it."""

    family: Family
    backbone: Network
    ues: Mapping[str, Interface]  # access -> the UE's address on it
    gateways: Mapping[str, Address]  # access -> its router, towards the UE
    routers: Mapping[str, Address | None]  # access -> its router, on the backbone
    servers: Mapping[str, Address | None]


def addresses(topology: Topology, family: Family) -> Addresses:
    """All addresses of one family; whether they make sense together is for :mod:`testbed.topology.checks`."""
    backbone = _given(topology.backbone, family) or ip_network(BACKBONES[family])
    ues = {
        name: _given(access, family) or ip_interface(UES[family].format(number))
        for number, (name, access) in enumerate(topology.accesses.items(), start=1)
    }
    given = {name: _given(server, family) for name, server in topology.servers.items()}
    taken = {address for address in given.values() if address is not None}
    routers = dict(zip(topology.accesses, _free(backbone, FIRST_ROUTER, taken), strict=False))
    taken |= {address for address in routers.values() if address is not None}
    free = _free(backbone, FIRST_SERVER, taken)
    servers = {name: address or next(free) for name, address in given.items()}
    return Addresses(family, backbone, ues, {name: _gateway(ue) for name, ue in ues.items()}, routers, servers)


def is_given(part: object, family: Family) -> bool:
    """Whether the file itself names this part's address."""
    return _given(part, family) is not None


def _given(part: object, family: Family) -> Any:
    return getattr(part, f"ipv{family}")


def _gateway(ue: Interface) -> Address:
    first, second = ue.network[FIRST_ROUTER], ue.network[FIRST_ROUTER + 1]
    return second if ue.ip == first else first


def _free(network: Network, first: int, taken: Iterable[Address]) -> Iterator[Address | None]:
    """Host addresses from the first on that nobody has; None for ever when the network is full."""
    past_last = network.num_addresses - 1  # the last one is IPv4's broadcast
    yield from (network[number] for number in range(first, past_last) if network[number] not in taken)
    while True:
        yield None
