"""From a plan to what is asked of the kernel: devices with their numbers, addresses, routes, shapes.  Nothing is made.

Every number and hardware address is chosen here, so that bring-up reads nothing back to go on, and every rig of a
plan is the same to the last byte.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from drivers.link.interfaces import NAME_LENGTH, CableEnd, address, bridge, cable, neighbour, route, swallow, switch
from drivers.link.netem import NetemShaper
from drivers.link.netlink import Netlink, Request
from drivers.protocols import AccessAddress, Family, Shape
from testbed.errors import RigError
from testbed.topology.plan import BACKBONE, NETWORK_LINK, SERVER_DEVICE, UE_CABLE, AccessPlan, Plan

BRIDGE = "br0"
# Both ends of a cable must have different numbers (see CableEnd): 2 and 3 at home, from 10 on at the far side.
BRIDGE_INDEX = UE_CABLE_INDEX = SERVER_INDEX = 2
NETWORK_LINK_INDEX = 3
FIRST_FAR_INDEX = 10
LAST_METRIC = 4096  # behind every route that the kernel makes by itself

# A host's own settings must not leak into its namespaces, and nothing may wait: neither for duplicate addresses to
# show nor for a router to advertise itself.
HOST_SETTINGS = {
    f"{family}/conf/{scope}/{name}": value
    for scope in ("all", "default")
    for family, name, value in (
        ("ipv4", "rp_filter", 0),
        ("ipv6", "disable_ipv6", 0),
        ("ipv6", "accept_dad", 0),
        ("ipv6", "accept_ra", 0),
        ("ipv6", "router_solicitations", 0),
    )
}
# The backbone is a switch and has no address of its own.
SWITCH_SETTINGS = {**HOST_SETTINGS, "ipv6/conf/all/disable_ipv6": 1, "ipv6/conf/default/disable_ipv6": 1}
# A cut cable must cost a router none of its addresses, and it sends nobody another way.
ROUTER_SETTINGS = {
    **HOST_SETTINGS,
    "ipv4/ip_forward": 1,
    "ipv6/conf/all/forwarding": 1,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv6/conf/all/keep_addr_on_down": 1,
    "ipv6/conf/default/keep_addr_on_down": 1,
}


@dataclass(frozen=True)
class Shaped:
    """A device whose egress has a shape from the beginning."""

    namespace: str
    index: int
    device: str
    shape: Shape


@dataclass
class Blueprint:
    """Requests by namespace (names without the rig's prefix), all cables before anything else; then shapes."""

    cables: dict[str, list[Request]] = field(default_factory=dict)
    addressing: dict[str, list[Request]] = field(default_factory=dict)
    shapes: list[Shaped] = field(default_factory=list)


@dataclass(frozen=True)
class _Node:
    """Somebody on the backbone: its device there, and the device's far end, a port of the bridge."""

    namespace: str
    port: str
    device: CableEnd
    port_index: int
    addresses: Mapping[Family, str]


def settings(plan: Plan, namespace: str) -> Mapping[str, int]:
    """The kernel settings of a namespace."""
    if namespace == BACKBONE:
        return SWITCH_SETTINGS
    routers = {access.namespace for access in plan.accesses.values()}
    return ROUTER_SETTINGS if namespace in routers else HOST_SETTINGS


def draw(plan: Plan, descriptors: Mapping[str, int]) -> Blueprint:
    """The blueprint of a plan; `descriptors` are its namespaces as open files."""
    blueprint = Blueprint()
    nodes = _nodes(plan)
    blueprint.cables[BACKBONE] = [bridge(BRIDGE, BRIDGE_INDEX, _mac(0, 0)), *_backbone_cables(nodes, descriptors)]
    for number, access in enumerate(plan.accesses.values(), 1):
        if access.modem is not None:  # its stick, or the packet core, brings the far end (testbed.rig.sticks, borrowed)
            continue
        if access.wifi is not None:  # the access point's radio becomes part of it (testbed.rig.radios)
            blueprint.cables[access.namespace] = [bridge(UE_CABLE, UE_CABLE_INDEX, cable_mac(number))]
            continue
        device = FIRST_FAR_INDEX + plan.ues[access.ue].accesses.index(access.name)
        near = CableEnd(UE_CABLE, UE_CABLE_INDEX, cable_mac(number))
        far = CableEnd(access.name, device, _mac(3, number))  # down until the UE attaches
        blueprint.cables[access.namespace] = [cable(near, far, descriptors[access.ue])]
    for node in nodes:
        blueprint.addressing[node.namespace] = list(_on_backbone(plan, node, nodes))
    for access in plan.accesses.values():
        blueprint.addressing[access.namespace] += _on_access(access)
    for node in nodes:
        blueprint.addressing[node.namespace] += _routes(plan, node.namespace)
    blueprint.shapes += _shapes(plan, nodes)
    return blueprint


def uplink_and_downlink(access: AccessPlan) -> tuple[Shaped, Shaped]:
    """The two devices of an access's namespace whose shape a trigger changes, as they are to begin with."""
    uplink = Shaped(access.namespace, NETWORK_LINK_INDEX, NETWORK_LINK, access.shape)
    return uplink, Shaped(access.namespace, UE_CABLE_INDEX, UE_CABLE, Shape())


def shaper(shaped: Shaped, netlink: Netlink, seed: int | None) -> NetemShaper:
    """What shapes a device, through a socket in its namespace; from the rig's seed each device has one of its own."""
    where = f"{shaped.namespace}/{shaped.device}"
    return NetemShaper(
        netlink, shaped.index, where, None if seed is None else random.Random(f"netem {where} {seed}").getrandbits(64)
    )


def subnet(address: AccessAddress) -> str:
    """The network that an access gives its UEs addresses from."""
    return str(ipaddress.ip_network(f"{address.address}/{address.prefix}", strict=False))


def cable_mac(number: int) -> str:
    """The hardware address of the n-th access's end towards its UE, from 1."""
    return _mac(2, number)


def _nodes(plan: Plan) -> list[_Node]:
    members = [(access.namespace, access.name, NETWORK_LINK, access.backbone) for access in plan.accesses.values()]
    members += [(server.name, server.name, SERVER_DEVICE, server.addresses) for server in plan.servers.values()]
    nodes: list[_Node] = []
    taken = {BRIDGE}
    for number, (namespace, name, device, addresses) in enumerate(members, 1):
        port = name[:NAME_LENGTH]
        if port in taken:
            mend = f"let the names of accesses and servers differ in their first {NAME_LENGTH} letters"
            raise RigError(f"two ports of the backbone would be called {port}", where=f"{name}", mend=mend)
        taken.add(port)
        index = NETWORK_LINK_INDEX if device == NETWORK_LINK else SERVER_INDEX
        end = CableEnd(device, index, _mac(1, number))
        nodes.append(_Node(namespace, port, end, FIRST_FAR_INDEX + number, addresses))
    return nodes


def _backbone_cables(nodes: list[_Node], descriptors: Mapping[str, int]) -> Iterator[Request]:
    for number, node in enumerate(nodes, 1):
        port = CableEnd(node.port, node.port_index, _mac(0, number), bridge=BRIDGE_INDEX)
        yield cable(port, node.device, descriptors[node.namespace])


def _on_backbone(plan: Plan, node: _Node, nodes: list[_Node]) -> Iterator[Request]:
    yield switch(node.device.index, True, node.device.name)
    for family, own in node.addresses.items():
        yield address(node.device.index, own, plan.backbone_prefix[family])
    for other in nodes:
        if other is not node:
            for theirs in other.addresses.values():
                yield neighbour(node.device.index, theirs, other.device.mac)


def _on_access(access: AccessPlan) -> Iterator[Request]:
    if access.modem is not None and access.modem.sgi is not None:
        sgi, own = access.modem.sgi, access.address(4)
        yield switch(UE_CABLE_INDEX, True, UE_CABLE)
        yield address(UE_CABLE_INDEX, sgi.address, sgi.prefix)
        yield route(f"{own.address}/32", sgi.core)
        yield swallow(subnet(own), LAST_METRIC)
        return
    for given in access.addresses:
        yield address(UE_CABLE_INDEX, given.gateway, given.prefix)
        # With the cable cut the network is gone; what is still sent there then vanishes, as on a radio, instead of
        # coming back as an ICMP error that would tell the far end.
        yield swallow(subnet(given), LAST_METRIC)


def _routes(plan: Plan, namespace: str) -> Iterator[Request]:
    for access in plan.accesses.values():
        if access.namespace != namespace:
            for given in access.addresses:
                yield route(subnet(given), access.backbone[given.family])


def _shapes(plan: Plan, nodes: list[_Node]) -> Iterator[Shaped]:
    ports = {node.namespace: node for node in nodes}
    for access in plan.accesses.values():
        yield from uplink_and_downlink(access)
        node = ports[access.namespace]
        yield Shaped(BACKBONE, node.port_index, node.port, access.shape)
    if plan.core_delay_ms:
        for server in plan.servers.values():
            yield Shaped(server.name, SERVER_INDEX, SERVER_DEVICE, Shape(delay_ms=plan.core_delay_ms))


def _mac(group: int, number: int) -> str:
    """A locally administered address: ports of the backbone 0, devices on it 1, accesses' cables 2, UEs' ends 3."""
    return f"02:00:00:{group:02x}:{number >> 8:02x}:{number & 0xFF:02x}"
