"""The topology of a bench with a real stick and a packet core of its own; both are played from outside the rig here.

To the rig they are real: a stick on this machine's USB that it has not made, and a network device that leads to a core.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from living import TOPOLOGIES
from stick_process import plan as stick_plan
from stick_process import process

from drivers.host import netns
from drivers.host.local import LocalHost
from drivers.modem.usb import PortName
from testbed.measure.words import Verdict
from testbed.results.folder import RunFolder
from testbed.results.model import Result
from testbed.scenario.catalogue import find
from testbed.scenario.parties import subscribers
from testbed.scenario.runner import RunOptions, run_scenario
from testbed.topology.load import load
from testbed.topology.planning import make_plan

pytestmark = pytest.mark.simulated
CORE, DEVICE, SEED = "bench-core", "sgi0", 1
TEXT = (TOPOLOGIES / "bench-lte.yaml").read_text()


def topology(folder: Path, **changes: str) -> Path:
    text = TEXT.replace("/dev/serial/by-id/usb-Quectel_EC25-if02-port0", "serial:rig0001:2").replace("enp3s0", DEVICE)
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    path = folder / "bench-lte.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Path]:
    """The stick, its core, and the topology that they are of."""
    file = topology(tmp_path)
    plan = make_plan(load(file))
    owner = subscribers(plan, SEED)["ue"]
    sim = {"imsi": "001010000000001", "iccid": "8900101000000000012", "impi": owner.impi, "impus": list(owner.impus)}
    sim |= {"domain": plan.domain, "k": owner.k.hex(), "opc": owner.opc.hex()}
    pcscf = plan.accesses["lte"].address(4).pcscf
    ims = {"addresses": [["10.45.0.2/16", "10.45.0.1"]], "pcscf": [pcscf]}
    nic = {"namespace": CORE, "name": "radio", "addresses": ["10.45.0.1/16"]}
    more = {"sim": sim, "pdns": {"internet": {"addresses": [["192.0.2.2/24", "192.0.2.1"]]}, "ims": ims}, "nic": nic}
    host = LocalHost()
    with ExitStack() as undo:
        netns.share_folder()
        with netns.making(CORE, "test"):
            pass
        undo.callback(netns.remove, CORE, "test")
        host.run(["ip", "link", "add", DEVICE, "type", "veth", "peer", "name", "sgi", "netns", CORE])
        inside = [
            ["ip", "address", "add", "10.46.0.1/24", "dev", "sgi"],
            ["ip", "link", "set", "sgi", "up"],
            ["ip", "route", "add", "10.100.0.0/24", "via", "10.46.0.2"],
            ["ip", "route", "add", "10.3.0.0/24", "via", "10.46.0.2"],
            ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"],
        ]
        for argv in inside:
            host.run(netns.argv(CORE, argv))
        _, client = undo.enter_context(process())
        client.order("setup", plan=stick_plan("bench-stick", **more))
        client.order("plug")
        client.wait_for("usb", state="configured")
        for _ in range(100):  # its drivers follow by themselves
            if PortName.parse("serial:rig0001:2").find():
                break
            time.sleep(0.05)
        yield file


def carry_out(tmp_path: Path, file: Path, name: str) -> Result:
    folder = RunFolder.create(tmp_path / "runs", name)
    options = RunOptions(rig="real", state=tmp_path / "state")
    return asyncio.run(run_scenario(find(name).with_options(seed=SEED), file, folder, options, print))


def test_a_call_leaves_a_stick_that_is_not_ours_and_comes_back(bench: Path, tmp_path: Path) -> None:
    result = carry_out(tmp_path, bench, "modem-port-disabled")
    assert (result.verdict, result.reasons) == (Verdict.PASSED, [])
    assert [(each.from_access, each.to_access) for each in result.handoffs] == [("lte", "wifi"), ("wifi", "lte")]
    assert DEVICE in [name for _, name in socket.if_nameindex()], "the machine has not got its device back"


def test_what_is_not_there_is_the_benchs_fault_and_leaves_nothing(tmp_path: Path) -> None:
    result = carry_out(tmp_path, topology(tmp_path), "modem-port-disabled")
    assert result.verdict is Verdict.RIG_ERROR
    assert "serial:rig0001:2: is no USB modem's port on this machine" in " ".join(result.reasons)
    namespaces = make_plan(load(tmp_path / "bench-lte.yaml")).namespaces
    assert not [name for name in namespaces if netns.exists(f"real-{name}")]


def test_an_address_that_the_network_did_not_give_is_named(bench: Path, tmp_path: Path) -> None:
    result = carry_out(tmp_path, topology(tmp_path, **{"10.45.0.2/16": "10.45.0.9/16"}), "modem-port-disabled")
    assert result.verdict is Verdict.RIG_ERROR
    assert "the network gave 10.45.0.2, the topology says 10.45.0.9" in " ".join(result.reasons)
