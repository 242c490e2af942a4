"""Hosts of a rig: commands in a namespace, and SSH over an access whose packets vanish in the middle of one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rig_eyes import attach, brought_up
from ssh_server import SSHD, SshServer, ssh_server

from drivers.host import processes
from drivers.host.errors import HostSilent, NoRoute
from drivers.host.local import NamespaceHost
from drivers.host.ssh import SshHost
from testbed.rig.rig import Rig

ACCESS, SERVER = "lte", "hss"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with brought_up(tmp_path_factory.mktemp("state"), "hosts") as rig:
        yield rig


@pytest.fixture
def server(rig: Rig, tmp_path: Path) -> Iterator[SshServer]:
    if not SSHD:
        pytest.skip("no sshd: install openssh-server")
    attach(rig, ACCESS)

    def spawn(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        return rig.spawn(SERVER, argv, log=log)

    with ssh_server(tmp_path, spawn=spawn, address=rig.plan.servers[SERVER].addresses[4]) as server:
        yield server


def test_a_command_runs_in_its_namespace_and_bears_the_rigs_token(rig: Rig) -> None:
    host = NamespaceHost(rig.namespace("ue"), {processes.VARIABLE: rig.token})
    inode = Path(f"/run/netns/{rig.namespace('ue')}").stat().st_ino
    ours = Path("/proc/thread-self/ns/net").readlink()
    assert host.run(["readlink", "/proc/self/ns/net"]).strip() == f"net:[{inode}]"
    assert Path("/proc/thread-self/ns/net").readlink() == ours
    process = host.start(["sleep", "600"])
    with processes.bearing(rig.token) as found:
        assert process.pid in {each.pid for each in found}
    assert process.end() == [f"process {process.pid} (sleep)"]


def test_a_way_that_does_not_lead_there(rig: Rig, server: SshServer) -> None:
    target = server.target(namespace=rig.namespace("ue"), address="198.51.100.1")
    with pytest.raises(NoRoute, match="mend: look at the routes"):
        SshHost(target).run(["true"])


def test_ssh_through_an_access_whose_packets_vanish_is_noticed_and_goes_on_when_they_are_back(
    rig: Rig, server: SshServer
) -> None:
    own = rig.plan.accesses[ACCESS].address(4).address
    target = server.target(namespace=rig.namespace("ue"), source=own, silence_s=2.0)
    lever = rig.lever(ACCESS)
    with SshHost(target) as host, ThreadPoolExecutor(1) as pool:
        assert host.run(["cat", "/proc/sys/kernel/ostype"]) == "Linux\n"
        running = pool.submit(host.run, ["sleep", "30"], timeout_s=30.0)
        try:
            lever.blackhole()
            with pytest.raises(HostSilent):
                running.result(20)
        finally:
            lever.clear()
        assert host.run(["echo", "back"], timeout_s=60.0) == "back\n"
