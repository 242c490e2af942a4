"""The two parties of a run's call: who they are, and what each is told of the topology and the scenario."""

from __future__ import annotations

import random
import secrets
import uuid
from pathlib import Path

from testbed.core.subscribers import Subscriber, SubscriberStore
from testbed.measure.words import Procedure
from testbed.scenario.common import FAR, MOVING, Common
from testbed.scenario.model import Scenario
from testbed.topology.plan import AccessPlan, ModemPlan, Plan, WifiPlan
from testbed.ue.config import Subscription, UeConfig
from testbed.ue.setup import AccessSetup, HandoffOrder, ModemSetup, UeSetup, WifiSetup

__all__ = ["FAR", "MOVING", "handoff_order", "subscribers", "ue_setup"]


def subscribers(plan: Plan, seed: int | None, store: Path | None = None) -> dict[str, Subscriber]:
    """A subscriber for each UE: from the store, or with keys made for this run alone (from the seed if there is one).

    Raises UsageError when the store lacks one.
    """
    if store is not None:
        known = SubscriberStore(store)
        return {name: known.get(ue.impi) for name, ue in plan.ues.items()}
    source = secrets.token_bytes if seed is None else random.Random(f"keys {seed}").randbytes
    return {
        name: Subscriber(ue.impi, ue.impus, source(16), source(16), implicit_sets=ue.implicit_sets)
        for name, ue in plan.ues.items()
    }


def ue_setup(
    plan: Plan,
    name: str,
    subscriber: Subscriber,
    scenario: Common,
    keys: Path | None,
    played: int = 0,
    sockets: Path | None = None,
) -> UeSetup:
    """What the UE process of one party is told; its Wi-Fi daemons have their sockets in folders of `sockets`.

    `played` is how many scenarios the core has served before.  With a seed, the UEs of each would draw the Call-IDs and
    branches of those before it, and the core would take their requests for retransmissions (RFC 3261 17.2.3).
    """
    ue = plan.ues[name]
    subscription = Subscription(
        subscriber.impi,
        subscriber.impus,
        plan.domain,
        subscriber.k,
        subscriber.opc,
        subscriber.sqn,
        implicit_sets=subscriber.implicit_sets,
    )
    source = f"{name} {scenario.seed}" + (f" {played}" if played else "")
    seed = None if scenario.seed is None else random.Random(source).getrandbits(32)
    config = UeConfig(
        name,
        subscription,
        instance=f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ue.impi)}",
        transport=scenario.transport,
        alg=scenario.alg,
        ealg=scenario.ealg,
        seed=seed,
    )
    accesses = tuple(_access_setup(plan.accesses[access], sockets) for access in ue.accesses)
    return UeSetup(config, accesses, scenario.ip, str(keys) if keys else None, ue.card)


def _access_setup(access: AccessPlan, sockets: Path | None) -> AccessSetup:
    modem = None if access.modem is None else _modem_setup(access.modem)
    wifi = None if access.wifi is None or sockets is None else _wifi_setup(access.wifi, sockets / f"ue-{access.name}")
    return AccessSetup(access.name, access.name, access.table, access.addresses, access.info, modem, wifi)


def _wifi_setup(wifi: WifiPlan, folder: Path) -> WifiSetup:
    channels = tuple(point.channel for point in wifi.points)
    return WifiSetup(wifi.ssid, wifi.security, wifi.passphrase, channels, str(folder), wifi.low_dbm)


def _modem_setup(modem: ModemPlan) -> ModemSetup:
    return ModemSetup(modem.port, modem.apn, modem.low_dbm)


def handoff_order(scenario: Scenario, new: str) -> HandoffOrder:
    """What the moving UE shall do by itself."""
    silence = scenario.silence_ms if scenario.trigger == "blackhole" else 0.0
    if scenario.profile == "release7":
        return HandoffOrder(new, "none", "redial", silence)
    register = "explicit" if scenario.procedure is Procedure.EXPLICIT_REREGISTRATION else "global"
    return HandoffOrder(new, register, scenario.move, silence)
