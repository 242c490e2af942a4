"""Real hostapd and wpa_supplicant on virtual radios, with our medium between them, in the rig kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wifi_rig import CREDENTIALS, MACS, WifiRig, missing, rcdat_on, rssi_dbm, wifi_rig, wired_side, within

from drivers.errors import DriverError
from drivers.host import netns
from drivers.host.local import LocalHost, NamespaceHost
from drivers.rf import player
from drivers.rf.attenuator import MiniCircuitsAttenuator
from drivers.rf.fade import Ramp
from drivers.rf.limits import Limits
from drivers.rf.wires import HttpWire
from drivers.virtual import radios
from drivers.virtual.hwsim import radio_address
from drivers.wifi import events
from drivers.wifi.access_point import HostapdAccessPoint
from drivers.wifi.configuration import FastTransition
from drivers.wifi.control_cli import CliControl
from drivers.wifi.errors import (
    BadConfiguration,
    ChannelNotAllowed,
    CommandRefused,
    DaemonGone,
    NoSuchNetwork,
    RadioBlocked,
    WrongPassphrase,
)
from drivers.wifi.station import Station

pytestmark = [pytest.mark.rig, pytest.mark.simulated]
SEEN_S = 5.0  # of simulated time
BEACONS_S = 0.5  # a few of them
Scene = Callable[[WifiRig], Awaitable[None]]
WPA3 = replace(CREDENTIALS, security="wpa3-sae")


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


@asynccontextmanager
async def on_air(rig: WifiRig, name: str = "ap1", **more: Any) -> AsyncIterator[HostapdAccessPoint]:
    access_point = rig.access_point(name, **more)
    await access_point.start()
    try:
        yield access_point
    finally:
        await access_point.stop()


@asynccontextmanager
async def station(
    rig: WifiRig, channels: Sequence[int] = (1, 6)
) -> AsyncIterator[tuple[Station, asyncio.Queue[events.Event]]]:
    """A station, and what happens to it."""
    one, told = rig.station(channels), asyncio.Queue[events.Event]()
    one.watch(told.put_nowait)
    await one.start()
    try:
        yield one, told
    finally:
        await one.stop()


def test_a_radio_whose_namespace_is_gone_is_removed_too(rig: WifiRig) -> None:
    with netns.making("gone", "test"):
        pass
    radios.make("radio9", radio_address(9), "gone", "wl-radio9")
    with pytest.raises(DriverError, match="virtual radio radio9: exists already"):
        radios.make("radio9", radio_address(10), "gone", "wl-other")
    there = sorted(radios.PHYS.iterdir())
    netns.remove("gone", "test")
    assert radios.remove("radio9", "gone")
    assert not radios.remove("radio9", "gone")
    assert sorted(radios.PHYS.iterdir()) == there


async def attenuations_move_the_signal(set_db: Callable[[float], float]) -> None:
    set_db(0)
    await asyncio.sleep(BEACONS_S)
    at_0_db = await asyncio.to_thread(rssi_dbm)
    for db in (3, 10, 25.5, 40, 0):
        await asyncio.to_thread(set_db, db)
        await asyncio.sleep(BEACONS_S)
        assert await asyncio.to_thread(rssi_dbm) == pytest.approx(at_0_db - db, abs=1)


def test_what_an_attenuation_takes_away_is_missing_in_the_ues_signal(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig), station(rig) as (ue, _):
            await ue.connect(CREDENTIALS)
            await attenuations_move_the_signal(rig.lever().set_attenuation_db)
            assert (await ue.signal()).rssi_dbm == -40

    asyncio.run(scene())


def test_an_rcdat_turned_by_its_driver_moves_the_ues_signal(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig), station(rig) as (ue, _):
            await ue.connect(CREDENTIALS)
            with rcdat_on(rig.folder / "moves") as port:
                attenuator = await asyncio.to_thread(MiniCircuitsAttenuator, HttpWire("127.0.0.1", port))
                await attenuations_move_the_signal(attenuator.set_attenuation_db)

    LocalHost().run(["ip", "link", "set", "dev", "lo", "up"])
    asyncio.run(scene())


def test_a_fade_of_one_access_point_loses_it_and_not_the_other(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig), on_air(rig, "ap2"), station(rig) as (ue, told):
            await ue.connect(CREDENTIALS, bssid=MACS["ap1"])
            plan = player.steps(Ramp(to_db=75, duration_s=5), Limits(0, 120, 0.25), 20)
            played = await asyncio.to_thread(player.play, plan, rig.lever())
            lost = await within(SEEN_S, told, events.Disconnected)
            assert lost.bssid == MACS["ap1"]
            assert played[-1].db == 75
            heard = await ue.scan()
            assert [bss.bssid for bss in heard if bss.signal_dbm > -90] == [MACS["ap2"]]

    asyncio.run(scene())


def test_an_access_point_that_falls_silent_is_lost_and_found_again(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig), station(rig) as (ue, told):
            await ue.connect(CREDENTIALS)
            await asyncio.to_thread(rig.medium.order, "mute", radio="ap1", on=True)
            begun = asyncio.get_running_loop().time()
            await within(SEEN_S, told, events.BeaconLoss)
            await within(SEEN_S, told, events.Disconnected)
            assert asyncio.get_running_loop().time() - begun < SEEN_S
            await asyncio.to_thread(rig.medium.order, "mute", radio="ap1", on=False)
            await within(SEEN_S, told, events.Connected)

    asyncio.run(scene())


def test_a_station_that_is_sent_away_is_told_why_and_comes_back(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig) as access_point, station(rig) as (ue, told):
            heard = asyncio.Queue[events.Event]()
            access_point.watch(heard.put_nowait)
            await ue.connect(CREDENTIALS)
            assert (await within(SEEN_S, heard, events.StationConnected)).station == MACS["ue"]
            (associated,) = await access_point.stations()
            assert (associated.address, associated.signal_dbm, associated.authorized) == (MACS["ue"], -40, True)
            await access_point.deauthenticate(MACS["ue"], reason=5)
            assert await within(SEEN_S, told, events.Disconnected) == events.Disconnected(MACS["ap1"], 5, False)
            await within(SEEN_S, told, events.Connected)
            await access_point.disable()
            await within(SEEN_S, told, events.Disconnected)
            assert list(await access_point.stations()) == []
            await access_point.enable()
            await within(SEEN_S, told, events.Connected)

    asyncio.run(scene())


@pytest.mark.parametrize("security", ["wpa2-psk", "wpa3-sae", "wpa2-wpa3"])
def test_the_wrong_passphrase_is_named_and_the_right_one_serves(rig: WifiRig, security: Any) -> None:
    right = replace(CREDENTIALS, security=security)

    async def scene() -> None:
        async with on_air(rig, credentials=right), station(rig) as (ue, _):
            with pytest.raises(WrongPassphrase, match="network 'rig' does not take the passphrase") as raised:
                await ue.connect(replace(right, passphrase="of importance"), timeout_s=10)
            assert "importance" not in str(raised.value)
            await ue.connect(right)
            assert (await ue.status()).associated

    asyncio.run(scene())


def test_a_network_that_is_not_there_is_named_with_those_that_are(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig), station(rig) as (ue, _):
            with pytest.raises(NoSuchNetwork, match=r"no network 'other' is heard; there are: 'rig'"):
                await ue.connect(replace(CREDENTIALS, ssid="other"), timeout_s=5)
            with pytest.raises(NoSuchNetwork, match=r"is there, but not with wpa3-sae \(it has WPA2-PSK-CCMP ESS\)"):
                await ue.connect(WPA3, timeout_s=5)

    asyncio.run(scene())


def test_a_radio_that_is_blocked_is_named_and_serves_again_when_it_is_not(rig: WifiRig) -> None:
    host = LocalHost()

    async def scene() -> None:
        async with station(rig) as (ue, _):
            await asyncio.to_thread(host.run, ["rfkill", "block", "wifi"])
            try:
                with pytest.raises(RadioBlocked):
                    await ue.connect(CREDENTIALS)
                with pytest.raises(RadioBlocked):
                    await ue.scan()
                with pytest.raises(RadioBlocked):
                    await rig.access_point().start()
            finally:
                await asyncio.to_thread(host.run, ["rfkill", "unblock", "wifi"])
            async with on_air(rig):
                await ue.connect(CREDENTIALS)

    asyncio.run(scene())


def test_daemons_that_are_killed_are_told_and_named(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig) as access_point, station(rig) as (ue, told):
            heard = asyncio.Queue[events.Event]()
            access_point.watch(heard.put_nowait)
            await ue.connect(CREDENTIALS)
            for namespace in ("ue", "ap1"):
                pids = await asyncio.to_thread(LocalHost().run, ["ip", "netns", "pids", namespace])
                await asyncio.to_thread(LocalHost().run, ["kill", "-KILL", *pids.split()])
            await within(SEEN_S, told, events.Terminating)
            await within(SEEN_S, heard, events.Terminating)
            with pytest.raises(DaemonGone):
                await ue.scan()
            with pytest.raises(DaemonGone):
                await access_point.status()

    asyncio.run(scene())


def test_a_fast_transition_and_one_that_the_access_point_asks_for(rig: WifiRig) -> None:
    domain = FastTransition("a1b2")

    async def scene() -> None:
        async with (
            on_air(rig, fast_transition=domain),
            on_air(rig, "ap2", fast_transition=domain) as other,
            station(rig) as (ue, told),
        ):
            await ue.connect(CREDENTIALS, bssid=MACS["ap1"])
            await ue.scan()
            await ue.roam(MACS["ap2"])
            assert (await ue.status()).bssid == MACS["ap2"]
            assert (await ue.status()).key_management == "FT-PSK"
            heard = asyncio.Queue[events.Event]()
            other.watch(heard.put_nowait)
            await other.request_transition(MACS["ue"], MACS["ap1"], 1)
            answer = await within(SEEN_S, heard, events.TransitionAnswered)
            assert answer == events.TransitionAnswered(MACS["ue"], 0, MACS["ap1"])
            while (await within(SEEN_S, told, events.Connected)).bssid != MACS["ap1"]:
                pass

    asyncio.run(scene())


def test_a_fast_transition_with_sae_fetches_its_key_over_the_wired_side(rig: WifiRig) -> None:
    domain = {"fast_transition": FastTransition("a1b2", "0123456789abcdef" * 4), "credentials": WPA3}

    async def scene(bridge: str) -> None:
        async with (
            on_air(rig, bridge=bridge, **domain),
            on_air(rig, "ap2", bridge=bridge, **domain),
            station(rig) as (ue, _),
        ):
            await ue.connect(WPA3, bssid=MACS["ap1"])
            await ue.scan()
            await asyncio.sleep(3)  # hostapd drops what the other one says in its first second
            for name in ("ap2", "ap1"):
                await ue.roam(MACS[name])
                status = await ue.status()
                assert (status.bssid, status.key_management) == (MACS[name], "FT-SAE")

    with wired_side() as bridge:
        asyncio.run(scene(bridge))


def test_channels_change_where_the_radio_may_and_are_refused_where_not(rig: WifiRig) -> None:
    async def scene() -> None:
        with pytest.raises(ChannelNotAllowed, match=r"cannot use channel 13: .* not"):
            await rig.access_point(channel=13).start()
        async with on_air(rig) as access_point, station(rig) as (ue, told):
            await ue.connect(CREDENTIALS)
            with pytest.raises(ChannelNotAllowed, match="cannot go to channel 13"):
                await access_point.set_channel(13)
            with pytest.raises(BadConfiguration, match="stays in its band"):
                await access_point.set_channel(36)
            heard = asyncio.Queue[events.Event]()
            access_point.watch(heard.put_nowait)
            await access_point.set_channel(6)
            assert (await within(SEEN_S, heard, events.ChannelChanged)).frequency_mhz == 2437
            assert await access_point.channel() == 6
            assert (await within(SEEN_S, told, events.ChannelChanged)).frequency_mhz == 2437

    asyncio.run(scene())


def test_an_access_point_at_5_ghz(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig, channel=36) as access_point, station(rig, [36]) as (ue, _):
            await ue.connect(CREDENTIALS)
            assert (await ue.status()).frequency_mhz == 5180
            await attenuations_move_the_signal(rig.lever().set_attenuation_db)
            assert await access_point.channel() == 36

    asyncio.run(scene())


def test_power_is_set_and_read_back(rig: WifiRig) -> None:
    async def scene() -> None:
        async with on_air(rig) as access_point:
            lever = await asyncio.to_thread(access_point.power_attenuator)
            assert await asyncio.to_thread(lever.set_attenuation_db, 13) == 13
            assert await asyncio.to_thread(access_point.power_dbm) == 7
            assert await asyncio.to_thread(lever.attenuation_db) == 13
            await asyncio.to_thread(lever.set_attenuation_db, 0)

    asyncio.run(scene())


def test_hostapd_on_another_machine_is_told_through_its_own_client(rig: WifiRig, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on_air(rig) as access_point:
            folder = str(rig.folder / "ap1" / "hostapd")
            control = CliControl("hostapd_cli", NamespaceHost("ap1"), folder, "wl-ap1", "ap1 by its client")
            told = asyncio.Queue[str]()
            control.watch(told.put_nowait)
            await control.open()
            assert "state=ENABLED" in await control.request("STATUS")
            with pytest.raises(CommandRefused, match="'UNKNOWN COMMAND' to NONSENSE"):
                await control.order("NONSENSE")
            await asyncio.sleep(1)
            await control.order("DISABLE")
            assert await asyncio.wait_for(told.get(), SEEN_S) == "AP-DISABLED"
            control.close()
            await control.closed()
            await access_point.stop()
            with pytest.raises(DaemonGone, match="ap1 by its client: is not there to take STATUS"):
                await control.request("STATUS")

    asyncio.run(scene())
