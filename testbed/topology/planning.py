"""From a topology to the plan of its rig."""

from __future__ import annotations

from itertools import chain

from drivers.protocols import AccessAddress, Family, Shape
from testbed.topology.addresses import FAMILIES, Addresses, addresses
from testbed.topology.model import AnyAccess, Topology
from testbed.topology.plan import AccessPlan, Plan, ServerPlan, UePlan

FIRST_TABLE = 101  # routing tables 0, 253-255 are the kernel's own


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
            name: UePlan(name, tuple(ue.accesses), ue.impi, tuple(chain.from_iterable(ue.sets)), ue.sets)
            for name, ue in topology.ues.items()
        },
        backbone_prefix={family: found[family].backbone.prefixlen for family in FAMILIES},
        core_delay_ms=topology.backbone.delay_ms,
    )


def _access(name: str, access: AnyAccess, ue: str, table: int, found: dict[Family, Addresses]) -> AccessPlan:
    return AccessPlan(
        name=name,
        ue=ue,
        pcscf=access.pcscf,
        addresses=tuple(_address(name, access.pcscf, found[family]) for family in FAMILIES),
        backbone={family: str(found[family].routers[name]) for family in FAMILIES},
        table=table,
        shape=Shape(access.delay_ms, access.jitter_ms, access.loss_percent),
        info=access.access_type,
    )


def _address(name: str, pcscf: str, found: Addresses) -> AccessAddress:
    ue = found.ues[name]
    prefix = ue.network.prefixlen
    return AccessAddress(found.family, str(ue.ip), prefix, str(found.gateways[name]), str(found.servers[pcscf]))
