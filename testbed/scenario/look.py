"""How things are now, at the UEs and in the core, in the words of a scenario: accesses and P-CSCFs, not addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.host import netns
from drivers.link.xfrm import SaState, Xfrm
from testbed.topology.plan import Plan

if TYPE_CHECKING:
    from testbed.core.core import Core
    from testbed.rig.rig import Rig
    from testbed.ue.handle import UeHandle

STATE_DEADLINE_S = 10.0
FLOWING_S = 0.2  # ten packets of each direction
FLOWING = 5  # of them, and media counts as flowing
_HOST = re.compile(r"(?:sips?:)?(?:[^@<>]*@)?(\[[0-9A-Fa-f:.]+\]|[^:;>\s]+)")


@dataclass(frozen=True)
class Bound:
    """A binding at the S-CSCF."""

    access: str
    pcscf: str
    uri: str
    instance: str | None
    pub_gruu: str | None
    temp_gruu: str | None


class Look:
    """Asks whoever knows."""

    def __init__(self, plan: Plan, rig: Rig, core: Core, ues: Mapping[str, UeHandle]) -> None:
        self._plan, self._rig, self._ues = plan, rig, ues
        self._core: Any = core
        self._accesses = {
            ipaddress.ip_address(address.address): name
            for name, access in plan.accesses.items()
            for address in access.addresses
        }
        self._servers = {
            ipaddress.ip_address(address): name
            for name, server in plan.servers.items()
            for address in server.addresses.values()
        }

    # The core

    @property
    def pcscfs(self) -> list[str]:
        return [server.name for server in self._plan.pcscfs()]

    async def scscf(self) -> Any:
        return await asyncio.to_thread(self._core.scscf_state)

    async def bindings(self) -> dict[str, list[Bound]]:
        """All bindings at the S-CSCF, by identity."""
        return bound(self, (await self.scscf()).bindings)

    async def connection_at_scscf(self, access: str) -> str:
        """The state of the connection over an access: of several that there were, the liveliest."""
        lines = (await self.scscf()).connections
        states = {state for line, state in lines.items() if self.access_of(line) == access}
        return next((state for state in ("active", "inactive") if state in states), "ended")

    # UEs

    async def ue(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = await self._ues[name].order("state", deadline_s=STATE_DEADLINE_S)
        return state

    async def connection_at_ue(self, name: str, access: str) -> str:
        connections = [each for each in (await self.ue(name))["connections"] if each["access"] == access]
        states = [each["state"] for each in connections]
        return next((state for state in ("active", "inactive") if state in states), "ended")

    async def reg_info(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """What the UE has been told about registrations, by identity."""
        known: dict[str, list[dict[str, Any]]] = (await self.ue(name)).get("registrations", {})
        return known

    async def sessions(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.ue(name))["sessions"]
        return found

    async def associations(self, host: str, access: str | None = None) -> int:
        """How many a UE or a P-CSCF has, perhaps only with the UE's addresses on one access."""
        if host in self._ues:
            there: Iterable[Any] = (await self.ue(host))["associations"]
        else:
            there = await asyncio.to_thread(_associations, self._rig.namespace(host))
        if access is None:
            return len(list(there))
        wanted = {address.address for address in self._plan.accesses[access].addresses}
        return sum(1 for each in there if wanted & {_part(each, "src"), _part(each, "dst")})

    async def media(self, ue: str, far: str) -> tuple[bool, bool]:
        """Whether media flows in uplink and downlink."""
        before = await self._received(far), await self._received(ue)
        await asyncio.sleep(FLOWING_S)
        after = await self._received(far), await self._received(ue)
        return after[0] - before[0] >= FLOWING, after[1] - before[1] >= FLOWING

    async def _received(self, name: str) -> int:
        return int((await self._ues[name].order("media", deadline_s=STATE_DEADLINE_S))["received"])

    # Names

    def access_of(self, uri: str) -> str:
        """The access that a contact's host belongs to, or the host where it is nobody's."""
        return self._named(uri, self._accesses)

    def pcscf_of(self, uri: str) -> str:
        """The server that a Path names."""
        return self._named(uri, self._servers)

    def _named(self, uri: str, names: Mapping[Any, str]) -> str:
        found = _HOST.match(uri.strip().lstrip("<"))
        host = found[1].strip("[]") if found else uri
        try:
            return names.get(ipaddress.ip_address(host), host)
        except ValueError:
            return host


def bound(look: Look, bindings: Mapping[str, Iterable[Any]]) -> dict[str, list[Bound]]:
    """The S-CSCF's bindings in a scenario's words."""
    return {
        aor: [
            Bound(
                look.access_of(each.uri),
                look.pcscf_of(each.path or ""),
                each.uri,
                each.instance,
                each.pub_gruu,
                each.temp_gruu,
            )
            for each in there
        ]
        for aor, there in bindings.items()
        if there
    }


async def everything(look: Look, plan: Plan, ues: Iterable[str]) -> dict[str, Any]:
    """All that a refused request must not change; times, and what is drawn anew each time, are left out."""
    scscf = await look.scscf()
    found: dict[str, Any] = {
        "bindings": {
            aor: sorted((each.uri, each.path, each.instance, each.pub_gruu) for each in there)
            for aor, there in sorted(scscf.bindings.items())
        },
        "connections": dict(sorted(scscf.connections.items())),
        "sessions": sorted(scscf.sessions),
    }
    for pcscf in plan.pcscfs():
        found[f"{pcscf.name}-associations"] = await look.associations(pcscf.name)
    for name in ues:
        state_of_ue = await look.ue(name)
        connections = [each for each in state_of_ue["connections"] if each["state"] != "ended"]
        found[f"{name}-connections"] = sorted(
            (each["access"], each["state"], sorted(each["bindings"])) for each in connections
        )
        found[f"{name}-associations"] = len(state_of_ue["associations"])
    return found


def _associations(namespace: str) -> Sequence[SaState]:
    """Those in a namespace; called in a thread that has nothing else to do."""
    with netns.inside(namespace):
        xfrm = Xfrm()
    try:
        return xfrm.associations()
    finally:
        xfrm.close()


def _part(association: Any, name: str) -> Any:
    return association.get(name) if isinstance(association, Mapping) else getattr(association, name)
