"""A core that is stopped while it starts, as by Ctrl-C: whoever waits for it gives up, and nothing is started after."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from living import READY_S, TOPOLOGIES

from drivers.host.processes import bearing
from testbed.core.core import Core, CoreOptions
from testbed.errors import RigError
from testbed.rig.rig import Rig
from testbed.scenario.parties import subscribers
from testbed.topology.load import load
from testbed.topology.planning import make_plan


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_who_waits_gives_up_and_no_daemon_is_started_any_more(tmp_path: Path, hosts: int) -> None:
    plan = make_plan(load(TOPOLOGIES / "two-access.yaml"))
    rig = Rig(plan, "stopped", tmp_path / "state")
    with rig.hold(), ThreadPoolExecutor(1) as pool:
        rig.bring_up()
        core = Core(plan, tmp_path, rig, CoreOptions(), [*subscribers(plan, None).values()])
        core.start()
        waiting = pool.submit(core.wait_ready, READY_S)
        until = time.monotonic() + READY_S
        while len(set(rig.sessions().values())) < hosts:  # the HSS first, then the S-CSCF, then P-CSCFs
            assert time.monotonic() < until and not waiting.done()
            time.sleep(0.001)
        core.stop()
        with pytest.raises(RigError, match=r"was stopped before it was ready|was ended by|ended with status"):
            waiting.result(READY_S / 2)  # it would wait for all of READY_S
        with bearing(rig.token) as found:
            assert [str(process) for process in found] == []
