"""Where scenarios are run: a rig with a core on it, for one run or for several that ask for the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.core.core import Core, CoreOptions
from testbed.core.subscribers import Subscriber
from testbed.rig.rig import Rig
from testbed.scenario.common import Common
from testbed.scenario.parties import subscribers
from testbed.topology.plan import Plan

if TYPE_CHECKING:
    from testbed.rig.sticks import CardSecrets

CORE_DEADLINE_S = 30.0


@dataclass(frozen=True)
class RunOptions:
    """What is chosen for a run beside its scenario and topology."""

    rig: str = "tb"
    keep_keys: bool = True  # write `captures/esp_sa`, with which the protected SIP can be read
    state: Path | None = None  # where rigs keep their journals
    all_captures: bool = False  # capture at the servers too, which tells whose the core's share of the time is
    subscribers: Path | None = None  # a store (`testbed subscriber`) that the HSS serves from
    without: frozenset[str] = field(default=frozenset())  # rules that the core is started without


class Site:
    """The rig of a plan, and the core that a scenario asks for; `logs` is the folder that the core's logs go to."""

    def __init__(self, scenario: Common, plan: Plan, folder: Path, options: RunOptions) -> None:
        self.plan = plan
        self.played = 0  # scenarios that were carried out here before
        self.subscriptions: dict[str, Subscriber] = subscribers(plan, scenario.seed, options.subscribers)
        self.rig = Rig(plan, options.rig, options.state, scenario.seed, cards(plan, self.subscriptions))
        known = tuple(self.subscriptions.values())
        self.core = Core(plan, folder, self.rig, core_options(scenario, options), known)

    def core_ready(self) -> None:
        """Wait until the core that was started serves; RigError when it does not."""
        self.core.wait_ready(CORE_DEADLINE_S)


def cards(plan: Plan, subscriptions: Mapping[str, Subscriber]) -> dict[str, CardSecrets]:
    """The card in each stick, by access: that of the UE whose access it is."""
    if not plan.sticks:
        return {}
    from testbed.rig.sticks import CardSecrets

    owners = {access: subscriptions[plan.accesses[access].ue] for access in plan.sticks}
    return {
        access: CardSecrets(owner.impi, owner.impus, plan.domain, owner.k, owner.opc, owner.sqn)
        for access, owner in owners.items()
    }


def core_options(scenario: Common, options: RunOptions) -> CoreOptions:
    """The core that a scenario wants."""
    return CoreOptions(
        profile=scenario.profile,
        without=options.without,
        linger_s=scenario.linger_s,
        ipv6=scenario.ip == 6,  # sockets that nobody uses would only make the start longer
        family=scenario.ip,
        transport=scenario.transport,
        seed=scenario.seed,
        store=options.subscribers,
    )
