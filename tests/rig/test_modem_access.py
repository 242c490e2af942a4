"""A UE whose LTE access is a modem on USB: handoffs by the modem's own triggers, and what a dead run leaves of a stick.

All in simulated time: a stick boots, attaches and is looked for again as fast as anything else.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from living import TOPOLOGIES, living

from drivers.host import mounts, netns
from drivers.modem import usb_port
from drivers.virtual import gadget
from testbed.errors import DriverError, UsageError
from testbed.measure.words import Verdict
from testbed.results.folder import RunFolder
from testbed.rig.journal import Journal
from testbed.rig.rig import Rig
from testbed.scenario.catalogue import find
from testbed.scenario.parties import subscribers
from testbed.scenario.runner import RunOptions, run_scenario
from testbed.scenario.site import cards
from testbed.topology.load import load
from testbed.topology.planning import make_plan

pytestmark = pytest.mark.simulated
TOPOLOGY = TOPOLOGIES / "lte-modem-wifi-wired.yaml"
# One in which the modem says what happened, one in which it is gone, one in which nothing is lost.
RUNS: list[tuple[str, dict[str, Any]]] = [
    ("modem-network-detach", {"transport": "tcp", "ip": 6}),
    ("modem-port-disabled", {"transport": "udp", "ip": 4}),
    ("modem-signal-low", {"transport": "udp", "ip": 6}),
]


@pytest.mark.parametrize(("name", "options"), RUNS, ids=[name for name, _ in RUNS])
def test_the_call_leaves_the_modem_and_comes_back(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    folder = RunFolder.create(tmp_path / "runs", name)
    choices = RunOptions(rig="run", state=tmp_path / "state")
    result = asyncio.run(run_scenario(find(name).with_options(seed=1, **options), TOPOLOGY, folder, choices, print))
    assert (result.verdict, result.reasons) == (Verdict.PASSED, [])
    assert [(each.from_access, each.to_access) for each in result.handoffs] == [("lte", "wifi"), ("wifi", "lte")]
    if name == "modem-signal-low":
        assert (result.handoffs[0].lost.uplink, result.handoffs[0].lost.downlink) == (0, 0)
    assert left() == []


def test_what_the_modem_and_its_network_refuse_is_said_in_their_words(tmp_path: Path) -> None:
    async def said(what: str, times: int) -> None:
        async with asyncio.timeout(20):
            while [event.get("what") for event in up.events if event["event"] == "access"].count(what) < times:
                await asyncio.sleep(0.01)

    async def story() -> None:
        async with up.ue() as ue:
            stick.order("network", connect_causes={"ims": 33})  # ESM: requested service option not subscribed
            with pytest.raises(DriverError, match=r"context 2 was refused: .*not subscribed"):
                await ue.order("attach", access="lte")
            stick.order("network")
            with pytest.raises(UsageError, match="access wifi has no modem"):
                await ue.order("airplane", access="wifi", on=True)
            await ue.order("attach", access="lte")
            await ue.order("register", access="lte")
            for command in ("+CCHO", "+CSIM"):  # both ways to the card
                stick.order("fault", kind="error", command=command, times=9, code=3)
            await ue.order("register", access="lte")
            assert [event["by"] for event in up.events if event["event"] == "aka"] == ["card", "software"]
            for times in (1, 2):  # a carrier that comes back is one that can be lost again
                up.rig.lever("lte").cut()
                await said("carrier-lost", times)
                up.rig.lever("lte").restore()
                await said("carrier-back", times)
            stick.pull()
            await up.heard("access", what="modem-gone")
            with pytest.raises(DriverError, match="no modem within 30 s"):
                await ue.order("attach", access="lte", deadline_s=60)
            stick.plug()
            await ue.order("attach", access="lte")
            await ue.order("register", access="lte")

    with living(tmp_path, "lte-modem-wifi-wired") as up:
        (stick,) = up.rig.sticks
        with pytest.raises(UsageError, match="stick-pulled cannot happen to it"):
            up.rig.lever("wifi").trigger("stick-pulled")
        asyncio.run(story())


def test_what_a_killed_rig_leaves_of_its_stick_is_undone(tmp_path: Path) -> None:
    plan = make_plan(load(TOPOLOGY))
    child = os.fork()
    if child == 0:
        try:
            rig = Rig(plan, "killed", tmp_path, cards=cards(plan, subscribers(plan, 1)))
            with rig.hold():
                rig.bring_up()
                rig.lever("lte").trigger("usb-port-disabled")
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(left()) >= 2, "the test shows nothing: there is nothing to undo"
    journal = Journal(tmp_path / "killed" / "journal.jsonl")
    assert journal.undo(print) == []
    assert left() == []
    assert not [name for name in plan.namespaces if netns.exists(f"killed-{name}")]


def left() -> list[str]:
    """What there is of sticks: gadgets, where their ports were served, ports that are off."""
    found = [str(path) for path in gadget.GADGETS.iterdir()] if gadget.GADGETS.is_dir() else []
    found += [place.decode() for place in mounts.mounted() if b".at" in place]
    switches = usb_port.DEVICES.glob("*/usb*-port*/disable")
    return found + [str(path) for path in switches if path.read_text().strip() == "1"]
