"""From a topology to the plan of its rig."""

from __future__ import annotations

from itertools import chain

from drivers.protocols import AccessAddress, Family, Shape
from drivers.virtual.models import MODELS
from testbed.topology.addresses import FAMILIES, Addresses, addresses
from testbed.topology.model import Access, ModemAccess, Topology, WifiAccess, WiredAccess
from testbed.topology.plan import (
    AccessPlan,
    ModemPlan,
    Plan,
    ServerPlan,
    SgiPlan,
    UePlan,
    VirtualStick,
    WifiPlan,
    WifiPoint,
)

FIRST_TABLE = 101  # routing tables 0, 253-255 are the kernel's own
TEST_IMEI = 35693803564380  # without its check digit (TS 23.003 6.2.1); the number of the access is added
TEST_IMSI = 1010000000000  # PLMN 001 01, of test networks; 15 digits


def make_plan(topology: Topology) -> Plan:
    """Every namespace, device and address of the rig.  The topology must have come through `load`."""
    found = {family: addresses(topology, family) for family in FAMILIES}
    owner = {access: name for name, ue in topology.ues.items() for access in ue.accesses}
    return Plan(
        topology=topology.name,
        domain=topology.domain,
        accesses={
            name: _access(name, access, owner[name], FIRST_TABLE + number, found)
            for number, (name, access) in enumerate(topology.accesses.items())
        },
        servers={
            name: ServerPlan(
                name,
                server.role,
                {family: str(found[family].servers[name]) for family in FAMILIES},
                server.domain or "",
            )
            for name, server in topology.servers.items()
        },
        ues={
            name: UePlan(name, tuple(ue.accesses), ue.impi, tuple(chain.from_iterable(ue.sets)), ue.sets, ue.card)
            for name, ue in topology.ues.items()
        },
        backbone_prefix={family: found[family].backbone.prefixlen for family in FAMILIES},
        core_delay_ms=topology.backbone.delay_ms,
    )


def _access(name: str, access: Access, ue: str, table: int, found: dict[Family, Addresses]) -> AccessPlan:
    assert isinstance(access, WiredAccess | ModemAccess | WifiAccess)
    number = table - FIRST_TABLE + 1
    return AccessPlan(
        name=name,
        ue=ue,
        pcscf=access.pcscf,
        addresses=tuple(_address(name, access.pcscf, found[family]) for family in FAMILIES),
        backbone={family: str(found[family].routers[name]) for family in FAMILIES},
        table=table,
        shape=Shape(access.delay_ms, access.jitter_ms, access.loss_percent),
        info=access.access_type,
        modem=_modem(access, number) if isinstance(access, ModemAccess) else None,
        wifi=_wifi(access, number) if isinstance(access, WifiAccess) else None,
    )


def _wifi(access: WifiAccess, number: int) -> WifiPlan:
    station, *points = (f"02:00:5e:10:{place:02x}:{number:02x}" for place in range(access.points + 1))
    made = tuple(WifiPoint(mac, access.channel + 5 * place, f"ap{place}") for place, mac in enumerate(points))
    return WifiPlan(access.ssid, access.security, made, station, low_dbm=access.low_dbm)


def _modem(access: ModemAccess, number: int) -> ModemPlan:
    """The n-th access's: every identity follows from its place."""
    if access.port is not None:
        assert access.sgi is not None
        own = access.sgi.ipv4
        sgi = SgiPlan(access.sgi.device, str(own.ip), own.network.prefixlen, str(access.sgi.core))
        return ModemPlan(access.port, access.apn, access.low_dbm, sgi=sgi)
    assert access.stick is not None
    mac = f"02:00:00:03:{number >> 8:02x}:{number & 0xFF:02x}"
    imei, imsi = _with_check_digit(str(TEST_IMEI + number)), f"{TEST_IMSI + number:015d}"
    serial, times = f"testbed{number:04d}", (access.attach_ms, access.connect_ms)
    port = f"serial:{serial}:{MODELS[access.stick].at_interface}"
    return ModemPlan(port, access.apn, access.low_dbm, VirtualStick(access.stick, serial, mac, imei, imsi, *times))


def _with_check_digit(digits: str) -> str:
    """An IMEI's last digit (Luhn; TS 23.003 annex B)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits), 1))
    total = sum(value // 10 + value % 10 for value in doubled)
    return f"{digits}{-total % 10}"


def _address(name: str, pcscf: str, found: Addresses) -> AccessAddress:
    ue = found.ues[name]
    prefix = ue.network.prefixlen
    return AccessAddress(found.family, str(ue.ip), prefix, str(found.gateways[name]), str(found.servers[pcscf]))
