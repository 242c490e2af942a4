"""Runs in simulated time repeat to the last bit with their seed, and another seed changes no more than jitter can."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.rig.kernel import uml
from testbed.topology.load import load, shipped
from testbed.topology.planning import make_plan

pytestmark = [pytest.mark.usefixtures("guests"), pytest.mark.timeout(900)]
OWN_MS = 0.5  # what the procedure takes besides: in simulated time nothing that computes, but timers' slack
AT_MOST = 1.10  # outage over floor, of a carrier loss


@pytest.fixture(scope="module", autouse=True)
def rig_kernel() -> None:
    if missing := uml.lacks("simulated"):
        pytest.skip(str(missing))


def runs(folder: Path, seed: int, times: int) -> list[dict[str, Any]]:
    """The results of `testbed run`, as `--json` prints them."""
    argv = [sys.executable, "-P", "-m", "testbed.cli.main", "run", "global-reregistration", "--clock", "simulated"]
    argv += ["--seed", str(seed), "--repeat", str(times), "--json", "--runs", str(folder)]
    ran = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)["runs"]
    assert {(run["kernel"]["clock"], len(run["handoffs"])) for run in found} == {("simulated", 1)}
    return found


def test_a_seed_repeats_and_another_one_differs_by_jitter_alone(tmp_path: Path) -> None:
    one, other = runs(tmp_path, seed=1, times=2)
    assert one["handoffs"] == other["handoffs"]
    for end in ("ue", "far"):
        captures = {(tmp_path / run["id"] / "captures" / f"{end}.pcapng").read_bytes() for run in (one, other)}
        assert len(captures) == 1, f"the captures at {end} are the same to the last bit"
    (seeded,) = runs(tmp_path, seed=2, times=1)
    assert seeded["handoffs"] != one["handoffs"]
    for handoff in (*one["handoffs"], *seeded["handoffs"]):
        for way, jitter_ms in jitter().items():
            outage, floor = handoff["outage_ms"][way], handoff["floor_ms"][way]
            assert abs(outage - floor) <= jitter_ms + OWN_MS
            assert handoff["outage_over_floor"][way] <= AT_MOST


def jitter() -> Mapping[str, float]:
    """By how much each direction's outage may lie off its floor: every way that a packet took may be so much off."""
    accesses = make_plan(load(shipped()["two-access"])).accesses
    old, new, far = (accesses[name].shape.jitter_ms for name in ("lte", "wifi", "far"))
    registered, invited, media = 4 * new, new + far, new + far  # REGISTER, 401, REGISTER, 200; INVITE
    return {"uplink": registered + 2 * invited + media + old + far, "downlink": registered + invited + media}
