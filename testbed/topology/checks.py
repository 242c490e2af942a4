"""What the parts of a topology must be to each other.  Each rule yields its complaints with their place and mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

from drivers.virtual.models import MODELS
from testbed.topology.addresses import FAMILIES, LONGEST_PREFIX, Address, Addresses, Network, addresses, is_given
from testbed.topology.faults import Complaint, KeyPath, nearest
from testbed.topology.model import ModemAccess, Topology
from testbed.topology.plan import BACKBONE, NETWORK_LINK, SERVER_DEVICE, UE_CABLE

RESERVED = (BACKBONE, UE_CABLE, NETWORK_LINK, SERVER_DEVICE, "lo", "all", "default", "br0", "bridge")


def complaints(topology: Topology) -> Iterator[Complaint]:
    """Everything wrong with a topology whose parts are each well formed."""
    for rule in RULES:
        yield from rule(topology)


def _names(topology: Topology) -> Iterator[Complaint]:
    groups: dict[str, Iterable[str]] = {"accesses": topology.accesses, "servers": topology.servers, "ues": topology.ues}
    namespaces = {BACKBONE: "the backbone's"} | {
        f"access-{name}": f"that of access `{name}`" for name in topology.accesses
    }
    ports = {name: f"access `{name}`" for name in topology.accesses}
    for group, names in groups.items():
        for name in names:
            path: KeyPath = (group, name)
            if name in RESERVED:
                yield Complaint(path, f"`{name}` is a name that the rig itself uses", "take another name", True)
                continue
            if group == "servers" and name in ports:
                yield Complaint(path, f"{ports[name]} has this name on the backbone", "rename one of them", True)
            if group != "accesses":
                if name in namespaces:
                    what = f"its namespace would be {namespaces[name]}"
                    yield Complaint(path, what, "rename one of them", True)
                namespaces[name] = f"that of {'server' if group == 'servers' else 'UE'} `{name}`"


def _servers(topology: Topology) -> Iterator[Complaint]:
    pcscfs = [name for name, server in topology.servers.items() if server.role == "pcscf"]
    for name, access in topology.accesses.items():
        path: KeyPath = ("accesses", name, "pcscf")
        if access.pcscf not in topology.servers:
            mend = nearest(access.pcscf, pcscfs, "the P-CSCFs here are")
            yield Complaint(path, f"there is no server `{access.pcscf}`", mend)
        elif (role := topology.servers[access.pcscf].role) != "pcscf":
            mend = nearest(access.pcscf, pcscfs, "the P-CSCFs here are")
            yield Complaint(path, f"server `{access.pcscf}` is no P-CSCF, its role is {role}", mend)
    for role in ("scscf", "hss", "icscf", "peer"):
        having = [name for name, server in topology.servers.items() if server.role == role]
        if not having and role in ("scscf", "hss"):
            yield Complaint(("servers",), f"no server has the role {role}", f"add `{role}: {{role: {role}}}`", True)
        for extra in having[1:]:
            what = f"a second server has the role {role}, the first is `{having[0]}`"
            yield Complaint(("servers", extra, "role"), what, "keep one of them")
    yield from _domains(topology)


def _domains(topology: Topology) -> Iterator[Complaint]:
    """A peer has a domain, and it is not the home network's."""
    for name, server in topology.servers.items():
        path: KeyPath = ("servers", name, "domain")
        if server.role == "peer" and server.domain is None:
            yield Complaint(("servers", name), "a peer has no domain", "give its network's, such as peer.net", True)
        elif server.role != "peer" and server.domain is not None:
            yield Complaint(path, f"a server of role {server.role} has the home network's domain", "leave it out")
        elif server.domain == topology.domain:
            yield Complaint(path, f"`{server.domain}` is the home network's domain too", "give the peer another")


def _ues(topology: Topology) -> Iterator[Complaint]:
    owner: dict[str, str] = {}
    for name, ue in topology.ues.items():
        for number, access in enumerate(ue.accesses):
            path: KeyPath = ("ues", name, "accesses", number)
            if access not in topology.accesses:
                mend = nearest(access, list(topology.accesses), "the accesses here are")
                yield Complaint(path, f"there is no access `{access}`", mend)
            elif owner.setdefault(access, name) != name or access in ue.accesses[:number]:
                what = (
                    f"access `{access}` is {'listed twice' if owner[access] == name else f'that of `{owner[access]}`'}"
                )
                yield Complaint(path, what, "an access leads to one UE: add an access of its own, or remove this one")
    for access in topology.accesses:
        if access not in owner:
            mend = f"list it in the accesses of a UE ({', '.join(topology.ues)}), or remove it"
            yield Complaint(("accesses", access), "no UE has this access", mend, True)


def _modems(topology: Topology) -> Iterator[Complaint]:
    for name, access in topology.accesses.items():
        if isinstance(access, ModemAccess):
            yield from _modem(name, access)
    for name, ue in topology.ues.items():
        modems = [each for each in ue.accesses if isinstance(topology.accesses.get(each), ModemAccess)]
        if ue.card is not None and ue.card not in modems:
            mend = nearest(ue.card, modems, f"the modems of `{name}` are") if modems else "give it one, or leave it out"
            yield Complaint(("ues", name, "card"), f"`{ue.card}` is no modem of this UE", mend)


def _modem(name: str, access: ModemAccess) -> Iterator[Complaint]:
    path: KeyPath = ("accesses", name)
    if (access.stick is None) == (access.port is None):
        which = "neither a virtual stick nor a port" if access.stick is None else "a virtual stick and a port"
        mend = "write `stick: quectel-ec25`, or `port: /dev/serial/by-id/...`"
        yield Complaint(path, f"names {which}", mend, at_key=True)
    elif access.stick is not None and access.stick not in MODELS:
        mend = nearest(access.stick, list(MODELS), "the models are")
        yield Complaint((*path, "stick"), f"there is no virtual stick `{access.stick}`", mend)
    if access.port is None:
        if access.sgi is not None:
            yield Complaint((*path, "sgi"), "a virtual stick needs no packet core", "leave it out")
        return
    if access.sgi is None:
        mend = "add `sgi: {device: ..., ipv4: ..., core: ...}`"
        yield Complaint(path, "says not how its packet core is reached", mend, at_key=True)
    elif access.sgi.core not in access.sgi.ipv4.network or access.sgi.core == access.sgi.ipv4.ip:
        what = f"{access.sgi.core} is no other host in {access.sgi.ipv4.network}"
        yield Complaint((*path, "sgi", "core"), what, "give the packet core's address on that device")
    if access.ipv4 is None:
        mend = "give the SIM a static address in the packet core, and write it here"
        yield Complaint(path, "has no `ipv4`, and a real network gives any address", mend, at_key=True)


def _identities(topology: Topology) -> Iterator[Complaint]:
    seen: dict[str, str] = {}
    for name, ue in topology.ues.items():
        if bool(ue.impus) == bool(ue.implicit_sets):
            what = "has both impus and implicit_sets" if ue.impus else "has no public identities"
            mend = "give `impus: [...]`, or `implicit_sets: [[...], [...]]` where there are several sets"
            needs: tuple[KeyPath, ...] = (("ues", name, "impus"), ("ues", name, "implicit_sets"))
            yield Complaint(("ues", name), what, mend, at_key=True, needs=needs)
        identities: list[tuple[KeyPath, str]] = [(("ues", name, "impi"), ue.impi)]
        identities += [(("ues", name, "impus", number), impu) for number, impu in enumerate(ue.impus)]
        for place, one in enumerate(ue.implicit_sets):
            identities += [(("ues", name, "implicit_sets", place, number), impu) for number, impu in enumerate(one)]
        for path, identity in identities:
            domain = identity.partition("@")[2]
            if domain != topology.domain:
                mend = f"write @{topology.domain}, or change `domain`"
                yield Complaint(path, f"`{domain}` is not the home network's domain {topology.domain}", mend)
            if identity in seen:
                yield Complaint(path, f"`{identity}` is also {seen[identity]}", "give each identity to one UE, once")
            seen[identity] = f"in `{path[2]}` of UE `{name}`"


def _delays(topology: Topology) -> Iterator[Complaint]:
    for name, access in topology.accesses.items():
        if access.jitter_ms > access.delay_ms:
            what = f"jitter of {access.jitter_ms:g} ms is more than the delay of {access.delay_ms:g} ms"
            mend = "no packet can arrive before it was sent: lower jitter_ms, or raise delay_ms"
            yield Complaint(("accesses", name, "jitter_ms"), what, mend, needs=(("accesses", name),))


def _subnets(topology: Topology) -> Iterator[Complaint]:
    for family in FAMILIES:
        key = f"ipv{family}"
        usable = True
        for path, network in _given_subnets(topology, key):
            if network.prefixlen > LONGEST_PREFIX[family]:
                mend = f"write the prefix of the subnet behind the address, at most /{LONGEST_PREFIX[family]}"
                yield Complaint(path, f"{network} has no room for two hosts", mend)
                usable = False
        if usable:
            found = addresses(topology, family)
            if what := _no_host(found.backbone[1], None):
                yield Complaint(("backbone", key), what, "leave it out, or give a private subnet")
                continue
            yield from _hosts(topology, found, key)
            yield from _overlaps(topology, found, key)
            yield from _servers_addresses(topology, found, key)


def _given_subnets(topology: Topology, key: str) -> Iterator[tuple[KeyPath, Network]]:
    for name, access in topology.accesses.items():
        if (interface := getattr(access, key)) is not None:
            yield ("accesses", name, key), interface.network
    if (network := getattr(topology.backbone, key)) is not None:
        yield ("backbone", key), network


def _hosts(topology: Topology, found: Addresses, key: str) -> Iterator[Complaint]:
    """Addresses that no host can have."""
    for name, ue in found.ues.items():
        if what := _no_host(ue.ip, ue.network):
            mend = f"give the UE's own address with its prefix, such as {_example(ue.network)}/{ue.network.prefixlen}"
            yield Complaint(("accesses", name, key), what, mend)
    for name, server in found.servers.items():
        if server is not None and server in found.backbone and (what := _no_host(server, found.backbone)):
            yield Complaint(("servers", name, key), what, f"give a host's address in {found.backbone}")


def _no_host(address: Address, network: Network | None) -> str | None:
    odd = address.is_multicast or address.is_loopback or address.is_unspecified or address.is_link_local
    if odd or (address.version == 4 and address.is_reserved) or getattr(address, "scope_id", None):
        return f"{address} is not an address that a host here can have"
    if network is not None and address == network.network_address:
        return f"{address} is the subnet itself, not a host's address"
    if network is not None and address.version == 4 and address == network.broadcast_address:
        return f"{address} is the subnet's broadcast address"
    return None


def _example(network: Network) -> Address:
    return network[2]


def _overlaps(topology: Topology, found: Addresses, key: str) -> Iterator[Complaint]:
    subnets: list[tuple[KeyPath, str, Network, Address | None, bool]] = [
        (
            ("accesses", name, key),
            f"access `{name}`",
            ue.network,
            ue.ip,
            is_given(topology.accesses[name], found.family),
        )
        for name, ue in found.ues.items()
    ]
    given = is_given(topology.backbone, found.family)
    subnets.append((("backbone", key), "the backbone", found.backbone, None, given))
    for one, other in combinations(subnets, 2):
        if not one[2].overlaps(other[2]):
            continue
        blamed, against = (one, other) if one[4] and not other[4] else (other, one)
        if blamed[3] is not None and blamed[3] == against[3]:
            what = f"the UE's address {blamed[3]} is also that on {against[1]}"
        else:
            what = f"subnet {blamed[2]} overlaps {against[2]} of {against[1]}"
        if not against[4]:
            what += " (derived, since the file gives none)"
        mend = "give each access, and the backbone, a subnet of its own"
        yield Complaint(blamed[0], what, mend, needs=(one[0][:-1], other[0][:-1]))


def _servers_addresses(topology: Topology, found: Addresses, key: str) -> Iterator[Complaint]:
    seen: dict[Address, str] = {}
    for name, address in found.servers.items():
        path: KeyPath = ("servers", name, key)
        if address is None:
            continue
        if address not in found.backbone:
            what = f"{address} is not in the backbone's subnet {found.backbone}"
            mend = f"give one in it, or leave it out, or change backbone.{key}"
            yield Complaint(path, what, mend, needs=(("backbone",),))
        elif address in seen:
            yield Complaint(path, f"{address} is also that of server `{seen[address]}`", "give each server its own")
        seen.setdefault(address, name)
    if None in (*found.servers.values(), *found.routers.values()):
        wanted = len(found.servers) + len(found.routers)
        what = f"{found.backbone} has no room for {wanted} routers and servers (servers begin at host 11)"
        yield Complaint(("backbone", key), what, "give a larger subnet, or leave it out")


RULES: tuple[Callable[[Topology], Iterator[Complaint]], ...] = (
    _names,
    _servers,
    _ues,
    _modems,
    _identities,
    _delays,
    _subnets,
)
