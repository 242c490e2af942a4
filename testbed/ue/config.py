"""What a UE is told about itself: its subscription and the choices of a scenario."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Subscription:
    """The identities and the keys of an ISIM (TS 31.103).  Keys never show in a representation or log."""

    impi: str
    impus: tuple[str, ...]  # SIP URIs; the first is what the UE registers and calls as when nothing else is said
    domain: str
    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)
    sqn: int = 0
    implicit_sets: tuple[tuple[str, ...], ...] = ()  # what is registered with which: one set of all when not given

    def __post_init__(self) -> None:
        if not self.implicit_sets:
            object.__setattr__(self, "implicit_sets", (self.impus,))

    def implicit_set(self, impu: str) -> tuple[str, ...]:
        """The identities that are registered with this one (TS 23.228 4.3.3.1); itself alone where none are known."""
        return next((each for each in self.implicit_sets if impu in each), (impu,))

    @property
    def registrar(self) -> str:
        return f"sip:{self.domain}"


@dataclass(frozen=True)
class UeConfig:
    """How this UE behaves."""

    name: str
    subscription: Subscription
    instance: str  # "urn:uuid:..." (RFC 5626 4.1)
    transport: str = "udp"  # udp | tcp
    alg: str = "hmac-sha-1-96"
    ealg: str = "null"
    expires_s: int = 600_000
    seed: int | None = None


@dataclass(frozen=True)
class AccessPoint:
    """An access network as the UE finds it once attached: its own address there and the P-CSCF it was told of."""

    name: str
    address: str
    pcscf: str
    info: str = "IEEE-802.3"  # P-Access-Network-Info's access-type (TS 24.229 7.2A.4)
    pcscf_port: int = 5060
