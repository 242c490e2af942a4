"""Information elements of NAS messages (3GPP TS 24.301 9.9, TS 24.008 10.5)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from drivers.virtual.ran.errors import PeerFault

PdnType = Literal[1, 2, 3]  # TS 24.301 9.9.4.10
IPV4: Literal[1] = 1
IPV6: Literal[2] = 2
IPV4V6: Literal[3] = 3
_LINK_LOCAL = bytes.fromhex("fe80000000000000")
# TS 24.008 10.5.1.4, TS 24.301 9.9.3.12: the low three bits of a mobile identity's first octet
IDENTITY_IMSI, IDENTITY_IMEI, IDENTITY_IMEISV, IDENTITY_GUTI = 1, 2, 3, 6


def plmn_octets(plmn: str) -> bytes:
    """MCC and MNC as three octets (TS 24.008 10.5.1.3); "00101" has a two-digit MNC."""
    mcc, mnc = plmn[:3], plmn[3:]
    third = mnc[2] if len(mnc) == 3 else "f"
    return bytes.fromhex(mcc[1] + mcc[0] + third + mcc[2] + mnc[1] + mnc[0])


def plmn_text(data: bytes) -> str:
    """Back from three octets."""
    a, b, c = data.hex()[:2], data.hex()[2:4], data.hex()[4:6]
    text = a[1] + a[0] + b[1] + c[1] + c[0] + b[0].replace("f", "")
    if len(data) != 3 or not text.isdigit():
        raise PeerFault(f"{data.hex()} is no PLMN", where="TS 24.008 10.5.1.3")
    return text


@dataclass(frozen=True)
class Identity:
    """An IMSI, IMEI or IMEISV by its digits (TS 24.008 10.5.1.4)."""

    kind: int
    digits: str

    def __bytes__(self) -> bytes:
        odd = len(self.digits) % 2
        rest = self.digits[1:] + ("" if odd else "f")
        swapped = "".join(rest[at + 1] + rest[at] for at in range(0, len(rest), 2))
        return bytes((int(self.digits[0]) << 4 | odd << 3 | self.kind,)) + bytes.fromhex(swapped)


@dataclass(frozen=True)
class Guti:
    """The identity that the MME gave (TS 24.301 9.9.3.12)."""

    plmn: str
    mme_group: int
    mme_code: int
    m_tmsi: int

    def __bytes__(self) -> bytes:
        numbers = self.mme_group.to_bytes(2, "big") + bytes((self.mme_code,)) + self.m_tmsi.to_bytes(4, "big")
        return bytes((0xF0 | IDENTITY_GUTI,)) + plmn_octets(self.plmn) + numbers

    @property
    def s_tmsi(self) -> tuple[int, int]:
        """What a UE is paged by: MME code and M-TMSI."""
        return self.mme_code, self.m_tmsi


@dataclass(frozen=True)
class EpsIdentity:
    """An EPS mobile identity (9.9.3.12): GUTI, IMSI or IMEI."""

    value: Identity | Guti

    def __bytes__(self) -> bytes:
        return bytes(self.value)

    @classmethod
    def parse(cls, data: bytes) -> EpsIdentity:
        kind = data[0] & 7 if data else 0
        if kind == IDENTITY_GUTI and len(data) == 11:
            number = int.from_bytes
            return cls(Guti(plmn_text(data[1:4]), number(data[4:6], "big"), data[6], number(data[7:11], "big")))
        if kind not in (IDENTITY_IMSI, IDENTITY_IMEI, IDENTITY_IMEISV):
            raise PeerFault(f"{data.hex()} is no mobile identity", where="TS 24.301 9.9.3.12")
        digits = data.hex()[0] + "".join(f"{octet & 0xF:x}{octet >> 4:x}" for octet in data[1:])
        digits = digits if data[0] & 8 else digits[:-1]
        if not digits.isdigit():
            raise PeerFault(f"{data.hex()} has other digits than 0 to 9", where="TS 24.008 10.5.1.4")
        return cls(Identity(kind, digits))


@dataclass(frozen=True)
class Tai:
    """A tracking area (9.9.3.32)."""

    plmn: str
    tac: int

    def __bytes__(self) -> bytes:
        return plmn_octets(self.plmn) + self.tac.to_bytes(2, "big")

    @classmethod
    def parse(cls, data: bytes) -> Tai:
        if len(data) != 5:
            raise PeerFault(f"a TAI of {len(data)} octets", where="TS 24.301 9.9.3.32")
        return cls(plmn_text(data[:3]), int.from_bytes(data[3:], "big"))


@dataclass(frozen=True)
class Apn:
    """An access point name, its labels with their lengths (TS 23.003 9.1)."""

    name: str

    def __bytes__(self) -> bytes:
        labels = self.name.encode().split(b".")
        return b"".join(bytes((len(label),)) + label for label in labels)

    @classmethod
    def parse(cls, data: bytes) -> Apn:
        labels, at = [], 0
        while at < len(data):
            label = data[at + 1 : at + 1 + data[at]]
            if len(label) != data[at]:
                raise PeerFault(f"{data.hex()} is no APN", where="TS 23.003 9.1")
            labels.append(label.decode("latin-1"))
            at += 1 + len(label)
        return cls(".".join(labels))


@dataclass(frozen=True)
class PdnAddress:
    """What the PGW gave (9.9.4.9): an IPv4 address, the interface identifier of the IPv6 link-local one, or both.

    The IPv6 prefix comes by a router advertisement over the bearer (TS 23.401 5.3.1.2.2).
    """

    ipv4: IPv4Address | None = None
    interface_id: bytes | None = None

    @property
    def link_local(self) -> IPv6Address | None:
        return IPv6Address(_LINK_LOCAL + self.interface_id) if self.interface_id else None

    def __bytes__(self) -> bytes:
        kind = (IPV4 if self.ipv4 else 0) | (IPV6 if self.interface_id else 0)
        return bytes((kind,)) + (self.interface_id or b"") + (self.ipv4.packed if self.ipv4 else b"")

    @classmethod
    def parse(cls, data: bytes) -> PdnAddress:
        kind, rest = (data[0] & 7 if data else 0), data[1:]
        if kind == IPV4 and len(rest) >= 4:
            return cls(IPv4Address(rest[:4]))
        if kind == IPV6 and len(rest) >= 8:
            return cls(None, rest[:8])
        if kind == IPV4V6 and len(rest) >= 12:
            return cls(IPv4Address(rest[8:12]), rest[:8])
        raise PeerFault(f"{data.hex()} is no PDN address", where="TS 24.301 9.9.4.9")


@dataclass(frozen=True)
class Timer:
    """A GPRS timer (TS 24.008 10.5.7.3) in seconds; None: deactivated."""

    seconds: int | None

    def __bytes__(self) -> bytes:
        if self.seconds is None:
            return b"\xe0"
        for unit, length_s in _TIMER_UNITS.items():
            if self.seconds % length_s == 0 and self.seconds // length_s < 32:
                return bytes((unit << 5 | self.seconds // length_s,))
        raise ValueError(f"no GPRS timer has {self.seconds} s")

    @classmethod
    def parse(cls, data: bytes) -> Timer:
        if len(data) != 1:
            raise PeerFault(f"a GPRS timer of {len(data)} octets", where="TS 24.008 10.5.7.3")
        unit, value = data[0] >> 5, data[0] & 0x1F
        return cls(None if unit == 7 else value * _TIMER_UNITS.get(unit, 60))


_TIMER_UNITS = {0: 2, 1: 60, 2: 360}
