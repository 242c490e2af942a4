"""One run: a rig brought up, a call made, its access cut, everything recorded, judged, and undone.

Whatever fails on the way, the rig is undone, the evidence kept, and a result written.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.core.core import Core, CoreOptions
from testbed.errors import DriverError, ProductFailure, RigError, TestbedError
from testbed.measure.capture import Capture, CaptureStats, socket_in_namespace
from testbed.measure.markers import MARKER_ADDRESS, encode_marker
from testbed.results.context import KernelInfo, Lateness, RunContext
from testbed.results.folder import RunFolder
from testbed.rig.kernel.choose import current, current_build, current_clock
from testbed.rig.kernel.wall import now
from testbed.rig.rig import Rig
from testbed.scenario.evidence import clock_offset_s, run_context
from testbed.scenario.growth import Sample, everything, grown, tell
from testbed.scenario.model import Scenario
from testbed.scenario.parties import FAR, MOVING, handoff_order, subscribers, ue_setup
from testbed.scenario.progress import Progress, Told
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan
from testbed.ue.handle import UeHandle

if TYPE_CHECKING:
    from testbed.results.model import Result

CORE_DEADLINE_S = 30.0
HANDOFF_DEADLINE_S = 40.0
ENDS = (MOVING, FAR)


@dataclass(frozen=True)
class RunOptions:
    """What is chosen for a run beside its scenario and topology."""

    rig: str = "tb"
    keep_keys: bool = True  # write `captures/esp_sa`, with which the protected SIP can be read
    state: Path | None = None  # where rigs keep their journals
    all_captures: bool = False  # capture at the servers too, which tells whose the core's share of the time is
    subscribers: Path | None = None  # a store (`testbed subscriber`) that the HSS serves from


@dataclass
class Recorded:
    """What the runner saw of a run."""

    started: datetime
    clock_s: float = field(default_factory=clock_offset_s)
    failures: list[str] = field(default_factory=list)
    rig_errors: list[str] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    lateness: dict[str, Lateness] = field(default_factory=dict)
    captures: dict[str, CaptureStats] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    handoffs: int = 0  # begun
    notes: list[str] = field(default_factory=list)


async def run_scenario(
    scenario: Scenario, topology: Path, folder: RunFolder, options: RunOptions, told: Told
) -> Result:
    """Carry out one run and return its result, which also lies in the folder.

    Raises UsageError before anything is started when scenario and topology do not fit.  What fails later is in the
    result.  Cancelling it (Ctrl-C) undoes the rig and raises CancelledError; the folder keeps what there is.
    """
    context = await record_scenario(scenario, topology, folder, options, told)
    with stage_of(told, "analysis", "reading the captures", context.timings_s):
        from testbed.results.analyse import analyse  # numpy and jinja2 come with it, and are not needed before

        return await asyncio.to_thread(analyse, folder, context)


async def record_scenario(
    scenario: Scenario, topology: Path, folder: RunFolder, options: RunOptions, told: Told
) -> RunContext:
    """The same without the analysis: what that needs beside the folder."""
    document = load(topology)
    plan = make_plan(document)
    scenario.fit(plan)
    folder.write("topology.yaml", topology.read_text(encoding="utf-8"))
    folder.write("scenario.yaml", scenario.to_yaml())
    run = Run(scenario, plan, folder, options, told)
    await run.carry_out()
    return run.context()


@contextmanager
def stage_of(told: Told, stage: str, text: str, timings_s: dict[str, float]) -> Iterator[None]:
    """Tell when a stage begins and how it ends, and note how long it took."""
    begun = time.monotonic()
    told(Progress(stage, "begun", text))
    try:
        yield
    except BaseException:
        told(Progress(stage, "failed", text, time.monotonic() - begun))
        raise
    timings_s[stage] = time.monotonic() - begun
    told(Progress(stage, "done", text, timings_s[stage]))


class Run:
    """The steps of one run; `recorded` is what it knows at the end."""

    def __init__(self, scenario: Scenario, plan: Plan, folder: RunFolder, options: RunOptions, told: Told) -> None:
        self.scenario, self.plan, self.folder, self.options, self._told = scenario, plan, folder, options, told
        self.recorded = Recorded(now(folder.path))
        self.rig = Rig(plan, options.rig, options.state, scenario.seed)
        self.subscriptions = subscribers(plan, scenario.seed, options.subscribers)
        self.ues: dict[str, UeHandle] = {}
        self._captures: dict[str, Capture] = {}

    async def carry_out(self) -> None:
        """Everything from bring-up to tear-down."""
        try:
            with self.rig.hold(lambda text: self._note("rig", text), self.folder.id):
                await self._on_rig()
        except ProductFailure as failure:
            self.recorded.failures.append(str(failure))
            self._note("failed", str(failure))
        except (RigError, DriverError) as error:
            self.recorded.rig_errors.append(str(error))
            self._note("failed", str(error))

    def context(self) -> RunContext:
        """What `analyse` needs beside the folder."""
        kernel = KernelInfo(current(), platform.release(), current_clock(), current_build())
        return run_context(self.scenario, self.plan, self.recorded, kernel, now(self.folder.path))

    async def _on_rig(self) -> None:
        with self.stage("rig", f"{len(self.plan.namespaces)} namespaces, cables and links"):
            self.rig.bring_up(lambda text: self._note("rig", text))
        if self.scenario.seed is not None and not self.rig.seeded:
            self.recorded.notes.append("this kernel's netem takes no seed: jitter and loss do not repeat")
        async with AsyncExitStack() as undo:
            core = await self._start(undo)
            try:
                await self._call()
                await self._handoffs()
                await self._hang_up()
            except ProductFailure as failure:
                broken = core.failures()
                if broken:  # a daemon that died explains what the UE met
                    raise RigError("; ".join(broken), where="core") from failure
                raise
            finally:
                await self._collect()

    async def _start(self, undo: AsyncExitStack) -> Core:
        """Captures, core and UEs start at the same time and are waited for together."""
        subscriptions = self.subscriptions
        core = Core(self.plan, self.folder.path, self.rig, self._core_options(), tuple(subscriptions.values()))
        undo.callback(core.stop)
        with self.stage("core", "Kamailio P-CSCFs and S-CSCF, HSS"):
            core.start()
            self._launch_captures(undo)
            for name in ENDS:
                self.ues[name] = UeHandle(name, self.folder.logs / f"ue-{name}.log", self._heard)
                undo.push_async_callback(self.ues[name].stop)
                self.ues[name].start(self.rig.spawn)
            await asyncio.to_thread(core.wait_ready, CORE_DEADLINE_S)
        with self.stage("ue", "UE processes and captures"):
            keys = self.folder.esp_sa if self.options.keep_keys else None
            for name, ue in self.ues.items():
                await ue.setup(ue_setup(self.plan, name, subscriptions[name], self.scenario, keys))
            for capture in self._captures.values():
                await asyncio.to_thread(capture.wait_ready)
        return core

    def _core_options(self) -> CoreOptions:
        return CoreOptions(
            profile=self.scenario.profile,
            linger_s=self.scenario.linger_s,
            ipv6=self.scenario.ip == 6,  # sockets that nobody uses would only make the start longer
            family=self.scenario.ip,
            transport=self.scenario.transport,
            seed=self.scenario.seed,
            store=self.options.subscribers,
        )

    def _launch_captures(self, undo: AsyncExitStack) -> None:
        for end in (*ENDS, *self.plan.servers) if self.options.all_captures else ENDS:
            capture = Capture(
                self.folder.capture(end),
                namespace=self.rig.namespace(end),
                log=self.folder.logs / f"dumpcap-{end}.log",
                spawn=lambda argv, log, end=end: self.rig.spawn(end, argv, log=log),  # type: ignore[misc]
            )
            undo.callback(capture.kill)
            capture.launch()
            self._captures[end] = capture

    async def _call(self) -> None:
        first, far = self.scenario.old_access(self.plan), self.plan.ues[FAR].accesses[0]
        with self.stage("register", f"{MOVING} over {first}, {FAR} over {far}"):
            for name, access in ((FAR, far), (MOVING, first)):
                await self.ues[name].order("attach", access=access)
                await self.ues[name].order("register", access=access, move="none")
            await self.ues[MOVING].order("subscribe", access=first)
        with self.stage("call", f"{MOVING} calls {FAR}"):
            await self.ues[MOVING].order("call", access=first, to=self.subscriptions[FAR].impus[0])
            await asyncio.sleep(self.scenario.settle_s)  # media before the trigger, as long as the scenario says

    async def _handoffs(self) -> None:
        """As many as the scenario says, back and forth; over many of them nothing may grow."""
        old, new = self.scenario.old_access(self.plan), self.scenario.new_access(self.plan)
        total = self.scenario.handoffs
        warm = max(2, 2 * (total // 8))  # back where it began, and everything has been filled that fills at first
        begun = time.monotonic()
        before: dict[str, Sample] = {}
        for number in range(1, total + 1):
            await self._handoff(old, new)
            if number < total:
                self._mend(old)
            old, new = new, old
            if number == warm < total:
                before = await everything(self.rig, self.ues, time.monotonic() - begun)
            if number % 100 == 0:
                self._note("hangup", f"{number} of {total} handoffs")
        if before:
            after = await everything(self.rig, self.ues, time.monotonic() - begun)
            self.recorded.notes += [f"handoff {warm} to {total}, {line}" for line in tell(before, after)]
            self.recorded.failures += grown(before, after)

    def _mend(self, access: str) -> None:
        """What the trigger broke works again, for the way back."""
        lever = self.rig.lever(access)
        (lever.restore if self.scenario.trigger == "carrier-loss" else lever.clear)()

    async def _handoff(self, old: str, new: str) -> None:
        order = handoff_order(self.scenario, new)
        if self.scenario.make_before_break:
            with self.stage("session", f"moved to {new} while {old} still works"):
                outcome = await self.ues[MOVING].handoff(old, order)
                await asyncio.sleep(self.scenario.settle_s)
            self._trigger(old)
        else:
            await self.ues[MOVING].arm(old, order)
            self._trigger(old)
            outcome = await self.ues[MOVING].order("wait-handoff", deadline_s=HANDOFF_DEADLINE_S)
            self._tell_steps(outcome["steps"])
        await asyncio.sleep(self.scenario.tail_s)

    def _trigger(self, access: str) -> None:
        """The marker goes first: what follows it is the handoff's, the few microseconds between them too."""
        lever = self.rig.lever(access)
        act: Callable[[], None] = lever.cut if self.scenario.trigger == "carrier-loss" else lever.blackhole
        marker = encode_marker("trigger", access=access, kind=str(self.scenario.trigger))
        with socket_in_namespace(self.rig.namespace(MOVING)) as sender:
            self.recorded.handoffs += 1
            sender.sendto(marker, MARKER_ADDRESS)
            act()
        self._note("trigger", f"{self.scenario.trigger} on {access}", state="done")

    async def _hang_up(self) -> None:
        with self.stage("hangup", f"{MOVING} hangs up"):
            await self.ues[MOVING].order("hang-up")

    async def _collect(self) -> None:
        """Whatever can still be had, and the captures' last packets."""
        for name, ue in self.ues.items():
            try:
                if name == MOVING:
                    self.recorded.connections = (await ue.order("state", deadline_s=5))["connections"]
                    states = {each["access"]: each["state"] for each in self.recorded.connections}
                    self._told(Progress("hangup", "note", "", detail={"connections": states}))
                late = (await ue.order("media", deadline_s=5))["lateness_ms"]
                self.recorded.lateness[name] = Lateness(late["p50"], late["p99"], late["max"])
            except TestbedError as gone:
                self.recorded.rig_errors.append(str(gone))
        for capture in self._captures.values():
            capture.announce_stop()
        for name, capture in self._captures.items():
            try:
                self.recorded.captures[name] = await asyncio.to_thread(capture.stop)
            except RigError as error:
                self.recorded.rig_errors.append(str(error))

    # What is told

    def stage(self, stage: str, text: str) -> AbstractContextManager[None]:
        """Tell when a stage begins and how it ends."""
        return stage_of(self._told, stage, text, self.recorded.timings_s)

    def _note(self, stage: str, text: str, *, state: Any = "note") -> None:
        self._told(Progress(stage, state, text))

    def _tell_steps(self, steps: list[tuple[str, float]]) -> None:
        """The handoff's phases, told when it is over: drawing them as they pass would be part of what is measured."""
        last = 0.0
        for event, stage in STEPS:
            moment = next((at for said, at in steps if said == event), None)
            if moment is not None:
                self._told(Progress(stage, "done", event, (moment - last) / 1000))
                last = moment

    def _heard(self, event: dict[str, Any]) -> None:
        """What a UE says by itself."""
        if event["event"] == "notify":
            contacts = {contact for each in event["contacts"].values() for contact in each}
            where = ", ".join(sorted(contact.partition("@")[2] for contact in contacts)) or "nowhere"
            self._told(Progress("register", "note", f"NOTIFY: {len(event['contacts'])} identities at {where}"))


# Which marker of the UE ends which stage of the live view.
STEPS = (
    ("detected", "detect"),
    ("access-up", "access"),
    ("registered", "reregister"),
    ("session-moved", "session"),
)
