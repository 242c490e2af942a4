"""The UE processes of a run and the captures at their ends: started, told who they are, asked, and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from testbed.errors import RigError, TestbedError
from testbed.measure.capture import Capture
from testbed.results.context import Lateness
from testbed.results.folder import RunFolder
from testbed.scenario.common import FAR, MOVING, Common
from testbed.scenario.parties import ue_setup
from testbed.scenario.record import Recorded
from testbed.scenario.site import RunOptions, Site
from testbed.ue.handle import UeHandle

ENDS = (MOVING, FAR)
STATE_DEADLINE_S = 5.0


class Cast:
    """One run's."""

    def __init__(
        self,
        scenario: Common,
        site: Site,
        folder: RunFolder,
        options: RunOptions,
        heard: Callable[[dict[str, Any]], None],
    ) -> None:
        self._scenario, self._site, self._folder, self._options = scenario, site, folder, options
        self.ues = {name: UeHandle(name, folder.logs / f"ue-{name}.log", heard) for name in site.plan.ues}
        self._captures: dict[str, Capture] = {}

    def launch(self, undo: AsyncExitStack) -> None:
        """Start all of them; they are waited for by :meth:`ready`."""
        rig = self._site.rig
        for end in (*ENDS, *self._site.plan.servers) if self._options.all_captures else ENDS:
            host = self._scenario.far_end if end == FAR else end
            capture = Capture(
                self._folder.capture(end),
                namespace=rig.namespace(host),
                log=self._folder.logs / f"dumpcap-{end}.log",
                spawn=lambda argv, log, host=host: rig.spawn(host, argv, log=log),  # type: ignore[misc]
            )
            undo.callback(capture.kill)
            capture.launch()
            self._captures[end] = capture
        for ue in self.ues.values():
            undo.push_async_callback(ue.stop)
            ue.start(rig.spawn)

    async def ready(self) -> None:
        """UEs know who they are, captures capture."""
        keys = self._folder.esp_sa if self._options.keep_keys else None
        for name, ue in self.ues.items():
            subscriber = self._site.subscriptions[name]
            site = self._site
            told = ue_setup(site.plan, name, subscriber, self._scenario, keys, site.played, site.rig.sockets)
            await ue.setup(told)
        for capture in self._captures.values():
            await asyncio.to_thread(capture.wait_ready)

    async def collect(self, recorded: Recorded) -> None:
        """Whatever can still be had of the UEs, and the captures' last packets."""
        for name, ue in self.ues.items():
            try:
                if name == MOVING:
                    recorded.connections = (await ue.order("state", deadline_s=STATE_DEADLINE_S))["connections"]
                late = (await ue.order("media", deadline_s=STATE_DEADLINE_S))["lateness_ms"]
                if name in ENDS:
                    recorded.lateness[name] = Lateness(late["p50"], late["p99"], late["max"])
            except TestbedError as gone:
                recorded.rig_errors.append(str(gone))
        for capture in self._captures.values():
            capture.announce_stop()
        for name, capture in self._captures.items():
            try:
                recorded.captures[name] = await asyncio.to_thread(capture.stop)
            except RigError as error:
                recorded.rig_errors.append(str(error))
