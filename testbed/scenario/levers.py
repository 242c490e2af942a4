"""What breaks accesses and daemons in a run, and the handoffs that follow: each trigger is marked in the captures."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from testbed.errors import ProductFailure, RigError
from testbed.measure.capture import socket_in_namespace
from testbed.measure.expected import PlannedHandoff
from testbed.measure.markers import MARKER_ADDRESS, encode_marker
from testbed.measure.words import TriggerKind
from testbed.scenario.bench import Unexpected
from testbed.scenario.common import MOVING, Common
from testbed.scenario.progress import Progress, Told, tell_steps
from testbed.topology.plan import AccessPlan, Plan
from testbed.ue.setup import HandoffOrder

if TYPE_CHECKING:
    from testbed.rig.rig import Rig
    from testbed.scenario.language.breaking import Arm
    from testbed.ue.handle import UeHandle

SIGNALS = {"stop": signal.SIGSTOP, "continue": signal.SIGCONT, "kill": signal.SIGKILL}


class Markers:
    """Says what happens as datagrams into the UE's namespace, where the capture stamps them."""

    def __init__(self, rig: Rig, host: str = MOVING) -> None:
        self._socket = socket_in_namespace(rig.namespace(host))

    def mark(self, event: str, **detail: Any) -> None:
        self._socket.sendto(encode_marker(event, **detail), MARKER_ADDRESS)

    def close(self) -> None:
        self._socket.close()


# What a UE does to its own modem, as orders to it: the trigger, and what mends it.
ORDERS: Mapping[TriggerKind, tuple[dict[str, Any], dict[str, Any] | None]] = {
    TriggerKind.AIRPLANE_MODE: ({"verb": "airplane", "on": True}, {"verb": "airplane", "on": False}),
    TriggerKind.CONTEXT_GIVEN_UP: ({"verb": "give-up-context"}, None),
}


async def break_access(rig: Rig, ue: UeHandle, access: str, kind: TriggerKind) -> None:
    """Have a trigger happen to an access of this UE."""
    if own := ORDERS.get(kind):
        await ue.order(access=access, **own[0])
    else:
        rig.lever(access).trigger(kind)


async def mend_access(rig: Rig, ue: UeHandle, access: str, kind: TriggerKind) -> None:
    """Have it over, as far as it does not pass by itself."""
    if own := ORDERS.get(kind):
        if own[1] is not None:
            await ue.order(access=access, **own[1])
    else:
        rig.lever(access).mend(kind)


class Levers:
    """One run's."""

    def __init__(self, scenario: Common, plan: Plan, rig: Rig, markers: Markers, told: Told) -> None:
        self._scenario, self._plan, self._rig, self._markers, self._told = scenario, plan, rig, markers, told
        self._armed: dict[str, Arm] = {}
        self.measured: list[PlannedHandoff] = []
        self.broken: set[str] = set()  # daemons that a step has stopped or killed
        self._happened: dict[str, TriggerKind] = {}  # by access, the last

    async def arm(self, ue: UeHandle, arm: Arm) -> None:
        await ue.arm(arm.from_, HandoffOrder(arm.to, arm.register_, arm.sessions, arm.silence_ms, arm.patience_s))
        self._armed[ue.name] = arm

    async def pull(self, access: str, kind: TriggerKind, ues: Mapping[str, UeHandle]) -> None:
        """Break an access.  The marker goes first: what follows it is the handoff's, the microseconds between too."""
        measured = self._mark(access, kind)
        await break_access(self._rig, ues[self._plan.accesses[access].ue], access, kind)
        if measured:
            self._told(Progress("trigger", "done", f"{kind} on {access}"))

    async def fade(self, access: str, to_db: float, over_s: float, rate_hz: float) -> str:
        """Have the signal of an access go there; what was played, and how late the latest step was."""
        from drivers.rf import player
        from drivers.rf.fade import Ramp
        from drivers.rf.limits import Limits

        lever = self._rig.attenuator(access)
        ramp = Ramp(from_db=lever.attenuation_db(), to_db=to_db, duration_s=over_s)
        steps = player.steps(ramp, Limits(0.0, 120.0, 0.25), rate_hz)
        if to_db > ramp.from_db and self._mark(access, TriggerKind.FADE):
            self._told(Progress("trigger", "done", f"fade on {access}"))
        stop = threading.Event()
        try:
            played = await asyncio.to_thread(player.play, steps, lever, stop=stop)
        finally:
            stop.set()  # a thread cannot be cancelled, and its next step may be far away
        late_ms = max((one.late_s for one in played), default=0.0) * 1000
        return f"{len(played)} steps to {played[-1].db:g} dB, none more than {late_ms:.1f} ms late"

    def _mark(self, access: str, kind: TriggerKind) -> bool:
        """Mark it, as a `trigger` where the UE will hand over by itself and that is to be measured: whether it is."""
        arm = self._armed.get(self._plan.accesses[access].ue)
        measured = arm is not None and arm.ue == MOVING and arm.measured and arm.from_ == access
        if arm is not None and measured:
            self.measured.append(self._planned(arm, kind))
        if kind is not TriggerKind.BLACKHOLE:  # which is cleared by a word of its own
            self._happened[access] = kind
        self._markers.mark("trigger" if measured else "access-broken", access=access, kind=str(kind))
        return measured

    async def mend(self, access: str, ues: Mapping[str, UeHandle], kind: TriggerKind | None = None) -> None:
        """Undo what a trigger did to an access: `kind`, or what happened to it last."""
        kind = kind or self._happened.get(access, TriggerKind.CARRIER_LOSS)
        if kind is TriggerKind.FADE:
            self._rig.attenuator(access).set_attenuation_db(0.0)
            return
        await mend_access(self._rig, ues[self._plan.accesses[access].ue], access, kind)

    async def outcome(self, ue: UeHandle, within_s: float) -> tuple[Arm, dict[str, Any]]:
        """How the armed handoff of a UE ended."""
        arm = self._armed.pop(ue.name)
        result: dict[str, Any] = await ue.order("wait-handoff", deadline_s=within_s)
        return arm, result

    def tell(self, steps: Iterable[tuple[str, float]]) -> None:
        """What a handoff that is over consisted of."""
        tell_steps(steps, self._told)

    async def must_fail(self, ue: UeHandle, outcome: str, at: str | None, within_s: float) -> tuple[Arm, str]:
        """The same of a handoff that cannot succeed: what the UE says of it."""
        try:
            await ue.order("wait-handoff", deadline_s=within_s)
        except ProductFailure as failed:
            return self._armed.pop(ue.name), str(failed)
        raise Unexpected(f"expected that the handoff of {ue.name} fails ({at or 'somewhere'}: {outcome}); it succeeded")

    async def daemon(self, core: Any, deed: str, name: str) -> None:
        """Stop, continue, kill or restart a daemon of the core."""
        if deed == "restart":
            await asyncio.to_thread(core.start_again, name)
            self.broken.discard(name)
            return
        process = core.process(name)
        try:
            os.killpg(process.pid, SIGNALS[deed])  # Kamailio is a group of processes; each leads a session of its own
        except ProcessLookupError as gone:
            raise RigError("is not running", where=f"core: {name}") from gone
        if deed == "continue":
            self.broken.discard(name)
        else:
            self.broken.add(name)
        if deed == "kill":
            await asyncio.to_thread(process.wait)

    def _access_ms(self, new: AccessPlan) -> float:
        """What the network behind a modem takes for what the UE must ask of it again."""
        before = self._happened.get(new.name)
        stick = new.modem.stick if new.modem else None
        if stick is None or before is TriggerKind.SIGNAL_LOW:  # after which the UE has stayed on it
            return 0.0
        return stick.connect_ms + (stick.attach_ms if before is TriggerKind.NETWORK_DETACH else 0.0)

    def _planned(self, arm: Arm, kind: TriggerKind) -> PlannedHandoff:
        """What the analysis must know of the handoff that this trigger begins."""
        old, new = self._plan.accesses[arm.from_], self._plan.accesses[arm.to]
        return PlannedHandoff(
            trigger=kind,
            old_access=old.name,
            new_access=new.name,
            procedure=arm.procedure,
            old_delay_ms=old.shape.delay_ms,
            new_delay_ms=new.shape.delay_ms,
            far_delay_ms=self._scenario.far_delay_ms(self._plan),
            core_delay_ms=self._plan.core_delay_ms,
            transport=self._scenario.transport,
            access_ms=self._access_ms(new),
            identities=len(self._plan.ues[arm.ue].implicit_sets),
            detection_ms=arm.silence_ms if kind in (TriggerKind.BLACKHOLE, TriggerKind.AP_SILENT) else 0.0,
        )
