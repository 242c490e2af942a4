"""A rig with its core, and UEs on it, for tests that want both alive."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.core.core import Core, CoreOptions
from testbed.core.subscribers import Subscriber
from testbed.rig.rig import Rig
from testbed.scenario.catalogue import find
from testbed.scenario.model import FAR, MOVING, Scenario
from testbed.scenario.parties import subscribers, ue_setup
from testbed.scenario.site import cards
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan
from testbed.ue.handle import UeHandle

TOPOLOGIES = Path(__file__).parents[2] / "topologies"
READY_S = 60.0
PORT_PAIRS = 10  # of each P-CSCF: a registration that is not ended holds its own for as long as the core lives


@dataclass
class Living:
    """What is up."""

    plan: Plan
    rig: Rig
    core: Core
    subscribers: dict[str, Subscriber]
    folder: Path

    def __post_init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    @asynccontextmanager
    async def ue(
        self, name: str = MOVING, change: Callable[[Subscriber], Subscriber] = lambda same: same, **options: Any
    ) -> AsyncIterator[UeHandle]:
        """A UE process that knows its subscription, as `change` makes it; `options` are a scenario's."""
        scenario: Scenario = find("global-reregistration").with_options(**options)
        handle = UeHandle(name, self.folder / f"ue-{name}.log", self.events.append)
        handle.start(self.rig.spawn)
        try:
            subscriber = change(self.subscribers[name])
            setup = ue_setup(self.plan, name, subscriber, scenario, self.folder / "esp_sa")
            subscription = dataclasses.replace(setup.config.subscription, sqn=subscriber.sqn)
            config = dataclasses.replace(setup.config, subscription=subscription)
            await handle.setup(dataclasses.replace(setup, config=config))
            yield handle
        finally:
            await handle.stop()

    async def heard(self, event: str, **wanted: Any) -> dict[str, Any]:
        """Wait until a UE has said this, and return it."""
        async with asyncio.timeout(READY_S):
            while True:
                for said in self.events:
                    if said["event"] == event and all(said.get(key) == value for key, value in wanted.items()):
                        return said
                await asyncio.sleep(0.02)


@contextmanager
def living(folder: Path, topology: str = "two-access", options: CoreOptions | None = None) -> Iterator[Living]:
    """Bring a rig and its core up, and undo both."""
    plan = make_plan(load(TOPOLOGIES / f"{topology}.yaml"))
    known = subscribers(plan, None)
    rig = Rig(plan, "test", folder / "state", cards=cards(plan, known))
    with rig.hold():
        rig.bring_up()
        core = Core(plan, folder, rig, options or CoreOptions(connections=PORT_PAIRS), tuple(known.values()))
        core.start()
        try:
            core.wait_ready(READY_S)
            yield Living(plan, rig, core, known, folder)
        finally:
            core.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine with a limit."""
    asyncio.run(asyncio.wait_for(work, 2 * READY_S))


__all__ = ["FAR", "MOVING", "Living", "living", "run"]
