"""A rig under test, and independent eyes to look at it: iproute2 for what is configured, sockets for what passes."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from drivers.host import netns
from drivers.link.wired import WiredAccess
from drivers.protocols import Family
from testbed.rig.rig import Rig
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan

T = TypeVar("T")
TOPOLOGY = Path(__file__).parents[1] / "topologies/two-access.yaml"
PORT = 7777
ATTEMPT_S = 1.5  # longer than any round trip, and than an address resolution that is tried a second time


@cache
def plan() -> Plan:
    return make_plan(load(TOPOLOGY))


@contextmanager
def brought_up(state: Path, name: str = "eyes", of: Plan | None = None) -> Iterator[Rig]:
    rig = Rig(of or plan(), name, state)
    with rig.hold():
        rig.bring_up()
        yield rig


def ip(namespace: str | None, *arguments: str) -> Any:
    """What `ip -j` says."""
    return _json(["ip", *(["-n", namespace] if namespace else []), "-j", *arguments])


def tc(namespace: str, *arguments: str) -> Any:
    """What `tc -j` says."""
    return _json(["tc", "-n", namespace, "-j", *arguments])


def _json(argv: list[str]) -> Any:
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout or "[]")


def wired(rig: Rig, access: str) -> WiredAccess:
    """An access as its UE uses it; the caller is in an event loop."""
    planned = rig.plan.accesses[access]
    with netns.inside(rig.namespace(planned.ue)):
        return WiredAccess(access, access, planned.table, planned.addresses)


async def attached(rig: Rig, access: str) -> None:
    """Attach a UE anew and let it be."""
    device = wired(rig, access)
    try:
        await device.detach()  # what its kernel has kept for the network until now is dropped
        await device.attach()
    finally:
        device.close()


def attach(rig: Rig, access: str) -> None:
    asyncio.run(attached(rig, access))


class Ends:
    """A UDP socket at the UE, bound to its address on an access, and one at a server."""

    def __init__(self, rig: Rig, access: str, server: str, family: Family) -> None:
        planned = rig.plan.accesses[access]
        self.ue = datagrams(rig, planned.ue, planned.address(family).address)
        self.server = datagrams(rig, server, rig.plan.servers[server].addresses[family])

    def __enter__(self) -> Ends:
        return self

    def __exit__(self, *_: object) -> None:
        self.ue.close()
        self.server.close()

    def uplink(self, data: bytes = b"up") -> None:
        self.ue.sendto(data, self.server.getsockname())

    def downlink(self, data: bytes = b"down") -> None:
        self.server.sendto(data, self.ue.getsockname())

    def round_trip_ms(self) -> float:
        """There and back, in milliseconds; raises TimeoutError."""
        begin = time.perf_counter()
        self.uplink()
        self.server.recv(100)
        self.downlink()
        self.ue.recv(100)
        return (time.perf_counter() - begin) * 1000


def datagrams(rig: Rig, host: str, address: str) -> socket.socket:
    with netns.inside(rig.namespace(host)):
        found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    found.bind((address, PORT))
    found.settimeout(ATTEMPT_S)
    return found


def received(end: socket.socket, within_s: float) -> list[bytes]:
    """What arrives until nothing has for `within_s`."""
    found = []
    end.settimeout(within_s)
    try:
        while True:
            found.append(end.recv(100))
    except TimeoutError:
        return found
    finally:
        end.settimeout(ATTEMPT_S)


def took_ms(act: Callable[[], T]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000
