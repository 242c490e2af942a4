"""The rig that a topology comes to: every namespace, device and address, fixed before anything is made.

A topology file says what a person wants; the plan is what bring-up, core, UEs and measurement agree on.

    UE --cable-- access --shaped link-- backbone (a bridge) -- P-CSCFs, S-CSCF, HSS (I-CSCF, peer)

The cable has no delay of its own: cutting it takes the UE off at once, while what had passed it still travels on.
Delay, jitter and loss lie on the link behind it: uplink at the access's end, downlink at the backbone's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from drivers.protocols import AccessAddress, Family, Shape
from testbed.topology.model import Role

BACKBONE = "backbone"
UE_CABLE, NETWORK_LINK = "ue0", "net0"  # an access's devices: towards the UE, towards the backbone
SERVER_DEVICE = "eth0"
SIP_PORT = 5060


@dataclass(frozen=True)
class VirtualStick:
    """A virtual stick; the far end of its network device is the access's `ue0`."""

    model: str
    serial: str
    mac: str  # of its network device at the UE
    imei: str
    imsi: str  # of the card in it
    attach_ms: float  # what its network takes to let it attach
    connect_ms: float  # and to give a PDN connection


@dataclass(frozen=True)
class SgiPlan:
    """This machine's device towards a real packet core; while the rig is up it is the access's `ue0`."""

    device: str
    address: str  # of the access's router on it
    prefix: int
    core: str  # through which UEs are reached


@dataclass(frozen=True)
class ModemPlan:
    """The LTE modem that an access network is reached by: a virtual stick, or a real one with its packet core."""

    port: str  # the AT port's name that stays (drivers.modem.usb.PortName)
    apn: str
    low_dbm: float | None = None  # RSRP below which the signal is called low
    stick: VirtualStick | None = None
    sgi: SgiPlan | None = None


@dataclass(frozen=True)
class WifiPoint:
    """One access point of a network; its radio in the access's namespace is `ap0`, that of a second one `ap1`."""

    mac: str
    channel: int
    device: str


@dataclass(frozen=True)
class WifiPlan:
    """The Wi-Fi that an access network is reached by; its access points are bridged to the access's `ue0`."""

    ssid: str
    security: Literal["open", "wpa2-psk", "wpa3-sae"]
    points: tuple[WifiPoint, ...]
    station_mac: str
    passphrase: str = field(default="for virtual radios only", repr=False)
    low_dbm: int | None = None  # RSSI below which the signal is called low


@dataclass(frozen=True)
class AccessPlan:
    """An access network: a namespace of its own that routes between one UE and the backbone."""

    name: str
    ue: str  # the UE whose device on it is called like the access
    pcscf: str  # the name of the server that the UE is told of
    addresses: tuple[AccessAddress, ...]  # the UE's on it, IPv4 first: with prefix, gateway and P-CSCF
    backbone: Mapping[Family, str]  # the access router's own on the backbone
    table: int  # the UE's routing table for it
    shape: Shape  # each way
    info: str = "IEEE-802.3"  # P-Access-Network-Info (TS 24.229 7.2A.4)
    # How it is reached; by a cable where neither is given.
    modem: ModemPlan | None = None
    wifi: WifiPlan | None = None

    @property
    def namespace(self) -> str:
        return f"access-{self.name}"

    def address(self, family: Family) -> AccessAddress:
        """The UE's address of one family."""
        return next(address for address in self.addresses if address.family == family)


@dataclass(frozen=True)
class ServerPlan:
    """A server on the backbone; its namespace is called like itself, its device `eth0`."""

    name: str
    role: Role
    addresses: Mapping[Family, str]
    domain: str = ""  # of a peer: its network's


@dataclass(frozen=True)
class UePlan:
    """A UE: a namespace of its own, its accesses in the order of preference, its identities."""

    name: str
    accesses: tuple[str, ...]
    impi: str
    impus: tuple[str, ...]  # of all sets, in their order
    implicit_sets: tuple[tuple[str, ...], ...]  # of each, the first is registered explicitly and the others follow it
    card: str | None = None  # the access whose modem computes AKA; None: software does


@dataclass(frozen=True)
class Plan:
    """Everything that is to be made.  Names of namespaces here are without the rig's prefix."""

    topology: str
    domain: str
    accesses: Mapping[str, AccessPlan]
    servers: Mapping[str, ServerPlan]
    ues: Mapping[str, UePlan]
    backbone_prefix: Mapping[Family, int]
    core_delay_ms: float = 0.0  # one way, between two servers; shaped at each server's egress
    notes: tuple[str, ...] = field(default=())

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All of them, the backbone first."""
        accesses = (access.namespace for access in self.accesses.values())
        return (BACKBONE, *accesses, *self.servers, *self.ues)

    @property
    def sticks(self) -> Mapping[str, VirtualStick]:
        """By their accesses."""
        modems = {name: access.modem for name, access in self.accesses.items() if access.modem is not None}
        return {name: modem.stick for name, modem in modems.items() if modem.stick is not None}

    @property
    def wifis(self) -> tuple[AccessPlan, ...]:
        """The accesses by Wi-Fi."""
        return tuple(access for access in self.accesses.values() if access.wifi is not None)

    def server(self, role: str) -> ServerPlan:
        """The only server of a role (scscf, hss)."""
        return next(server for server in self.servers.values() if server.role == role)

    def optional(self, role: str) -> ServerPlan | None:
        """The server of a role that there need not be (icscf, peer)."""
        return next((server for server in self.servers.values() if server.role == role), None)

    def pcscfs(self) -> tuple[ServerPlan, ...]:
        return tuple(server for server in self.servers.values() if server.role == "pcscf")
