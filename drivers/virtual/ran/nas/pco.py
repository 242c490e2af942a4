"""Protocol configuration options (3GPP TS 24.008 10.5.6.3): how a UE asks for a P-CSCF and DNS, and gets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from drivers.virtual.ran.errors import PeerFault

PPP = 0x80  # "extension" and the configuration protocol PPP for IP PDP contexts
PCSCF_IPV6, IM_CN_FLAG, DNS_IPV6, ADDRESS_BY_NAS, PCSCF_IPV4, DNS_IPV4, MTU = 0x01, 0x02, 0x03, 0x0A, 0x0C, 0x0D, 0x10


@dataclass(frozen=True)
class Pco:
    """Identifiers with what they hold, in the order on the wire."""

    options: tuple[tuple[int, bytes], ...] = field(default=())

    @classmethod
    def request(cls, *, pcscf: bool) -> Pco:
        """What a UE asks for: DNS and the MTU, the address by NAS, and the P-CSCF where the APN is for IMS."""
        wanted = [ADDRESS_BY_NAS, DNS_IPV4, DNS_IPV6, MTU]
        if pcscf:
            wanted = [IM_CN_FLAG, PCSCF_IPV4, PCSCF_IPV6, *wanted]
        return cls(tuple((number, b"") for number in wanted))

    def __bytes__(self) -> bytes:
        parts = (number.to_bytes(2, "big") + bytes((len(value),)) + value for number, value in self.options)
        return bytes((PPP,)) + b"".join(parts)

    @classmethod
    def parse(cls, data: bytes) -> Pco:
        options, at = [], 1
        while at < len(data):
            head, value = data[at : at + 3], b""
            if len(head) == 3:
                value = data[at + 3 : at + 3 + head[2]]
            if len(head) != 3 or len(value) != head[2]:
                raise PeerFault("an option goes beyond the end", where="TS 24.008 10.5.6.3")
            options.append((int.from_bytes(head[:2], "big"), value))
            at += 3 + len(value)
        return cls(tuple(options))

    @property
    def pcscf(self) -> tuple[str, ...]:
        """P-CSCF addresses, in the network's order of each family."""
        return (*self._addresses(PCSCF_IPV4, 4), *self._addresses(PCSCF_IPV6, 16))

    @property
    def dns(self) -> tuple[str, ...]:
        return (*self._addresses(DNS_IPV4, 4), *self._addresses(DNS_IPV6, 16))

    @property
    def mtu(self) -> int | None:
        """The IPv4 link MTU in octets."""
        return next((int.from_bytes(value, "big") for number, value in self.options if number == MTU and value), None)

    def _addresses(self, wanted: int, length: int) -> Iterator[str]:
        for number, value in self.options:
            if number == wanted and len(value) == length:
                yield str(IPv4Address(value) if length == 4 else IPv6Address(value))
