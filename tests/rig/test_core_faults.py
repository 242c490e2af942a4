"""A core that fails, and one that does not know the extension."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_bench import READY_S, Bench, core_bench
from sip_client import Line

from drivers.host import netns
from testbed.core import core as core_module
from testbed.core.core import Core, CoreOptions
from testbed.errors import RigError
from testbed.rig.rig import Rig
from testbed.scenario.parties import subscribers
from testbed.topology.load import load
from testbed.topology.plan import Plan
from testbed.topology.planning import make_plan

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "two-access.yaml"
COLD = CoreOptions(warm_up=False)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Rig]]:
    plan = make_plan(load(TOPOLOGY))
    rig = Rig(plan, "corefault", tmp_path_factory.mktemp("rig"))
    with rig.hold():
        rig.bring_up()
        yield plan, rig


def made(rig: tuple[Plan, Rig], folder: Path, options: CoreOptions = COLD) -> Core:
    plan, spawner = rig
    return Core(plan, folder, spawner, options, [*subscribers(plan, None).values()])


def test_a_core_can_be_stopped_and_started_again(rig: tuple[Plan, Rig], tmp_path: Path) -> None:
    for _ in range(2):
        core = made(rig, tmp_path)
        core.start()
        try:
            core.wait_ready(READY_S)
            assert core.failures() == []
        finally:
            core.stop()
        assert not rig[1].sessions()


@pytest.mark.parametrize("name", ["scscf", "pcscf-wifi", "hss"])
def test_a_daemon_that_dies_is_named_with_how_it_died(rig: tuple[Plan, Rig], tmp_path: Path, name: str) -> None:
    core = made(rig, tmp_path)
    core.start()
    try:
        core.wait_ready(READY_S)
        core.process(name).kill()
        core.process(name).wait()
        (failure,) = core.failures()
        assert failure.startswith(f"{name} was ended by SIGKILL; it last said:\n")
    finally:
        core.stop()


def test_a_port_in_use_is_told_in_the_daemons_own_words(rig: tuple[Plan, Rig], tmp_path: Path) -> None:
    plan, spawner = rig
    with netns.inside(spawner.namespace("scscf")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((plan.server("scscf").addresses[4], 5060))
        core = made(rig, tmp_path)
        core.start()
        try:
            with pytest.raises(
                RigError, match=r"(?s)scscf ended with status \d+; it last said:.*Address already in use"
            ):
                core.wait_ready(READY_S)
        finally:
            core.stop()


def test_a_broken_configuration_is_told_with_its_line(
    rig: tuple[Plan, Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(core_module.CONFIGURATION, tmp_path, dirs_exist_ok=True)
    broken = tmp_path / "pcscf.cfg"
    broken.write_text(broken.read_text().replace("request_route {", "request_route { nonsense(;", 1))
    monkeypatch.setattr(core_module, "CONFIGURATION", tmp_path)
    core = made(rig, tmp_path / "run")
    core.start()
    try:
        with pytest.raises(RigError, match=r"(?s)pcscf-\w+ ended with.*parse error.*pcscf\.cfg, line \d+"):
            core.wait_ready(READY_S)
    finally:
        core.stop()


@pytest.fixture(scope="module")
def old_core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(profile="release7", warm_up=False, connections=8)
    with core_bench(tmp_path_factory.mktemp("core"), options) as bench:
        yield bench


def test_a_core_without_the_extension_says_so(old_core: Bench) -> None:
    """RFC 3261 8.2.2.3, 16.3: the P-CSCF refuses the tag in Proxy-Require, and so would the S-CSCF in Require."""
    response = old_core.line(old_core.phone("ue"), "lte").register()
    assert response.status == 420
    assert response.option_tags("Unsupported") == {"seamless-ims"}
    assert old_core.line(old_core.phone("ue"), "lte").register(tags="").status == 200


def test_imsglobreg_is_nothing_to_a_core_that_does_not_know_it(old_core: Bench) -> None:
    """RFC 3261 7.3.1: a parameter that is not known is passed over."""
    assert old_core.line(old_core.phone("ue"), "lte").register(tags="", to_params=";imsglobreg").status == 200


def test_without_its_hss_the_core_refuses_who_is_new_and_serves_who_is_registered(old_core: Bench) -> None:
    """The last test of this core: it ends its HSS."""
    ue = old_core.registered(old_core.phone("ue"), "lte", tags="")
    old_core.core.process("hss").kill()
    old_core.core.process("hss").wait()
    newcomer: Line = old_core.line(old_core.phone("far"), "far")
    began = time.monotonic()
    response = newcomer.register(tags="")
    assert response.status == 504 and "HSS" in response.reason
    assert time.monotonic() - began < 5
    assert ue.reregister(tags="").status == 200
