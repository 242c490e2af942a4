"""A rig with an IMS core on it and telephones of the test client, for tests of the core alone."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sip_client import Line, Phone, Timeout

from drivers.protocols import Family, Shape
from testbed.core.core import Core, CoreOptions
from testbed.core.inspect import ScscfState
from testbed.core.subscribers import Subscriber
from testbed.rig.rig import Rig
from testbed.scenario.parties import subscribers
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan

TOPOLOGIES = Path(__file__).parents[2] / "topologies"
READY_S = 60.0


@dataclass
class Bench:
    """What is up.  Lines that a test made are closed by `hang_up`."""

    plan: Plan
    rig: Rig
    core: Core
    folder: Path
    subscribers: dict[str, Subscriber]
    phones: list[Phone] = field(default_factory=list)

    def phone(self, ue: str, **kwargs: Any) -> Phone:
        """The device of a UE; `transport` may be given, and a `subscriber` that is not the real one."""
        subscriber = kwargs.pop("subscriber", self.subscribers[ue])
        self.phones.append(Phone(subscriber, self.plan.domain, **kwargs))
        return self.phones[-1]

    def line(self, phone: Phone, access: str, family: Family = 4, **kwargs: str) -> Line:
        """A line over an access, not registered yet."""
        address = self.plan.accesses[access].address(family)
        namespace = self.rig.namespace(self.plan.accesses[access].ue)
        return phone.line(namespace, address.address, address.pcscf, **kwargs)

    def registered(self, phone: Phone, access: str, family: Family = 4, **kwargs: Any) -> Line:
        """A line over an access, registered."""
        options = {name: kwargs.pop(name) for name in ("alg", "ealg") if name in kwargs}
        line = self.line(phone, access, family, **options)
        response = line.register(**kwargs)
        assert response.status == 200, response
        return line

    def bound(self, impu: str) -> list[str]:
        """The lines that an identity is bound to at the S-CSCF, the newest first."""
        return [binding.uri.removeprefix("sip:").split(";")[0] for binding in self.state.bindings.get(impu, [])]

    @property
    def state(self) -> ScscfState:
        """What the S-CSCF knows."""
        return self.core.scscf_state()

    def associations(self, line: Line) -> int:
        """How many security associations of a line the kernel holds for its P-CSCF."""
        servers = self.plan.servers.values()
        pcscf = next(server.name for server in servers if line.pcscf in server.addresses.values())
        argv = ["ip", "-n", self.rig.namespace(pcscf), "xfrm", "state"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        known = {int(spi, 16) for spi in re.findall(r"spi (0x[0-9a-f]+)", said)}
        assert line.security
        return len(known.intersection(line.security.spis))

    def lose_associations(self, line: Line) -> None:
        """Take away what the kernel holds for a line at its P-CSCF, behind the P-CSCF's back."""
        pcscf = next(s.name for s in self.plan.servers.values() if line.pcscf in s.addresses.values())
        for kind in ("state", "policy"):
            for end in ("src", "dst"):
                argv = ["ip", "-n", self.rig.namespace(pcscf), "xfrm", kind, "deleteall", end, line.address]
                subprocess.run(argv, check=True)
        assert self.associations(line) == 0

    def wait_for_state(self, line: Line, state: str, deadline_s: float = 20.0) -> None:
        """Wait until the S-CSCF has a line's connection in a state: it answers a REGISTER before all of it is done."""
        until = time.monotonic() + deadline_s
        while (there := self.state.connections.get(line.name)) != state:
            assert time.monotonic() < until, f"the connection of {line.name} is {there}, not {state}"
            time.sleep(0.05)

    def wait_for_the_end(self, line: Line, deadline_s: float) -> None:
        """Wait until the P-CSCF has dropped the associations of a line."""
        until = time.monotonic() + deadline_s
        while left := self.associations(line):
            assert time.monotonic() < until, f"{left} associations of {line.address} are still there"
            time.sleep(0.1)

    def hang_up(self) -> None:
        """Deregister what is registered, and close all lines."""
        bindings = self.state.bindings if self.phones else {}
        bound = {(impu, each.uri.split(";")[0]) for impu, all_ in bindings.items() for each in all_}
        for phone in self.phones:
            for line in reversed(phone.lines):
                line.change = lambda request: None
                for impu, *_ in phone.subscriber.implicit_sets:
                    if (impu, f"sip:{line.name}") in bound and self.associations(line) == 4:
                        with suppress(Timeout):
                            line.reregister(impu=impu, expires=0, tags="")
            phone.close()
        self.phones = []


@contextmanager
def core_bench(
    folder: Path, options: CoreOptions, topology: str = "two-access", sets: tuple[tuple[str, ...], ...] = ()
) -> Iterator[Bench]:
    """Bring up a rig without delays and its core, put all UEs on their accesses, and undo it all.

    `sets` are the implicit registration sets of the UE that moves, where they are not to be the topology's.
    """
    plan = make_plan(load(TOPOLOGIES / f"{topology}.yaml"))
    accesses = {name: dataclasses.replace(access, shape=Shape()) for name, access in plan.accesses.items()}
    plan = dataclasses.replace(plan, accesses=accesses)
    if sets:
        ue = dataclasses.replace(plan.ues["ue"], impus=tuple(chain.from_iterable(sets)), implicit_sets=sets)
        plan = dataclasses.replace(plan, ues={**plan.ues, "ue": ue})
    rig = Rig(plan, "coretest", folder / "state")
    with rig.hold():
        rig.bring_up()
        known = subscribers(plan, None)
        core = Core(plan, folder, rig, options, [*known.values()])
        core.start()
        try:
            core.wait_ready(READY_S)
            for access in plan.accesses.values():
                attach(rig, access.name)
            bench = Bench(plan, rig, core, folder, known)
            yield bench
            bench.hang_up()
        finally:
            core.stop()


def attach(rig: Rig, access: str) -> None:
    """Addresses, routes and rules of a UE on one access, as the UE process would set them."""
    plan = rig.plan.accesses[access]
    namespace = rig.namespace(plan.ue)
    common = ["link set lo up", f"link set {access} up"]
    for address in plan.addresses:
        nodad = " nodad" if address.family == 6 else ""
        common.append(f"addr add {address.address}/{address.prefix} dev {access}{nodad}")
    _batch(["ip", "-n", namespace, "-batch", "-"], common)
    for address in plan.addresses:
        routing = [f"route add default via {address.gateway} dev {access} table {plan.table}"]
        routing.append(f"rule add from {address.address} table {plan.table}")
        _batch(["ip", f"-{address.family}", "-n", namespace, "-batch", "-"], routing)


def _batch(argv: list[str], lines: list[str]) -> None:
    subprocess.run(argv, input="\n".join(lines).encode(), check=True)
