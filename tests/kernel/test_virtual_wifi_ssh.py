"""An access point on a host that is reached by SSH: a real sshd, hostapd and hostapd_cli behind it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from ssh_server import SSHD, SshServer, ssh_server
from wifi_rig import CREDENTIALS, MACS, WifiRig, in_namespace, missing, wifi_rig, within

from drivers.errors import DriverError
from drivers.host import netns
from drivers.host.local import LocalHost
from drivers.host.ssh import SshHost
from drivers.wifi import events
from drivers.wifi.access_point import HostapdAccessPoint
from drivers.wifi.configuration import ApConfiguration
from drivers.wifi.errors import ChannelNotAllowed

pytestmark = [pytest.mark.rig, pytest.mark.simulated]
SEEN_S = 10.0


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WifiRig]:
    if why := missing():
        pytest.skip(why)
    with wifi_rig(tmp_path_factory.mktemp("wifi")) as rig:
        yield rig


@pytest.fixture
def server(rig: WifiRig, tmp_path: Path) -> Iterator[SshServer]:
    """An sshd that lives in the access point's namespace, and is reached there."""
    if not SSHD:
        pytest.skip("no sshd: install openssh-server")
    in_namespace("ap1", "ip", "link", "set", "dev", "lo", "up")

    def spawn(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file, netns.inside("ap1"):
            return subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stderr=file)

    # Each command would otherwise run the login shell's start-up file, whatever the user has in it.
    with ssh_server(tmp_path, f"SetEnv HOME={tmp_path}", spawn=spawn) as server:
        yield server


def access_point(rig: WifiRig, host: SshHost) -> HostapdAccessPoint:
    configuration = ApConfiguration(CREDENTIALS, 1)
    return HostapdAccessPoint("ap1", host, "wl-ap1", configuration, str(rig.folder / "by-ssh"))


def end_sessions(server: SshServer) -> None:
    """As when the host is pulled out of the network."""
    pids = [int(pid) for pid in LocalHost().run(["ip", "netns", "pids", "ap1"]).split()]
    sessions = [pid for pid in pids if _name(pid) == "sshd" and pid != server.process.pid]
    assert sessions
    for pid in sessions:
        os.kill(pid, signal.SIGKILL)


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_all_that_it_does_is_done_by_ssh(rig: WifiRig, server: SshServer) -> None:
    async def scene(host: SshHost) -> None:
        one, ue, heard, told = access_point(rig, host), rig.station(), asyncio.Queue(), asyncio.Queue()
        one.watch(heard.put_nowait)
        ue.watch(told.put_nowait)
        await one.start()
        await ue.start()
        try:
            await ue.connect(CREDENTIALS)
            await within(SEEN_S, heard, events.StationConnected)
            assert [each.address for each in await one.stations()] == [MACS["ue"]]
            await one.deauthenticate(MACS["ue"])
            await within(SEEN_S, told, events.Disconnected)
            with pytest.raises(ChannelNotAllowed):
                await one.set_channel(13)
            await asyncio.to_thread(one.set_power_dbm, 7)
            assert await asyncio.to_thread(one.power_dbm) == 7
            await one.disable()
            await within(SEEN_S, heard, events.ApDisabled)
        finally:
            await ue.stop()
            await one.stop()

    with SshHost(server.target(namespace="ap1")) as host:
        asyncio.run(scene(host))
    assert [path.name for path in (rig.folder / "by-ssh").iterdir()] == []


def test_a_connection_that_breaks_ends_it_and_it_can_be_started_again(rig: WifiRig, server: SshServer) -> None:
    async def scene(host: SshHost) -> None:
        one, heard = access_point(rig, host), asyncio.Queue()
        one.watch(heard.put_nowait)
        await one.start()
        end_sessions(server)
        await within(SEEN_S, heard, events.Terminating)
        with pytest.raises(DriverError):
            await one.status()
        await one.stop()
        await one.start()
        assert (await one.status()).state == "ENABLED"
        await one.stop()

    with SshHost(server.target(namespace="ap1")) as host:
        asyncio.run(scene(host))
    assert [path.name for path in (rig.folder / "by-ssh").iterdir()] == []
