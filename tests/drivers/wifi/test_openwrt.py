"""What an OpenWrt access point is told, against a host that stands for one: no real machine is behind these tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from openwrt_host import BEFORE, OpenWrtHost

from drivers.protocols import AccessPoint, AssociatedStation
from drivers.wifi import openwrt
from drivers.wifi.configuration import ApConfiguration, Credentials, FastTransition
from drivers.wifi.errors import BadConfiguration, CommandRefused, DaemonGone

WPA2 = ApConfiguration(Credentials("the 'rig'", "wpa2-psk", "of no importance"), 6, "DE")
STATION, TARGET = "02:00:00:00:01:00", "02:00:00:00:02:00"
Scene = Callable[[openwrt.OpenWrtAccessPoint], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openwrt, "LOOK_S", 0.01)


def play(host: OpenWrtHost, scene: Scene, configuration: ApConfiguration = WPA2) -> None:
    async def run() -> None:
        access_point = openwrt.OpenWrtAccessPoint("ap1", host, "radio0", configuration)
        _: AccessPoint = access_point
        await access_point.start()
        await scene(access_point)

    asyncio.run(run())


async def nothing_more(_: openwrt.OpenWrtAccessPoint) -> None:
    """Started is enough."""


def test_its_network_is_configured_the_others_are_off_and_the_passphrase_is_in_no_argument() -> None:
    host = OpenWrtHost(looks=3)
    play(host, nothing_more)
    ours = {key.removeprefix("wireless.testbed."): value for key, value in host.options.items()}
    assert (ours["ssid"], ours["encryption"], ours["key"]) == ("the 'rig'", "psk2+ccmp", "of no importance")
    assert (ours["device"], ours["mode"], ours["network"], ours["ieee80211r"]) == ("radio0", "ap", "lan", "0")
    assert host.options["wireless.radio0.channel"] == "6"
    assert host.options["wireless.radio0.country"] == "DE"
    assert host.options["wireless.default_radio0.disabled"] == "1"
    assert ["wifi", "reload"] in host.given
    assert not [argv for argv in host.given if "importance" in " ".join(argv)]


def test_fast_transition_with_sae() -> None:
    host = OpenWrtHost()
    credentials = replace(WPA2.credentials, security="wpa3-sae")
    play(host, nothing_more, replace(WPA2, credentials=credentials, fast_transition=FastTransition("A1B2", "ab" * 32)))
    ours = {key.removeprefix("wireless.testbed."): value for key, value in host.options.items()}
    assert (ours["encryption"], ours["ieee80211w"]) == ("sae", "2")
    assert (ours["ieee80211r"], ours["mobility_domain"], ours["ft_psk_generate_local"]) == ("1", "a1b2", "0")
    assert ours["r0kh"].endswith("ab" * 32)


def test_stopped_it_has_the_configuration_that_it_had() -> None:
    host = OpenWrtHost()

    async def scene(access_point: openwrt.OpenWrtAccessPoint) -> None:
        await access_point.stop()

    play(host, scene)
    assert host.imported == BEFORE
    assert host.given[-2:] == [["uci", "commit", "wireless"], ["wifi", "reload"]]


def test_it_is_told_by_ubus() -> None:
    host = OpenWrtHost()

    async def scene(access_point: openwrt.OpenWrtAccessPoint) -> None:
        await access_point.deauthenticate(STATION, reason=5)
        await access_point.set_channel(11)
        await access_point.request_transition(STATION, TARGET, 1)

    play(host, scene)
    told = [(method, arguments) for thing, method, arguments in host.calls if thing == "hostapd.phy0-ap0"][1:]
    assert told == [
        ("del_client", {"addr": STATION, "reason": 5, "deauth": True, "ban_time": 0}),
        ("switch_chan", {"freq": 2462, "bcn_count": 5}),
        (
            "bss_transition_request",
            {
                "addr": STATION,
                "disassociation_imminent": False,
                "disassociation_timer": 0,
                "validity_period": 255,
                "neighbors": ["020000000200" + "00000000" + "51" + "01" + "07"],
                "abridged": True,
            },
        ),
    ]


def test_its_stations_with_their_signal() -> None:
    host = OpenWrtHost()
    host.clients = {STATION: {"authorized": True, "signal": -61}}

    async def scene(access_point: openwrt.OpenWrtAccessPoint) -> None:
        assert await access_point.stations() == [AssociatedStation(STATION, -61, True, None, None)]
        assert await access_point.channel() == 6

    play(host, scene)


def test_its_power() -> None:
    async def scene(access_point: openwrt.OpenWrtAccessPoint) -> None:
        access_point.set_power_dbm(7)
        assert access_point.power_dbm() == 7

    play(OpenWrtHost(), scene)


def test_one_that_sends_nothing_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openwrt, "READY_S", 0.05)
    with pytest.raises(DaemonGone, match=r"ap1 \(radio0 on root@openwrt\): no beacon within 0\.05 s"):
        play(OpenWrtHost(status="DFS"), nothing_more)


def test_a_radio_that_is_none_is_named_with_those_that_are() -> None:
    async def run() -> None:
        await openwrt.OpenWrtAccessPoint("ap1", OpenWrtHost(), "radio7", WPA2).start()

    with pytest.raises(BadConfiguration, match=r"there is no radio7\n  mend: there are radio0"):
        asyncio.run(run())


def test_what_is_told_to_one_that_is_switched_off_is_refused() -> None:
    async def scene(access_point: openwrt.OpenWrtAccessPoint) -> None:
        await access_point.disable()
        with pytest.raises(DaemonGone, match="sends nothing"):
            await access_point.deauthenticate(STATION)
        with pytest.raises(CommandRefused, match=r"no\.such refuses thing: Command failed: Not found"):
            await access_point._ubus("no.such", "thing")

    play(OpenWrtHost(), scene)
