"""Ports of a server that carry nothing but ESP, whoever serves there and whatever it is about to send (TS 33.203 7.1).

A daemon's own policies protect the flows of the associations that it has.  Once those are gone, what it still sends to
that peer would leave in the clear, and what comes in the clear to such a port would be delivered.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, ip_address, summarize_address_range
from itertools import product

from drivers.link.xfrm import Selector, Xfrm

FAMILIES = (socket.AF_INET, socket.AF_INET6)


def forbid(ports: Sequence[range], own_addresses: Sequence[str]) -> None:
    """Block cleartext from and to these ports in the network namespace that the caller is in.

    What a host sends to itself passes: the kernel spares that of IPv4 by itself, not that of IPv6.
    """
    blocks = [block for one in ports for block in _blocks(one)]
    xfrm = Xfrm()
    try:
        for family, (port, mask) in product(FAMILIES, blocks):
            xfrm.block([Selector(None, None, dst_port=port, dst_port_mask=mask, family=family)], "in")
            xfrm.block([Selector(None, None, src_port=port, src_port_mask=mask, family=family)], "out")
        to_itself = [Selector(address, address) for address in own_addresses if ip_address(address).version == 6]
        xfrm.spare(to_itself, "in")
        xfrm.spare(to_itself, "out")
    finally:
        xfrm.close()


def _blocks(ports: range) -> Iterator[tuple[int, int]]:
    """A range of ports as few blocks of port and mask: what subnets are to a range of addresses."""
    for network in summarize_address_range(IPv4Address(ports.start), IPv4Address(ports.stop - 1)):
        yield int(network.network_address), int(network.netmask) & 0xFFFF
