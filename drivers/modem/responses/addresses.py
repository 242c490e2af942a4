"""IP addresses as modems write them (3GPP TS 27.007 10.1.23, and +CGPIAF).

IPv4 as a.b.c.d, IPv6 as sixteen decimals or with colons, and a mask behind: twice as many decimals, or /length, or
after a blank.  An address of zeros is none.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from drivers.modem.errors import ResponseError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Given:
    """An address, and its mask where it was written with one."""

    address: Address | None = None
    mask: Address | None = None

    @property
    def family(self) -> int | None:
        return self.address.version if self.address else None

    def __str__(self) -> str:
        return str(self.address)


def read(text: str) -> Given:
    """One parameter; raises ResponseError for what is no address."""
    text = text.strip().strip('"')
    if not text:
        return Given()
    first, _, second = text.partition(" ")
    if second:
        return Given(_none_if_zero(_one(first)), _one(second.strip()))
    if "/" in text:
        return _with_length(text)
    octets = text.split(".")
    if ":" not in text and len(octets) in (8, 32):
        half = len(octets) // 2
        return Given(_none_if_zero(_one(".".join(octets[:half]))), _one(".".join(octets[half:])))
    return Given(_none_if_zero(_one(text)))


def is_mask(address: Address | None) -> bool:
    """Whether it could be a network mask and hardly anything else: ones, then zeros."""
    if address is None:
        return False
    inverted = int(address) ^ (1 << address.max_prefixlen) - 1
    return address.packed[0] == 0xFF and inverted & (inverted + 1) == 0


def _with_length(text: str) -> Given:
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as wrong:
        raise ResponseError(f"{text[:60]!r} is no address") from wrong
    return Given(_none_if_zero(interface.ip), interface.netmask)


def _one(text: str) -> Address:
    try:
        if ":" in text:
            return ipaddress.IPv6Address(text)
        octets = bytes(int(octet) for octet in text.split(".") if octet.isascii() and octet.isdecimal())
        if text.count(".") == len(octets) - 1 and len(octets) in (4, 16):
            return ipaddress.ip_address(octets)
    except ValueError as wrong:
        raise ResponseError(f"{text[:60]!r} is no address") from wrong
    raise ResponseError(f"{text[:60]!r} is no address")


def _none_if_zero(address: Address) -> Address | None:
    return address if int(address) else None
