"""A UE whose accesses are both by radio: handoffs by Wi-Fi's own triggers, and what a dead run leaves of its radios.

All in simulated time, with real hostapd, wpa_supplicant, dnsmasq and udhcpc on virtual radios.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest
from living import TOPOLOGIES

from drivers.errors import DriverError
from drivers.host import netns
from drivers.virtual.hwsim import Hwsim
from testbed.measure.words import Phase, Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Result
from testbed.rig import radios
from testbed.rig.journal import Journal
from testbed.rig.rig import Rig
from testbed.scenario.catalogue import find
from testbed.scenario.parties import subscribers
from testbed.scenario.runner import RunOptions, run_scenario
from testbed.scenario.site import cards
from testbed.topology.load import load
from testbed.topology.planning import make_plan

pytestmark = pytest.mark.simulated
TOPOLOGY = TOPOLOGIES / "lte-wifi-virtual.yaml"


@pytest.fixture(autouse=True)
def virtual_radios() -> None:
    for tool in ("hostapd", "wpa_supplicant", "iw", "dnsmasq", "busybox"):
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{tool} is not installed: make setup")
    try:
        Hwsim().close()
    except DriverError as lacking:
        pytest.skip(str(lacking))


def carry_out(tmp_path: Path, name: str) -> Result:
    folder = RunFolder.create(tmp_path / "runs", name)
    choices = RunOptions(rig="run", state=tmp_path / "state")
    result = asyncio.run(run_scenario(find(name).with_options(seed=1), TOPOLOGY, folder, choices, print))
    assert (result.verdict, result.reasons) == (Verdict.PASSED, [])
    return result


def test_who_walks_out_of_the_door_loses_nothing(tmp_path: Path) -> None:
    (handoff,) = carry_out(tmp_path, "walk-away").handoffs
    assert (handoff.from_access, handoff.to_access) == ("wifi", "lte")
    assert (handoff.lost.uplink, handoff.lost.downlink) == (0, 0)


def test_an_access_point_that_falls_silent_is_noticed_by_the_media(tmp_path: Path) -> None:
    handoff, back = carry_out(tmp_path, "ap-silent").handoffs
    assert handoff.phases_ms[Phase.DETECT] == pytest.approx(400, abs=60)
    assert handoff.interruption_ms.downlink.value > 400
    assert (handoff.to_access, back.to_access) == ("lte", "wifi")


def test_what_a_killed_rig_leaves_of_its_radios_is_undone(tmp_path: Path) -> None:
    plan = make_plan(load(TOPOLOGY))
    child = os.fork()
    if child == 0:
        try:
            rig = Rig(plan, "killed", tmp_path, cards=cards(plan, subscribers(plan, 1)))
            with rig.hold():
                rig.bring_up()
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    journal = Journal(tmp_path / "killed" / "journal.jsonl")
    kept = [entry.values for entry in journal.entries() if entry.kind == "wifi-radio"]
    assert [radios.there(values) for values in kept] == [
        [f"virtual radio killed-wifi-{radio}"] for radio in ("ue", "ap0", "ap1")
    ]
    assert journal.undo(print) == []
    assert [radios.there(values) for values in kept] == [[], [], []]
    assert not [name for name in plan.namespaces if netns.exists(f"killed-{name}")]
