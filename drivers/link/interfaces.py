"""Network devices of one namespace, by pyroute2: veth pairs, bridges, addresses, routes, up and down."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from drivers.errors import DriverError
from drivers.host import netns

IFA_F_NODAD = 0x02  # an address is usable at once: duplicate address detection takes a second


class Interfaces:
    """The devices of a named namespace.  One netlink socket, kept open; close it."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._ipr = IPRoute(netns=namespace)
        self._indexes: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._ipr.close()

    @property
    def netlink(self) -> IPRoute:
        """The socket itself, for what this class has no word for."""
        return self._ipr

    def index(self, name: str) -> int:
        """A device's number."""
        if name not in self._indexes:
            found = self._ipr.link_lookup(ifname=name)
            if not found:
                raise DriverError(f"no device {name}", where=f"network namespace {self.namespace}")
            self._indexes[name] = found[0]
        return self._indexes[name]

    def add_veth(self, name: str, peer_namespace: str, peer: str) -> None:
        """A cable from here to another namespace; both ends are down."""
        ends = {"ifname": peer, "net_ns_fd": peer_namespace}
        self._do(f"veth {name} to {peer_namespace}/{peer}", "link", "add", ifname=name, kind="veth", peer=ends)

    def add_bridge(self, name: str) -> None:
        """A switch, up, without spanning tree's delay."""
        self._do(f"bridge {name}", "link", "add", ifname=name, kind="bridge", br_forward_delay=0, br_stp_state=0)
        self.up(name)

    def enslave(self, name: str, bridge: str) -> None:
        """Plug a device into a bridge and switch it on."""
        index, master = self.index(name), self.index(bridge)
        self._do(f"{name} into {bridge}", "link", "set", index=index, master=master, state="up")

    def up(self, name: str) -> None:
        self._do(f"{name} up", "link", "set", index=self.index(name), state="up")

    def down(self, name: str) -> None:
        self._do(f"{name} down", "link", "set", index=self.index(name), state="down")

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give a device an address, IPv6 without duplicate address detection."""
        extra: dict[str, Any] = {"flags": IFA_F_NODAD} if ":" in address else {}
        where = f"{address}/{prefix} on {name}"
        self._do(where, "addr", "add", index=self.index(name), address=address, prefixlen=prefix, **extra)

    def add_route(self, destination: str, gateway: str) -> None:
        """Route a network (`address/prefix` or `default`) through a gateway."""
        extra: dict[str, Any] = {"family": 10} if ":" in gateway else {}
        self._do(f"route {destination} via {gateway}", "route", "add", dst=destination, gateway=gateway, **extra)

    def forward(self) -> None:
        """Make the namespace a router for both families."""
        with netns.inside(self.namespace):
            for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                Path("/proc/sys/net", path).write_text("1")

    def _do(self, what: str, call: str, *args: Any, **values: Any) -> None:
        try:
            getattr(self._ipr, call)(*args, **values)
        except NetlinkError as refused:
            raise DriverError(f"{what}: {refused}", where=f"network namespace {self.namespace}") from refused
