"""Several scenarios on one site: the rig is brought up once, and its core started once, as long as that is sound.

It is sound as long as nothing of a scenario is left when the next one begins: the UEs deregister, and then the core is
looked at.  Where anything is left, or a scenario broke a daemon, the next one gets a rig and a core of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from testbed.errors import DriverError, RigError, TestbedError
from testbed.results.analyse import write_context
from testbed.results.folder import RunFolder
from testbed.scenario.catalogue import AnyScenario
from testbed.scenario.leftovers import deregister, keep_streams_brief, left_in_core, left_on_wires
from testbed.scenario.look import Look
from testbed.scenario.progress import Progress, Told
from testbed.scenario.runner import Run
from testbed.scenario.site import RunOptions, Site
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan


@dataclass
class Batch:
    """Scenarios that ask for the same core, each with its run's folder; `logs` takes what the core says."""

    topology: Path
    runs: Sequence[tuple[AnyScenario, RunFolder]]
    options: RunOptions
    logs: Path
    told: Told
    begins: Callable[[int], None]  # the run of this number begins
    done: Callable[[int], None]  # it has left its evidence
    _site: Site | None = None
    _undo: ExitStack = field(default_factory=ExitStack)
    _log_sizes: dict[Path, int] = field(default_factory=dict)

    def carry_out(self) -> None:
        """All of them.  An error of the project ends one run and not the others."""
        plan = make_plan(load(self.topology))
        try:
            for number, (scenario, folder) in enumerate(self.runs):
                self.begins(number)
                asyncio.run(self._one(plan, scenario, folder))
                self.done(number)
        finally:
            self._leave()

    async def _one(self, plan: Plan, scenario: AnyScenario, folder: RunFolder) -> None:
        site = self._site or Site(scenario, plan, self.logs, self.options)
        run = Run(scenario, site, self.topology, folder, self.options, self.told)
        try:
            if self._site is None:
                await self._settle(site)
            await run.carry_out_here(self._tidy)
            site.played += 1
            if self._site is not None:
                self._leave_if(await left_on_wires(site))
        except (RigError, DriverError) as error:
            run.recorded.rig_errors.append(str(error))
            self._leave()
        finally:
            self._copy_logs(folder)
            write_context(folder, run.context())

    async def _settle(self, site: Site) -> None:
        """A rig and a core for this scenario and those that follow."""
        told = lambda text: self.told(Progress("rig", "note", text))  # noqa: E731
        self._undo.enter_context(site.rig.hold(told, self.logs.name))
        site.rig.bring_up(told)
        await asyncio.to_thread(keep_streams_brief, site)
        self._undo.callback(site.core.stop)
        site.core.start()
        await asyncio.to_thread(site.core_ready)
        self._site = site

    def _leave(self) -> None:
        self._site = None
        self._undo.close()

    async def _tidy(self, run: Run) -> None:
        """Let nothing of a run be left; where that fails, the next one begins anew."""
        site = run.site
        sound = not run.broken_daemons and not site.core.failures() and not run.recorded.rig_errors
        if sound:
            try:
                await deregister(run.cast, site)
                left = await left_in_core(Look(site.plan, site.rig, site.core, run.cast.ues))
            except TestbedError as failed:
                left = str(failed)
            self._leave_if(left)
        else:
            self._leave()

    def _leave_if(self, left: str) -> None:
        if left:
            self.told(Progress("rig", "note", f"the next scenario gets a core of its own: {left}"))
            self._leave()

    def _copy_logs(self, folder: RunFolder) -> None:
        """What the core said during this run belongs to its evidence."""
        for log in (self.logs / "logs").glob("*.log"):
            from_byte = self._log_sizes.get(log, 0)
            with log.open("rb") as stream:
                stream.seek(from_byte)
                said = stream.read()
            self._log_sizes[log] = from_byte + len(said)
            (folder.logs / log.name).write_bytes(said)
