"""What a topology file may say.  Unknown keys are refused, values are of the type stated and not converted.

Every name becomes a network namespace, and those of accesses and servers a device in one, whose names the kernel
limits to 15 characters (IFNAMSIZ).  Keys (Ki, OPc) never stand in a topology file: the HSS has them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from drivers.virtual.models import MODELS

LONGEST_DELAY_MS = 60_000
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=15)]
Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$")]
Nai = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._+-]+@[a-z0-9.-]+$")]
SipUri = Annotated[str, StringConstraints(pattern=r"^sip:[A-Za-z0-9._+-]+@[a-z0-9.-]+$")]
Milliseconds = Annotated[float, Field(ge=0, le=LONGEST_DELAY_MS)]


Role = Literal["pcscf", "scscf", "icscf", "hss", "peer"]


class Strict(BaseModel):
    """The manner of every part of a file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Access(Strict):
    """What access networks of every kind have: their quality, a P-CSCF, and an address for the one UE on them.

    A kind must say whether hardware outside this machine's kernel plays it, for time cannot be simulated there.
    """

    pcscf: Name = Field(description="The server of role `pcscf` that the UE on this access is told of.")
    delay_ms: Milliseconds = Field(
        default=0.0, description="One-way delay between the UE and the core, the same each way."
    )
    jitter_ms: Milliseconds = Field(
        default=0.0, description="How far a packet's delay may lie from delay_ms; not above it."
    )
    loss_percent: float = Field(default=0.0, ge=0, le=100, description="Packets lost at random, each way.")
    ipv4: IPv4Interface | None = Field(
        default=None, description="The UE's address and prefix length; derived when not given."
    )
    ipv6: IPv6Interface | None = Field(
        default=None, description="The UE's address and prefix length; derived when not given."
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if "is_physical" not in vars(cls):
            raise TypeError(f"{cls.__name__}: say whether an access of this kind is_physical")

    @property
    def is_physical(self) -> bool:
        """Whether a real radio or network plays it, which keeps its own time."""
        raise NotImplementedError


class WiredAccess(Access):
    """A cable to a router of the access network, in a namespace of its own; the link behind it is shaped by netem."""

    kind: Literal["wired"]

    access_type: str = Field(
        default="IEEE-802.3",
        pattern=r"^[A-Za-z0-9.-]+$",
        description="What the UE calls it in P-Access-Network-Info (TS 24.229 7.2A.4).",
    )

    @property
    def is_physical(self) -> bool:
        return False


class Sgi(Strict):
    """Where this machine is connected to a real packet core (SGi, TS 29.061): the access's router gets the device."""

    device: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$", max_length=15)] = Field(
        description="This machine's network device towards the packet core; the rig has it while it is up."
    )
    ipv4: IPv4Interface = Field(description="The access router's address on it, with its prefix length.")
    core: IPv4Address = Field(description="The packet core's address on it, through which UEs are reached.")


class ModemAccess(Access):
    """An LTE modem on USB: a virtual stick, or a real one.

    Behind a virtual stick lies the same router of the access as behind a cable.  Behind a real one are its radio, the
    packet core, and from there the device `sgi` of this machine, which the access's router is given.
    """

    kind: Literal["modem"]
    stick: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")] | None = Field(
        default=None, description=f"The model of a virtual stick: {', '.join(MODELS)}."
    )
    port: str | None = Field(
        default=None,
        min_length=1,
        description="A real modem's AT port by a name that stays: /dev/serial/by-id/..., serial:NUMBER:2, usb:1-1.2:2.",
    )
    sgi: Sgi | None = Field(default=None, description="Of a real modem: the way from its packet core to this machine.")
    apn: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+$", max_length=100)] = Field(
        default="ims", description="Access point name of the PDN connection (TS 23.003 9.1)."
    )
    attach_ms: Milliseconds = Field(default=200.0, description="What its network takes to let the modem attach.")
    connect_ms: Milliseconds = Field(default=100.0, description="What its network takes to give a PDN connection.")
    low_dbm: float | None = Field(
        default=None, ge=-140, le=-44, description="RSRP below which the UE is told that the signal is low."
    )
    access_type: str = Field(
        default="3GPP-E-UTRAN-FDD",
        pattern=r"^[A-Za-z0-9.-]+$",
        description="What the UE calls it in P-Access-Network-Info (TS 24.229 7.2A.4).",
    )

    @property
    def is_physical(self) -> bool:
        return self.port is not None


class WifiAccess(Access):
    """Wi-Fi on virtual radios of this kernel, with a real access point, station, and DHCP between them (IPv4)."""

    kind: Literal["wifi"]
    ssid: str = Field(default="testbed", min_length=1, max_length=32, description="The network's name.")
    security: Literal["open", "wpa2-psk", "wpa3-sae"] = Field(default="wpa2-psk", description="How stations get in.")
    channel: int = Field(default=1, ge=1, le=177, description="1 to 11, or from 36 on in the 5 GHz band.")
    points: int = Field(
        default=1, ge=1, le=2, description="Access points; a second one is five channels up, and 802.11r joins them."
    )
    low_dbm: int | None = Field(
        default=-72, ge=-95, le=-45, description="RSSI below which the UE is told that the signal is low."
    )
    access_type: str = Field(
        default="IEEE-802.11",
        pattern=r"^[A-Za-z0-9.-]+$",
        description="What the UE calls it in P-Access-Network-Info (TS 24.229 7.2A.4).",
    )

    @property
    def is_physical(self) -> bool:
        return False


AnyAccess = Annotated[WiredAccess | ModemAccess | WifiAccess, Field(discriminator="kind")]


class Server(Strict):
    """A server of the home network, or the one of a peer network; a namespace of its own on the backbone."""

    role: Role = Field(description="What runs there; `peer` is SIPp, a user agent of another network.")
    domain: Domain | None = Field(default=None, description="Of a peer: its network's domain.")
    ipv4: IPv4Address | None = Field(default=None, description="Derived when not given.")
    ipv6: IPv6Address | None = Field(default=None, description="Derived when not given.")


class Ue(Strict):
    """A UE and its subscription."""

    accesses: list[Name] = Field(min_length=1, description="The accesses it has, the preferred one first.")
    impi: Nai = Field(description="Private identity.")
    impus: list[SipUri] = Field(
        default=[],
        min_length=1,
        description="Public identities: the first is registered explicitly, the others follow it (implicit set).",
    )
    implicit_sets: list[Annotated[list[SipUri], Field(min_length=1)]] = Field(
        default=[],
        min_length=1,
        description="Instead of impus: several implicit registration sets, each as impus would be.",
    )
    card: Name | None = Field(
        default=None,
        description="The access whose modem holds the UE's card, which then computes AKA; software when not given.",
    )

    @property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """The implicit registration sets, whichever way they are written."""
        return tuple(tuple(one) for one in self.implicit_sets) or (tuple(self.impus),)


class Backbone(Strict):
    """The network between the access routers and the servers."""

    delay_ms: Milliseconds = Field(default=0.0, description="One-way delay between two servers.")
    ipv4: IPv4Network | None = Field(default=None, description="Its subnet; 10.100.0.0/24 when not given.")
    ipv6: IPv6Network | None = Field(default=None, description="Its subnet; fd00:0:0:64::/64 when not given.")


class Topology(Strict):
    """A rig: accesses, the home network's servers, and the UEs."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)] = Field(
        description="A short name, as a rule that of the file."
    )
    title: str = Field(default="", max_length=200, pattern=r"^\P{C}*$", description="What the rig is for, in a line.")
    domain: Domain = Field(description="The home network's domain (RFC 3261 realm and registrar).")
    accesses: dict[Name, AnyAccess] = Field(min_length=1, max_length=64, description="Access networks by name.")
    servers: dict[Name, Server] = Field(min_length=1, max_length=64, description="P-CSCFs, S-CSCF, HSS; I-CSCF, peer.")
    ues: dict[Name, Ue] = Field(min_length=1, max_length=16, description="The UE that moves first, then the far end.")
    backbone: Backbone = Field(default=Backbone(), description="The network between accesses and servers.")
