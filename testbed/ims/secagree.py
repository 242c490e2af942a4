"""Security agreement: what UE and P-CSCF negotiate, and the four security associations that follow from it.

The headers Security-Client, Security-Server and Security-Verify are RFC 3329 with the ipsec-3gpp mechanism of TS 33.203
annex H; the keys are those of annex I, the selectors those of 7.1 and 7.2.  Nothing here touches a kernel: the result
is a description that :mod:`testbed.ue` carries out in XFRM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from testbed.ims.errors import OurFault, ParseError, PeerFault
from testbed.ims.params import split_outside

IPSEC_3GPP = "ipsec-3gpp"
_DEFAULTS = {"ealg": "null", "mod": "trans", "prot": "esp"}  # annex H
_NUMBERS = {"spi-c": 0xFFFFFFFF, "spi-s": 0xFFFFFFFF, "port-c": 0xFFFF, "port-s": 0xFFFF}  # and the highest they may be
_KNOWN = frozenset(("alg", "q", *_DEFAULTS, *_NUMBERS))


class NoCommonMechanism(PeerFault):
    """The P-CSCF offers nothing that we offered (RFC 3329 2.3.1: the registration is abandoned)."""


def _number(name: str, text: str, highest: int) -> int:
    """Decimal digits only; leading zeros mean nothing, though the text keeps them (the proposal's 01234567)."""
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or int(digits) > highest:
        raise ParseError(f"{name}={text[:40]} is not a decimal number from 1 to {highest}", where="sec-agree")
    return int(digits)


def _preference(text: str) -> float:
    try:
        q = float(text)
    except ValueError:
        q = -1.0
    if not 0.0 <= q <= 1.0:
        raise ParseError(f"q={text} is not a number from 0 to 1", where="sec-agree")
    return q


@dataclass(frozen=True, slots=True)
class SecurityMechanism:
    """One mechanism of a Security-Client, Security-Server or Security-Verify header.

    The numbers are None where the parameter is missing (another mechanism than ipsec-3gpp has none of them).  `str()`
    gives a parsed mechanism back letter by letter, because Security-Verify must repeat it so.
    """

    mechanism: str = IPSEC_3GPP
    alg: str | None = None
    ealg: str = "null"
    mod: str = "trans"
    prot: str = "esp"
    spi_c: int | None = None
    spi_s: int | None = None
    port_c: int | None = None
    port_s: int | None = None
    q: float = 1.0  # RFC 3329 gives no default; one mechanism without q is the only and so the best
    others: tuple[tuple[str, str | None], ...] = ()
    text: str | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> SecurityMechanism:
        """Read one mechanism; unknown parameters are kept.  Raises :class:`ParseError`."""
        name, *pieces = (piece.strip() for piece in split_outside(text.strip(), ";"))
        if not name:
            raise ParseError("a security mechanism without a name", where="sec-agree")
        found: dict[str, str] = {}
        others: list[tuple[str, str | None]] = []
        for piece in filter(None, pieces):
            key, equals, value = (part.strip() for part in piece.partition("="))
            key = key.lower()
            if key in found:
                raise ParseError(f"{key} stands twice in one mechanism", where="sec-agree")
            if key in _KNOWN and equals:
                found[key] = value
            else:
                others.append((key, value if equals else None))
        words = {key: found.get(key, default).lower() for key, default in _DEFAULTS.items()}
        numbers = {key: _number(key, found[key], highest) for key, highest in _NUMBERS.items() if key in found}
        return cls(
            mechanism=name.lower(),
            alg=found["alg"].lower() if "alg" in found else None,
            ealg=words["ealg"],
            mod=words["mod"],
            prot=words["prot"],
            spi_c=numbers.get("spi-c"),
            spi_s=numbers.get("spi-s"),
            port_c=numbers.get("port-c"),
            port_s=numbers.get("port-s"),
            q=_preference(found.get("q", "1")),
            others=tuple(others),
            text=text.strip(),
        )

    def __str__(self) -> str:
        if self.text is not None:
            return self.text
        parameters: list[tuple[str, str | None]] = [("q", f"{self.q:g}")] if self.q != 1.0 else []
        if self.alg is not None:
            parameters.append(("alg", self.alg))
            parameters += [(key, getattr(self, key)) for key in ("ealg", "mod", "prot")]
        for key in _NUMBERS:
            number = getattr(self, key.replace("-", "_"))
            if number is not None:
                parameters.append((key, str(number)))
        parameters += self.others
        return "; ".join([self.mechanism, *(key if value is None else f"{key}={value}" for key, value in parameters)])


def parse_mechanisms(values: Iterable[str]) -> list[SecurityMechanism]:
    """All mechanisms of a header, which may be repeated and hold several values each, in their order."""
    return [SecurityMechanism.parse(part) for value in values for part in split_outside(value, ",") if part.strip()]


def choose(
    server: Iterable[SecurityMechanism], client: Iterable[SecurityMechanism]
) -> tuple[SecurityMechanism, SecurityMechanism]:
    """The server's mechanism that applies and the offer of ours it answers (RFC 3329 2.3.1, TS 33.203 7.2).

    The highest q among those we offered with the same algorithms wins; between equals the first.
    """
    offers = list(client)
    for candidate in sorted(server, key=lambda mechanism: -mechanism.q):
        for offer in offers:
            if _combination(candidate) == _combination(offer) and _complete(candidate):
                return candidate, offer
    raise NoCommonMechanism(
        "the P-CSCF offers no security mechanism that we offered",
        where="Security-Server",
        mend=f"we offered {', '.join(str(offer) for offer in offers) or 'nothing'}",
    )


def _combination(mechanism: SecurityMechanism) -> tuple[str | None, ...]:
    return mechanism.mechanism, mechanism.alg, mechanism.ealg, mechanism.mod, mechanism.prot


def _complete(mechanism: SecurityMechanism) -> bool:
    return None not in (mechanism.alg, mechanism.spi_c, mechanism.spi_s, mechanism.port_c, mechanism.port_s)


# TS 33.203 annex I: how the 128 bits of IK and CK become ESP keys.
INTEGRITY_KEYS: dict[str, Callable[[bytes], bytes]] = {
    "hmac-md5-96": lambda ik: ik,
    "hmac-sha-1-96": lambda ik: ik + bytes(4),
}
ENCRYPTION_KEYS: dict[str, Callable[[bytes], bytes]] = {
    "null": lambda ck: b"",
    "aes-cbc": lambda ck: ck,
    "des-ede3-cbc": lambda ck: ck + ck[:8],
}


def integrity_key(alg: str, ik: bytes) -> bytes:
    """The ESP authentication key of `alg`: 16 bytes for MD5, 20 (IK and 32 zero bits) for SHA-1."""
    return _derive(INTEGRITY_KEYS, alg, ik)


def encryption_key(ealg: str, ck: bytes) -> bytes:
    """The ESP encryption key of `ealg`: none for null, 16 bytes for AES, 24 for triple DES."""
    return _derive(ENCRYPTION_KEYS, ealg, ck)


def _derive(table: dict[str, Callable[[bytes], bytes]], algorithm: str, key: bytes) -> bytes:
    if algorithm not in table:
        known = ", ".join(table)
        raise PeerFault(f"algorithm {algorithm!r} is not known", where="TS 33.203 annex I", mend=f"use {known}")
    if len(key) != 16:
        raise OurFault(f"a key of AKA has 16 bytes, this one {len(key)}", where="TS 33.203 annex I")
    return table[algorithm](key)


class Direction(Enum):
    """As seen from the UE."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class SaSpec:
    """One unidirectional ESP SA in transport mode with its selector; it carries UDP and TCP between the two ports."""

    src: str
    dst: str
    src_port: int
    dst_port: int
    spi: int  # the receiver's, for the port that receives
    direction: Direction
    auth: str
    auth_key: bytes = field(repr=False)
    enc: str
    enc_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SaSet:
    """The four SAs of one IMS connection (TS 33.203 7.1), named after the ports they run between."""

    uc_ps: SaSpec  # requests of the UE, and over TCP nothing else: UE port-c -> P-CSCF port-s
    ps_uc: SaSpec  # what the P-CSCF sends back on it
    pc_us: SaSpec  # requests to the UE: P-CSCF port-c -> UE port-s
    us_pc: SaSpec  # what the UE sends back on it

    def __iter__(self) -> Iterator[SaSpec]:
        return iter((self.uc_ps, self.ps_uc, self.pc_us, self.us_pc))


def sa_set(
    ue_addr: str,
    pcscf_addr: str,
    client: SecurityMechanism,
    server: SecurityMechanism,
    ck: bytes,
    ik: bytes,
) -> SaSet:
    """The SAs that the agreed mechanisms stand for.  `client` is the UE's offer, `server` the P-CSCF's answer."""
    if not (_complete(client) and _complete(server)):
        raise PeerFault("a mechanism lacks alg, spi-c, spi-s, port-c or port-s", where="sec-agree")
    algorithms = (server.alg or "", integrity_key(server.alg or "", ik), server.ealg, encryption_key(server.ealg, ck))

    def outward(ue_port: int | None, pcscf_port: int | None, spi: int | None) -> SaSpec:
        return SaSpec(ue_addr, pcscf_addr, ue_port or 0, pcscf_port or 0, spi or 0, Direction.OUT, *algorithms)

    def inward(pcscf_port: int | None, ue_port: int | None, spi: int | None) -> SaSpec:
        return SaSpec(pcscf_addr, ue_addr, pcscf_port or 0, ue_port or 0, spi or 0, Direction.IN, *algorithms)

    return SaSet(
        uc_ps=outward(client.port_c, server.port_s, server.spi_s),
        ps_uc=inward(server.port_s, client.port_c, client.spi_c),
        pc_us=inward(server.port_c, client.port_s, client.spi_s),
        us_pc=outward(client.port_s, server.port_c, server.spi_c),
    )
