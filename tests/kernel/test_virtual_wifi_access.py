"""Wi-Fi as an IP-CAN, on virtual radios: association, a real DHCP server and client, addresses, routes, losses."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from wifi_rig import CREDENTIALS, WifiRig, in_namespace, missing, wifi_rig

from drivers.host import netns
from drivers.host.local import LocalHost, NamespaceHost
from drivers.protocols import AccessAddress, AccessEvent
from drivers.wifi.access import Ipv6, WifiAccess
from drivers.wifi.access_point import HostapdAccessPoint
from drivers.wifi.dhcp_client import DhcpClient
from drivers.wifi.dhcp_server import DhcpPlan, DhcpServer
from drivers.wifi.errors import DaemonGone, NoLease, NoPcscf, WrongPassphrase

pytestmark = pytest.mark.rig
PLAN = DhcpPlan("10.1.0.0/24", "10.1.0.10", "10.1.0.99", "10.1.0.1", ["10.1.0.1"], ["10.1.0.5"], lease_s=120)
TABLE = 101
SEEN_S = 5.0
SELDOM_TU = 1000  # minutes pass, and each beacon costs computing
simulated = pytest.mark.simulated


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WifiRig]:
    if why := missing():
        pytest.skip(why)
    with wifi_rig(tmp_path_factory.mktemp("wifi")) as rig:
        yield rig


@pytest.fixture
def rig(made: WifiRig) -> Iterator[WifiRig]:
    yield made
    made.calm()


@dataclass
class Scene:
    access_point: HostapdAccessPoint
    access: WifiAccess
    dhcp: DhcpClient
    told: asyncio.Queue[AccessEvent]

    async def event(self, seconds: float = SEEN_S) -> AccessEvent:
        return await asyncio.wait_for(self.told.get(), seconds)


@asynccontextmanager
async def server(rig: WifiRig, plan: DhcpPlan) -> AsyncIterator[None]:
    one = DhcpServer(NamespaceHost("ap1"), "wl-ap1", plan, str(rig.folder), rig.folder / "dnsmasq.log")
    await one.start()
    try:
        yield
    finally:
        await one.stop()


@asynccontextmanager
async def scene(rig: WifiRig, **more: Any) -> AsyncIterator[Scene]:
    """An access point with an address, and an access that is not attached."""
    access_point = rig.access_point(beacon_interval_tu=more.pop("beacon_interval_tu", 100))
    station = rig.station()
    dhcp = DhcpClient(NamespaceHost("ue"), "wl-ue", str(rig.folder), rig.folder / "dhcp.log")
    told = asyncio.Queue[AccessEvent]()
    with netns.inside("ue"):
        if (ipv6 := more.pop("ipv6", None)) is not None:
            more["ipv6"] = Ipv6(NamespaceHost("ue"), "wl-ue", str(rig.folder), rig.folder / "dhcp6.log", **ipv6)
        access = WifiAccess("wifi", "wl-ue", TABLE, station, dhcp, more.pop("credentials", CREDENTIALS), **more)
    access.watch(told.put_nowait)
    await access_point.start()
    for own in ("10.1.0.1/24", "fd00:1::1/64"):
        await asyncio.to_thread(in_namespace, "ap1", "ip", "address", "replace", own, "dev", "wl-ap1", "nodad")
    try:
        yield Scene(access_point, access, dhcp, told)
    finally:
        await access.detach()
        access.close()
        await station.stop()
        await access_point.stop()
    assert leftovers() == ""


def leftovers() -> str:
    """Addresses, routes, rules and processes of the UE's namespace, but for a device's own IPv6 address."""
    found = in_namespace("ue", "ip", "-brief", "address", "show", "dev", "wl-ue", "scope", "global").split()[2:]
    for family in ("-4", "-6"):
        routes = in_namespace("ue", "ip", family, "route", "show", "table", "all", "type", "unicast").splitlines()
        found += [line for line in routes if not line.startswith("fe80::/64")]
        rules = in_namespace("ue", "ip", family, "rule").splitlines()
        found += [line for line in rules if f"lookup {TABLE}" in line]
    return "\n".join([*found, *LocalHost().run(["ip", "netns", "pids", "ue"]).split()])


@pytest.mark.parametrize("clock", ["real", pytest.param("simulated", marks=simulated)])
def test_attached_it_has_an_address_a_pcscf_and_a_way_of_its_own(rig: WifiRig, clock: str) -> None:
    async def play() -> None:
        async with scene(rig) as one, server(rig, replace(PLAN, first="10.1.0.10", last="10.1.0.10")):
            (own,) = await one.access.attach()
            assert own == AccessAddress(4, "10.1.0.10", 24, "10.1.0.1", "10.1.0.5")
            assert one.access.carrier
            assert one.dhcp.lease is not None
            assert one.dhcp.lease.dns == ("10.1.0.1",)
            ways = in_namespace("ue", "ip", "route", "show", "table", str(TABLE))
            assert ways.split() == ["default", "via", "10.1.0.1", "dev", "wl-ue", "proto", "static"]
            assert f"{TABLE}:\tfrom 10.1.0.10 lookup {TABLE}" in in_namespace("ue", "ip", "rule")
            await asyncio.to_thread(in_namespace, "ue", "busybox", "ping", "-c", "1", "-W", "2", "10.1.0.1")
            await one.access.detach()
            assert not one.access.carrier
            (again,) = await one.access.attach()
            assert again == own

    asyncio.run(play())


@simulated
def test_the_link_that_is_lost_and_comes_back_is_told_with_the_reason(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig) as one, server(rig, PLAN):
            await one.access.attach()
            await one.access_point.deauthenticate("02:00:5e:10:00:03")
            lost, back = await one.event(), await one.event()
            assert (lost.what, lost.detail) == ("carrier-lost", "it was sent away, reason 3, 02:00:5e:10:00:01")
            assert back.what == "carrier-back"
            await asyncio.to_thread(in_namespace, "ue", "busybox", "ping", "-c", "1", "-W", "2", "10.1.0.1")

    asyncio.run(play())


@simulated
def test_a_fading_signal_is_told_once_when_it_is_low_once_when_it_is_back_and_when_it_is_lost(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig, low_dbm=-75) as one, server(rig, PLAN):
            await one.access.attach()
            for there, back in ((range(0, 42, 2), range(40, -2, -2)), (range(0, 80, 2), ())):
                for db in (*there, *back):
                    await asyncio.to_thread(rig.lever().set_attenuation_db, db)
                    await asyncio.sleep(0.25)
            told = [await one.event() for _ in range(4)]
            assert [each.what for each in told] == ["signal-low", "signal-back", "signal-low", "carrier-lost"]
            assert -85 <= int(told[0].detail.split()[0]) <= -75  # an average lags behind a fade

    asyncio.run(play())


@simulated
def test_a_signal_that_is_low_from_the_beginning_is_told_too(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig, low_dbm=-75) as one, server(rig, PLAN):
            await asyncio.to_thread(rig.lever().set_attenuation_db, 42)
            await one.access.attach()
            assert (await one.event()).what == "signal-low"

    asyncio.run(play())


@simulated
def test_a_wpa_supplicant_that_is_killed_is_a_lost_link_and_the_next_attach_starts_another(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig) as one, server(rig, PLAN):
            (own,) = await one.access.attach()
            for pid in in_namespace("ue", "pidof", "wpa_supplicant").split():
                os.kill(int(pid), signal.SIGKILL)
            lost = await one.event()
            assert (lost.what, lost.detail) == ("carrier-lost", "wpa_supplicant has ended")
            assert await one.access.signal_dbm() is None
            assert await one.access.attach() == (own,)
            assert await one.access.signal_dbm() == -40

    asyncio.run(play())


@simulated
def test_nobody_who_answers_is_named_within_the_time_and_nothing_is_left(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig) as one:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(NoLease, match="nobody answered 4 requests within 4 s"):
                await one.access.attach()
            assert asyncio.get_running_loop().time() - begun < 8
            assert not one.access.carrier

    asyncio.run(play())


@simulated
def test_a_lease_without_a_pcscf_is_named_unless_one_is_configured(rig: WifiRig) -> None:
    async def play() -> None:
        async with server_and_scene(rig, replace(PLAN, pcscf=())) as one:
            with pytest.raises(NoPcscf, match=r"access wifi: DHCP gives no P-CSCF \(option 120\)"):
                await one.access.attach()
        async with server_and_scene(rig, replace(PLAN, pcscf=["pcscf.example"])) as one:
            with pytest.raises(NoPcscf, match=r"only names: pcscf\.example"):
                await one.access.attach()
        async with server_and_scene(rig, replace(PLAN, pcscf=()), pcscf="10.9.0.5") as one:
            (own,) = await one.access.attach()
            assert own.pcscf == "10.9.0.5"

    asyncio.run(play())


@simulated
def test_another_lease_is_told_as_a_loss_and_attaching_again_takes_it(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig, beacon_interval_tu=SELDOM_TU) as one:
            async with server(rig, replace(PLAN, last="10.1.0.10")):
                await one.access.attach()
            async with server(rig, replace(PLAN, first="10.1.0.50", last="10.1.0.50")):
                lost = await one.event(PLAN.lease_s + SEEN_S)
                assert (lost.what, one.access.carrier) == ("carrier-lost", False)
                assert "lease" in lost.detail or "10.1.0.50" in lost.detail
                (own,) = await one.access.attach()
                assert own.address == "10.1.0.50"

    asyncio.run(play())


@simulated
@pytest.mark.timeout(600)  # of simulated time
def test_a_server_that_is_gone_when_the_lease_ends_is_told(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig, beacon_interval_tu=SELDOM_TU) as one:
            async with server(rig, PLAN):
                await one.access.attach()
                await asyncio.sleep(1.25 * PLAN.lease_s)  # it is renewed
                assert one.access.carrier
            lost = await one.event(2 * PLAN.lease_s)
            assert (lost.what, lost.detail) == ("carrier-lost", "the lease is lost")

    asyncio.run(play())


@simulated
def test_with_ipv6_it_has_both_families_each_with_its_pcscf(rig: WifiRig) -> None:
    own = AccessAddress(6, "fd00:1::5eff:fe10:3", 64, "fe80::5eff:fe10:1", "fd00:9::5")
    plan = replace(PLAN, advertises=True, pcscf6=["fd00:9::5"])

    async def play() -> None:
        async with server_and_scene(rig, plan, ipv6={}) as one:
            await asyncio.sleep(2)  # the access point's own address is looked for by duplicate address detection
            for _ in range(2):
                assert [each.family for each in await one.access.attach()] == [4, 6]
                ways = in_namespace("ue", "ip", "-6", "route", "show", "table", str(TABLE))
                assert ways.startswith("default via fe80::5eff:fe10:1 dev wl-ue proto static")
                await asyncio.to_thread(in_namespace, "ue", "busybox", "ping", "-c", "1", "-W", "2", "fd00:1::1")
            assert (await one.access.attach())[1] == own
        async with server_and_scene(rig, replace(plan, pcscf6=()), ipv6={"pcscf": "fd00:9::6"}) as one:
            await asyncio.sleep(2)
            assert (await one.access.attach())[1] == replace(own, pcscf="fd00:9::6")

    asyncio.run(play())


@simulated
def test_no_router_and_no_pcscf_of_ipv6_are_named_within_the_time_and_nothing_is_left(rig: WifiRig) -> None:
    async def play() -> None:
        async with server_and_scene(rig, PLAN, ipv6={}) as one:
            with pytest.raises(NoLease, match="nobody advertises a router within 9 s"):
                await one.access.attach()
        async with server_and_scene(rig, replace(PLAN, advertises=True), ipv6={}) as one:
            await asyncio.sleep(2)
            with pytest.raises(NoPcscf, match=r"DHCPv6 gives no P-CSCF \(option 22\)"):
                await one.access.attach()

    asyncio.run(play())


@simulated
def test_who_does_not_get_in_has_no_lease_and_leaves_nothing(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig, credentials=replace(CREDENTIALS, passphrase="of importance")) as one:
            with pytest.raises(WrongPassphrase):
                await one.access.attach()

    asyncio.run(play())


@simulated
def test_a_server_that_cannot_start_is_named_with_its_words(rig: WifiRig) -> None:
    async def play() -> None:
        async with scene(rig):
            with pytest.raises(DaemonGone, match="unknown interface wl-none"):
                await DhcpServer(NamespaceHost("ap1"), "wl-none", PLAN, str(rig.folder)).start()

    asyncio.run(play())


@asynccontextmanager
async def server_and_scene(rig: WifiRig, plan: DhcpPlan, **more: Any) -> AsyncIterator[Scene]:
    async with scene(rig, **more) as one, server(rig, plan):
        yield one
