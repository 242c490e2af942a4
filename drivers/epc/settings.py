"""What a packet core is to be: one set of settings from which every core's own files are rendered."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Literal

from drivers.errors import DriverError

PdnType = Literal["ipv4", "ipv6", "ipv4v6"]
MAX_DNS = 2  # of each family; the cores ignore what comes behind


@dataclass(frozen=True)
class Pool:
    """The addresses of an access point name: the gateway's own, with the network that UEs are in.

    `device` is the TUN device where they leave the core.  NextEPC advertises the IPv6 network to each UE as it is: it
    must have 64 bits there.  Open5GS gives each UE 64 bits of it.
    """

    apn: str
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    device: str = "ogstun"

    @property
    def interfaces(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        return tuple(one for one in (self.ipv4, self.ipv6) if one)


@dataclass(frozen=True)
class CoreSettings:
    """A core on one host.  `s1` is where eNBs find the MME, `s1u` where they send GTP-U to; the rest talks on loopback.

    Where a core hands out several P-CSCFs it does so in turn or all at once, as its kind is.
    """

    pools: tuple[Pool, ...]
    s1: IPv4Address
    s1u: IPv4Address
    plmn: str = "00101"
    tac: int = 1
    mme_group: int = 2
    mme_code: int = 1
    name: str = "rig"
    pcscf: tuple[IPv4Address | IPv6Address, ...] = ()
    dns: tuple[IPv4Address | IPv6Address, ...] = ()
    mtu: int = 1400
    max_ue: int = 64
    integrity: tuple[str, ...] = ("EIA2",)
    ciphering: tuple[str, ...] = ("EEA2", "EEA0")
    database: str = "mongodb://127.0.0.1:27017"

    def __post_init__(self) -> None:
        """Raises DriverError for what no core would take, before one is asked."""
        where = f"packet core {self.name}"
        if not (self.plmn.isdigit() and len(self.plmn) in (5, 6)):
            mend = "write MCC and MNC together, such as 00101"
            raise DriverError(f"PLMN {self.plmn!r} has not five or six digits", where=where, mend=mend)
        if not 0 < self.tac < 0xFFFE:
            raise DriverError(f"TAC {self.tac} is not one of 1 to 65533", where=where)
        names = [pool.apn for pool in self.pools]
        if not names or len(set(names)) != len(names):
            raise DriverError("there must be APNs, each of them once", where=where, mend=f"pools now: {names}")
        if empty := [pool.apn for pool in self.pools if not pool.interfaces]:
            raise DriverError(f"APN {empty[0]} has no addresses", where=where, mend="give it `ipv4` or `ipv6`")
        networks = [one.network for pool in self.pools for one in pool.interfaces]
        for number, network in enumerate(networks):
            for other in networks[:number]:
                if network.version == other.version and network.overlaps(other):
                    raise DriverError(f"pools {network} and {other} overlap", where=where)

    @property
    def mcc(self) -> str:
        return self.plmn[:3]

    @property
    def mnc(self) -> str:
        return self.plmn[3:]


@dataclass(frozen=True)
class PdnSubscription:
    """An access point name that a subscriber may use; `address` is his own one, always the same, where he has one."""

    apn: str
    pdn_type: PdnType = "ipv4"
    qci: int = 9
    priority: int = 8
    address: IPv4Address | None = None


@dataclass(frozen=True)
class SubscriberSettings:
    """A subscriber; K, OPc and AMF in hexadecimal.  `sqn` is the last one that was given out (TS 33.102 6.3.2)."""

    imsi: str
    k: str = field(repr=False)
    opc: str = field(repr=False)
    pdns: tuple[PdnSubscription, ...] = (PdnSubscription("internet"),)
    amf: str = "8000"
    sqn: int = 0
    downlink_bps: int = 100_000_000
    uplink_bps: int = 50_000_000

    def __post_init__(self) -> None:
        where = f"subscriber {self.imsi}"
        if not (self.imsi.isdigit() and 6 <= len(self.imsi) <= 15):
            raise DriverError("an IMSI has at most 15 digits", where=where)
        for name, value in (("k", self.k), ("opc", self.opc)):
            if len(value) != 32 or set(value.lower()) - set("0123456789abcdef"):
                raise DriverError(f"{name} has not 32 hexadecimal digits", where=where)
        if not self.pdns:
            raise DriverError("has no APN", where=where, mend="give him at least one")
