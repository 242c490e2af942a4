"""One run: a rig brought up, a scenario carried out, everything recorded, judged, and undone.

Whatever fails on the way, the rig is undone, the evidence kept, and a result written.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import DriverError, ProductFailure, RigError
from testbed.results.context import KernelInfo, RunContext
from testbed.results.folder import RunFolder
from testbed.rig.kernel.choose import current, current_build, current_clock
from testbed.rig.kernel.wall import now
from testbed.scenario.bench import Bench
from testbed.scenario.cast import Cast
from testbed.scenario.catalogue import AnyScenario
from testbed.scenario.evidence import run_context
from testbed.scenario.levers import Levers, Markers
from testbed.scenario.performing import Performance
from testbed.scenario.progress import Progress, Told
from testbed.scenario.record import Recorded, stage_of
from testbed.scenario.short import ShortForm
from testbed.scenario.site import RunOptions, Site
from testbed.scenario.stepped import SteppedScenario
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan

if TYPE_CHECKING:
    from testbed.results.model import Result

__all__ = ["Run", "RunOptions", "record_scenario", "run_scenario"]


async def run_scenario(
    scenario: AnyScenario, topology: Path, folder: RunFolder, options: RunOptions, told: Told
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
    scenario: AnyScenario, topology: Path, folder: RunFolder, options: RunOptions, told: Told
) -> RunContext:
    """The same without the analysis: what that needs beside the folder."""
    plan = make_plan(load(topology))
    scenario.fit(plan)
    run = Run(scenario, Site(scenario, plan, folder.path, options), topology, folder, options, told)
    await run.carry_out()
    return run.context()


class Undone:
    """What is undone at the end of a run, in one line; what a dead run had left is told line by line before."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._kept, self._at_the_end = tell, list[str](), False

    def told(self, text: str) -> None:
        if self._at_the_end:
            self._kept.append(text)
        else:
            self._tell(text)

    @contextmanager
    def beginning_at_the_end(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._at_the_end = True

    @contextmanager
    def summed(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self._kept:
                self._tell(f"everything that was made is undone ({len(self._kept)} things)")


class Run:
    """One scenario on a site; `recorded` is what it knows at the end."""

    def __init__(
        self, scenario: AnyScenario, site: Site, topology: Path, folder: RunFolder, options: RunOptions, told: Told
    ) -> None:
        self.scenario, self.site, self.folder, self._told = scenario, site, folder, told
        folder.write("topology.yaml", topology.read_text(encoding="utf-8"))
        folder.write("scenario.yaml", scenario.to_yaml())
        self.recorded = Recorded(now(folder.path))
        self.cast = Cast(scenario, site, folder, options, self._heard)
        self._bench: Bench | None = None

    @property
    def plan(self) -> Plan:
        return self.site.plan

    async def carry_out(self) -> None:
        """Everything from bring-up to tear-down, on a site of its own."""
        rig, core = self.site.rig, self.site.core
        undone = Undone(lambda text: self._note("rig", text))
        with self._judged(), undone.summed(), rig.hold(undone.told, self.folder.id), undone.beginning_at_the_end():
            with self.stage("rig", f"{len(self.plan.namespaces)} namespaces, cables and links"):
                rig.bring_up(lambda text: self._note("rig", text))
            async with AsyncExitStack() as undo:
                undo.callback(core.stop)
                # Captures, core and UEs start at the same time and are waited for together.
                with self.stage("core", "Kamailio P-CSCFs and S-CSCF, HSS"):
                    core.start()
                    self.cast.launch(undo)
                    await asyncio.to_thread(self.site.core_ready)
                await self._play()

    async def carry_out_here(self, tidy: Callable[[Run], Awaitable[None]]) -> None:
        """The scenario alone, on a site that is up; `tidy` is called when all is recorded and the UEs still live."""
        async with AsyncExitStack() as undo:
            with self._judged():
                self.cast.launch(undo)
                await self._play()
            await tidy(self)

    @property
    def broken_daemons(self) -> bool:
        """Whether a step has stopped or killed a daemon of the core that does not run again."""
        return self._bench is not None and bool(self._bench.levers.broken)

    def context(self) -> RunContext:
        """What `analyse` needs beside the folder."""
        kernel = KernelInfo(current(), platform.release(), current_clock(), current_build())
        return run_context(self.scenario, self.plan, self.recorded, kernel, now(self.folder.path))

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """What ends a run early is kept: whose fault it is decides the verdict."""
        try:
            yield
        except ProductFailure as failure:
            self.recorded.failures.append(str(failure))
            self._note("failed", str(failure))
        except (RigError, DriverError) as error:
            self.recorded.rig_errors.append(str(error))
            self._note("failed", str(error))

    async def _play(self) -> None:
        """UEs and captures made ready, the scenario, and what can still be had when it is over."""
        if self.scenario.seed is not None and not self.site.rig.seeded:
            self.recorded.notes.append("this kernel's netem takes no seed: jitter and loss do not repeat")
        with self.stage("ue", "UE processes and captures"):
            await self.cast.ready()
        markers = Markers(self.site.rig)
        try:
            await self._perform(markers)
        finally:
            markers.close()
            await self.cast.collect(self.recorded)
            states = {each["access"]: each["state"] for each in self.recorded.connections}
            self._told(Progress("hangup", "note", "", detail={"connections": states}))

    async def _perform(self, markers: Markers) -> None:
        ues, scenario = self.cast.ues, self.scenario
        levers = Levers(scenario, self.plan, self.site.rig, markers, self._told)
        try:
            if isinstance(scenario, SteppedScenario):
                self._bench = Bench(self.plan, self.site.rig, self.site.core, ues, self.site.subscriptions, levers)
                await self._steps(scenario, self._bench, markers)
            else:
                await ShortForm(scenario, self.site, ues, markers, self.recorded, self._told).run()
        except ProductFailure as failure:
            broken = self.site.core.failures() if not levers.broken else []
            if broken:  # a daemon that died explains what the UE met
                raise RigError("; ".join(broken), where="core") from failure
            raise

    async def _steps(self, scenario: SteppedScenario, bench: Bench, markers: Markers) -> None:
        performance = Performance(scenario.steps, bench, markers, self._told)
        self.recorded.steps = performance.records
        self.recorded.handoffs = bench.levers.measured
        try:
            await performance.run()
        finally:
            self.recorded.failures += performance.failures

    # What is told

    def stage(self, stage: str, text: str) -> AbstractContextManager[None]:
        """Tell when a stage begins and how it ends."""
        return stage_of(self._told, stage, text, self.recorded.timings_s)

    def _note(self, stage: str, text: str) -> None:
        self._told(Progress(stage, "note", text))

    def _heard(self, event: dict[str, Any]) -> None:
        """What a UE says by itself."""
        if self._bench is not None:
            self._bench.heard(event)
        if event["event"] == "notify":
            contacts = {contact for each in event["contacts"].values() for contact in each}
            where = ", ".join(sorted(contact.partition("@")[2] for contact in contacts)) or "nowhere"
            self._told(Progress("register", "note", f"NOTIFY: {len(event['contacts'])} identities at {where}"))
