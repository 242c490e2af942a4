"""`testbed wifi`: what iw and the kernel print is read, programs are asked, and what is missing is a sentence."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fake_daemon import FakeDaemon

from drivers.errors import TestbedError
from drivers.wifi import events
from drivers.wifi.errors import DaemonGone
from drivers.wifi.reports import Bss
from testbed.cli import wifi_iw, wifi_radios, wifi_scan, wifi_sockets, wifi_stations, wifi_watch
from testbed.cli.main import cli
from testbed.cli.wifi_list import as_record
from testbed.cli.wifi_networks import channel_of, from_bss
from testbed.cli.wifi_radios import Radio, chosen
from testbed.cli.wifi_sockets import ControlSocket, attached, control_sockets, named_sockets
from testbed.cli.wifi_words import said
from testbed.dashboard.wifi import Reading, View

AP, OTHER, UE = "02:00:5e:10:00:01", "02:00:5e:10:00:02", "02:00:5e:10:00:03"
IW_DEV = """phy#4
\tUnnamed/non-netdev interface
\t\twdev 0x400000002
\t\taddr 02:00:5e:10:00:04
\t\ttype P2P-device
\tInterface wl-ue
\t\tifindex 10
\t\twdev 0x400000001
\t\taddr 02:00:5e:10:00:03
\t\ttype managed
\t\tchannel 1 (2412 MHz), width: 20 MHz, center1: 2412 MHz
\t\ttxpower 20.00 dBm
\t\tmulticast TXQ:
\t\t\tqsz-byt\tqsz-pkt\tflows
\t\t\t0\t0\t0
phy#2
\tInterface wl-ap1
\t\taddr 02:00:5e:10:00:01
\t\tssid caf\\xc3\\xa9 rig
\t\ttype AP
"""
IW_LINK = """Connected to 02:00:5e:10:00:01 (on wl-ue)
\tSSID: rig
\tfreq: 2412
\tRX: 530 bytes (6 packets)
\tsignal: -40 dBm
\ttx bitrate: 1.0 MBit/s
"""
IW_SCAN = """BSS 02:00:5e:10:00:01(on wl-ue) -- associated
\tfreq: 2412
\tcapability: ESS Privacy ShortSlotTime RadioMeasure (0x1411)
\tsignal: -61.00 dBm
\tSSID: rig
\tRSN:\t * Version: 1
\t\t * Authentication suites: PSK FT/PSK
BSS 02:00:5e:10:00:02(on wl-ue)
\tfreq: 5180
\tcapability: ESS (0x0401)
\tsignal: -40.00 dBm
\tSSID:\x20
"""
STATIONS = {
    "STA-FIRST": f"{UE}\nflags=[AUTH][ASSOC][AUTHORIZED]\nsignal=-43\nconnected_time=30\ninactive_msec=1200\n",
    f"STA-NEXT {UE}": f"{OTHER}\nflags=[AUTH][ASSOC]\n",
    f"STA-NEXT {OTHER}": "FAIL\n",
}
SCANNED = "bssid / frequency / signal level / flags / ssid\n" + f"{AP}\t2412\t-61\t[WPA2-PSK-CCMP][ESS]\trig\n"
Scene = Callable[[FakeDaemon, ControlSocket], Awaitable[Any]]


def wifi(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["wifi", *arguments])


def with_daemon(folder: Path, answer: Callable[[str], str | None], scene: Scene) -> Any:
    async def run() -> Any:
        daemon = FakeDaemon(folder / "wl", answer)
        try:
            return await asyncio.wait_for(scene(daemon, ControlSocket(str(daemon.path), "hostapd")), 30)
        finally:
            daemon.close()

    return asyncio.run(run())


def test_devices_are_read_with_their_radio_and_those_without_a_network_device_are_left_out() -> None:
    station, point = wifi_iw.devices(IW_DEV)
    assert (station.phy, station.name, station.mode, station.frequency_mhz) == (4, "wl-ue", "managed", 2412)
    assert (station.address, station.power_dbm, station.ssid) == (UE, 20.0, None)
    assert (point.phy, point.name, point.mode, point.ssid, point.power_dbm) == (2, "wl-ap1", "AP", "café rig", None)
    assert wifi_iw.devices("") == []


def test_a_link_is_read_or_there_is_none() -> None:
    assert wifi_iw.link(IW_LINK) == wifi_iw.Link(AP, "rig", 2412, -40)
    assert wifi_iw.link("Not connected.\n") is None


def test_a_scan_by_iw_is_the_strongest_first_with_its_security() -> None:
    hidden, rig = wifi_iw.scan(IW_SCAN)
    assert (hidden.bssid, hidden.ssid, hidden.signal_dbm, hidden.security) == (OTHER, "", -40, "open")
    assert (rig.ssid, rig.signal_dbm, rig.security, rig.fast_transition) == ("rig", -61, "wpa2-psk", True)
    assert hidden.as_record()["channel"] == 36


@pytest.mark.parametrize(
    ("flags", "security"),
    [
        (("WPA2-PSK-CCMP", "ESS"), "wpa2-psk"),
        (("WPA-PSK-TKIP", "WPA2-PSK-CCMP", "ESS"), "wpa2-psk"),
        (("WPA-PSK-TKIP", "ESS"), "wpa-psk"),
        (("WPA2-SAE-CCMP", "SAE-H2E", "ESS"), "wpa3-sae"),
        (("WPA2-PSK+SAE-CCMP", "ESS"), "wpa2-wpa3"),
        (("WPA2-EAP-CCMP", "ESS"), "enterprise"),
        (("WPA2-OWE-CCMP", "ESS"), "owe"),
        (("WEP", "ESS"), "wep"),
        (("ESS",), "open"),
    ],
)
def test_the_flags_of_wpa_supplicant_say_the_security(flags: tuple[str, ...], security: str) -> None:
    assert from_bss(Bss(AP, "rig", 2412, -40, flags)).security == security


@pytest.mark.parametrize(
    ("frequency_mhz", "channel"), [(2412, 1), (2472, 13), (2484, 14), (5180, 36), (5955, 1), (2413, None), (0, None)]
)
def test_a_frequency_is_a_channels_or_nobodys(frequency_mhz: int, channel: int | None) -> None:
    assert channel_of(frequency_mhz) == channel


def test_events_are_words_with_units() -> None:
    assert said(events.Disconnected(AP, 3, True)) == ("disconnected", f"{AP}  reason 3  by itself")
    assert said(events.SignalChange(False, -72, None)) == ("signal-change", "signal -72 dBm")
    assert said(events.ChannelChanged(2437)) == ("channel-changed", "frequency 2437 MHz")
    assert said(events.Other("CTRL-EVENT-REGDOM-CHANGE init=CORE")) == ("CTRL-EVENT-REGDOM-CHANGE", "init=CORE")
    assert said(events.Other("Trying to associate")) == ("note", "Trying to associate")


def test_control_sockets_are_found_by_the_devices_name_and_their_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wifi_sockets, "KNOWN", (Path("/proc/self/comm").read_text().strip(),))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "wl-test"))
        [found] = control_sockets("wl-test")
        assert (found.path, found.pid) == (str(tmp_path / "wl-test"), os.getpid())
        assert control_sockets("wl-tes") == []
    listed = "Num RefCount\n0: 00000002 00000000 00000000 0001 01 77 /run/wpa_supplicant/wlan0\n"  # a stream
    assert named_sockets(listed, "wlan0") == []
    assert str(ControlSocket("/run/x/wlan0")) == "a program of another user"


def test_stations_are_asked_for_one_after_the_other(tmp_path: Path) -> None:
    async def scene(_: FakeDaemon, control: ControlSocket) -> Any:
        async with attached(control, "wl") as opened:
            return await wifi_stations.associated(opened)

    first, second = with_daemon(tmp_path, STATIONS.get, scene)
    assert wifi_stations.said(first) == f"{UE}  -43 dBm  for 30 s  idle 1.2 s"
    assert wifi_stations.said(second) == f"{OTHER}  signal unknown  not authorized"


def test_a_scan_by_its_program_waits_for_the_end_of_it(tmp_path: Path) -> None:
    asked: list[FakeDaemon] = []

    def answer(command: str) -> str:
        if command == "SCAN":
            asyncio.get_running_loop().call_later(0.01, asked[0].tell, "CTRL-EVENT-SCAN-RESULTS ")
            return "FAIL-BUSY\n"  # somebody else has begun one: it will do
        return SCANNED

    async def scene(daemon: FakeDaemon, control: ControlSocket) -> Any:
        asked.append(daemon)
        return await wifi_scan._by_program(control, "wl")

    [found] = with_daemon(tmp_path, answer, scene)
    assert (found.ssid, found.signal_dbm, found.security) == ("rig", -61, "wpa2-psk")


class Heard(View):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.events: list[tuple[str, str]] = []
        self.news = asyncio.Event()

    def reading(self, reading: Reading) -> None:
        self.readings.append(reading)
        self.news.set()

    def event(self, what: str, detail: str = "") -> None:
        self.events.append((what, detail))


def answer_as_station(command: str) -> str:
    if command == "STATUS":
        return f"bssid={AP}\nfreq=2412\nssid=rig\nkey_mgmt=SAE\nwpa_state=COMPLETED\naddress={UE}\n"
    return "RSSI=-57\nLINKSPEED=54\nNOISE=9999\nFREQUENCY=2412\n" if command == "SIGNAL_POLL" else "OK\n"


def test_watch_reads_anew_at_an_event_and_ends_with_its_program(tmp_path: Path) -> None:
    silent: list[bool] = []

    async def scene(daemon: FakeDaemon, control: ControlSocket) -> Heard:
        view = Heard()
        watcher = wifi_watch._Watcher("wl", 60.0, view)
        following = asyncio.create_task(watcher.follow(control))
        await view.news.wait()
        view.news.clear()
        daemon.tell("CTRL-EVENT-BEACON-LOSS ")
        await view.news.wait()
        silent.append(True)
        daemon.tell("CTRL-EVENT-SCAN-STARTED ")
        while daemon.commands[-1] != "STATUS" or len(daemon.commands) < 5:
            await asyncio.sleep(0)
        daemon.tell("CTRL-EVENT-TERMINATING ")  # while it is asked, and answers no more
        with pytest.raises(DaemonGone, match="it has ended"):
            await following
        return view

    view = with_daemon(tmp_path, lambda command: None if silent else answer_as_station(command), scene)
    first = view.readings[0]
    assert (first.role, first.state, first.ssid) == ("station", "COMPLETED", "rig")
    assert (first.channel, first.security) == (1, "SAE")
    assert first.signal and first.signal.rssi_dbm == -57
    assert [what for what, _ in view.events] == ["beacon-loss", "scan-started", "terminating"]


def test_watch_of_an_access_point_shows_its_stations(tmp_path: Path) -> None:
    status = f"state=ENABLED\nchannel=6\nfreq=2437\nbssid[0]={AP}\nssid[0]=rig\nnum_sta[0]=2\n"

    async def scene(_: FakeDaemon, control: ControlSocket) -> Any:
        async with attached(control, "wl") as opened:
            return await wifi_watch.read(opened, "wl")

    found = with_daemon(tmp_path, {**STATIONS, "STATUS": status}.get, scene)
    assert (found.role, found.state, found.ssid, found.channel) == ("access point", "ENABLED", "rig", 6)
    assert [one.address for one in found.stations] == [UE, OTHER]


def test_a_machine_without_a_radio_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wifi_radios, "PHYS", tmp_path)
    assert wifi("list").output.startswith("there is no Wi-Fi radio here\n  mend: plug one in")
    assert json.loads(wifi("list", "--json").output) == {"radios": []}
    for verb in ("scan", "stations", "watch"):
        failed = wifi(verb).exception
        assert isinstance(failed, TestbedError) and failed.exit_code == 3, verb
        assert failed.what == "there is no Wi-Fi radio here" and failed.mend, verb


STATION = Radio("phy0", "wlan0", "managed", up=True)
POINT = Radio("phy1", "wlan1", "AP", up=True, frequency_mhz=2437, ssid="rig")


@pytest.mark.parametrize(
    ("there", "arguments", "words"),
    [
        ([STATION], ["stations"], "no radio here is an access point; there are wlan0 (managed)"),
        ([POINT], ["scan"], "no radio here is a station; there are wlan1 (AP)"),
        ([POINT], ["scan", "wlan1"], "is an access point, which does not scan"),
        ([POINT], ["stations"], "no program with a control socket runs it"),
        ([STATION], ["stations", "wlan0"], "is no access point (its mode is managed)"),
        ([STATION], ["watch"], "no program controls it"),
        ([STATION], ["scan", "wlan7"], "is no device of a radio here"),
        ([STATION, Radio("phy2", "wlan2", "managed")], ["scan"], "more than one radio here is a station"),
        ([Radio("phy0", "wlan0", "managed", blocked="software")], ["scan"], "is blocked by rfkill (software)"),
    ],
)
def test_what_cannot_be_is_a_sentence_with_a_mend(
    monkeypatch: pytest.MonkeyPatch, there: list[Radio], arguments: list[str], words: str
) -> None:
    monkeypatch.setattr(wifi_radios, "radios", lambda: there)
    monkeypatch.setattr(wifi_watch, "radios", lambda: there)
    failed = wifi(*arguments).exception
    assert isinstance(failed, TestbedError), failed
    assert failed.what == words and failed.mend


def test_states_are_words_and_json_has_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert STATION.state == "not associated"
    assert POINT.state == "on air" and as_record(POINT)["channel"] == 6
    assert Radio("phy0", "wlan0", "AP", up=True).state == "silent"
    assert Radio("phy0", "wlan0", "managed").state == "down"
    monkeypatch.setattr(wifi_radios, "radios", lambda: [STATION, POINT])
    assert chosen(None, "AP") == POINT and chosen("wlan0", "AP") == STATION
