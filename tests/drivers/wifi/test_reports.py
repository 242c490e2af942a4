"""Answers and events of hostapd and wpa_supplicant 2.10, as they wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wifi import events, reports
from drivers.wifi.errors import Unreadable
from drivers.wifi.text import unescaped

AP = "02:00:00:00:00:00"
STATION = """bssid=02:00:00:00:00:00
freq=2412
ssid=caf\\xc3\\xa9 \\"5\\"
id=0
mode=station
wifi_generation=4
pairwise_cipher=CCMP
group_cipher=CCMP
key_mgmt=WPA2-PSK
wpa_state=COMPLETED
address=02:00:00:00:01:00
uuid=9f8a3a56-0e8a-5f6f-8f4b-8bb3d3e7a7e0
"""
ACCESS_POINT = """state=ENABLED
phy=phy0
freq=2437
num_sta_non_erp=0
channel=6
edmg_enable=0
bss[0]=wlan0
bssid[0]=02:00:00:00:00:00
ssid[0]=rig
num_sta[0]=2
"""
SCAN = """bssid / frequency / signal level / flags / ssid
02:00:00:00:00:00\t2412\t-71\t[WPA2-PSK-CCMP][ESS]\trig
02:00:00:00:02:00\t5180\t-40\t[WPA2-SAE-CCMP][ESS]\t
02:00:00:00:03:00\t24
"""
SIGNAL = """RSSI=-50
LINKSPEED=54
NOISE=9999
FREQUENCY=2412
WIDTH=20 MHz (no HT)
AVG_RSSI=-49
AVG_BEACON_RSSI=-48
"""
ASSOCIATED = """02:00:00:00:01:00
flags=[AUTH][ASSOC][AUTHORIZED][SHORT_PREAMBLE][WMM]
aid=1
rx_packets=10
inactive_msec=120
signal=-52
connected_time=7
"""


def test_a_stations_status() -> None:
    status = reports.station_status(STATION)
    assert status == reports.StationStatus("COMPLETED", "02:00:00:00:01:00", AP, 'café "5"', 2412, "WPA2-PSK")
    assert status.associated
    alone = reports.station_status("wpa_state=SCANNING\naddress=02:00:00:00:01:00\n")
    assert not alone.associated
    assert alone.bssid is None


def test_an_access_points_status() -> None:
    assert reports.ap_status(ACCESS_POINT) == reports.ApStatus("ENABLED", 6, 2437, AP, "rig", 2)


def test_scan_results_come_with_the_strongest_first_and_without_what_was_cut_off() -> None:
    assert reports.scan_results(SCAN) == [
        reports.Bss("02:00:00:00:02:00", "", 5180, -40, ("WPA2-SAE-CCMP", "ESS")),
        reports.Bss(AP, "rig", 2412, -71, ("WPA2-PSK-CCMP", "ESS")),
    ]


def test_the_signal_of_a_link() -> None:
    assert reports.link_signal(SIGNAL) == reports.LinkSignal(-50, -48, None, 2412, 54)


def test_a_station_of_an_access_point() -> None:
    expected = reports.AssociatedStation("02:00:00:00:01:00", -52, True, 7, 120)
    assert reports.associated_station(ASSOCIATED) == expected


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (f"<3>CTRL-EVENT-CONNECTED - Connection to {AP} completed [id=0 id_str=]", events.Connected(AP)),
        (f"<3>CTRL-EVENT-DISCONNECTED bssid={AP} reason=3 locally_generated=1", events.Disconnected(AP, 3, True)),
        (f"<3>CTRL-EVENT-DISCONNECTED bssid={AP} reason=2", events.Disconnected(AP, 2, False)),
        (
            "<3>CTRL-EVENT-SIGNAL-CHANGE above=0 signal=-83 noise=9999 txrate=1000",
            events.SignalChange(False, -83, None),
        ),
        ("<3>CTRL-EVENT-BEACON-LOSS ", events.BeaconLoss()),
        ("IFNAME=wlan1 <2>CTRL-EVENT-SCAN-STARTED ", events.ScanStarted()),
        ("<3>CTRL-EVENT-SCAN-RESULTS ", events.ScanResults()),
        ("<3>CTRL-EVENT-SCAN-FAILED ret=-16 retry=1", events.ScanFailed(-16)),
        ("<3>CTRL-EVENT-NETWORK-NOT-FOUND ", events.NetworkNotFound()),
        (
            '<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="a b=\\"c\\"" auth_failures=1 duration=10 reason=WRONG_KEY',
            events.TemporarilyDisabled(0, 'a b="c"', 1, 10, "WRONG_KEY"),
        ),
        ('<3>CTRL-EVENT-SSID-REENABLED id=0 ssid="rig"', events.Reenabled(0)),
        (f"<3>CTRL-EVENT-ASSOC-REJECT bssid={AP} status_code=17", events.AssociationRejected(AP, 17)),
        ("<3>CTRL-EVENT-ASSOC-REJECT status_code=1", events.AssociationRejected(None, 1)),
        (
            f"<3>CTRL-EVENT-AUTH-REJECT {AP} auth_type=3 auth_transaction=2 status_code=15",
            events.AuthenticationRejected(AP, 15, True),
        ),
        (
            f"<3>CTRL-EVENT-AUTH-REJECT {AP} auth_type=0 auth_transaction=2 status_code=17",
            events.AuthenticationRejected(AP, 17, False),
        ),
        ("<3>CTRL-EVENT-TERMINATING ", events.Terminating()),
        ("<3>AP-STA-CONNECTED 02:00:00:00:01:00", events.StationConnected("02:00:00:00:01:00")),
        ("<3>AP-STA-DISCONNECTED 02:00:00:00:01:00", events.StationDisconnected("02:00:00:00:01:00")),
        ("<3>AP-ENABLED ", events.ApEnabled()),
        ("<3>AP-DISABLED ", events.ApDisabled()),
        ("<3>AP-CSA-FINISHED freq=2462 dfs=0", events.ChannelChanged(2462)),
        (
            f"<3>BSS-TM-RESP 02:00:00:00:01:00 status_code=0 bss_termination_delay=0 target_bssid={AP}",
            events.TransitionAnswered("02:00:00:00:01:00", 0, AP),
        ),
        ("<3>WPA: 4-Way Handshake failed", events.Other("WPA: 4-Way Handshake failed")),
    ],
)
def test_an_event(text: str, event: events.Event) -> None:
    assert events.is_event(text)
    assert events.parse(text) == event


@pytest.mark.parametrize(
    "text",
    [
        "<3>CTRL-EVENT-CONNECTED - nothing",
        "<3>CTRL-EVENT-DISCONNECTED bssid=here reason=3",
        f"<3>CTRL-EVENT-DISCONNECTED bssid={AP} reason=three",
        "<3>CTRL-EVENT-SIGNAL-CHANGE above=1",
        "<3>AP-STA-CONNECTED",
        '<3>CTRL-EVENT-SSID-TEMP-DISABLED ssid="rig"',
    ],
)
def test_an_event_that_lacks_what_it_is_about(text: str) -> None:
    with pytest.raises(Unreadable):
        events.parse(text)


@given(st.sampled_from(sorted(events._EVENTS)), st.text())
def test_whatever_follows_an_events_name_is_read_or_called_unreadable(name: str, rest: str) -> None:
    try:
        events.parse(f"<3>{name} {rest}")
    except Unreadable as why:
        assert why.what


@given(st.text())
def test_any_answer_is_read_or_called_unreadable(answer: str) -> None:
    readers = (
        reports.station_status,
        reports.ap_status,
        reports.scan_results,
        reports.link_signal,
        reports.associated_station,
    )
    for reader in readers:
        try:
            reader(answer)
        except Unreadable as why:
            assert why.what


@pytest.mark.parametrize("text", ["", "rig", "caf\\xc3\\xa9", "\\\\", '\\"', "\\n\\e", "\\x0", "\\"])
def test_names_are_unescaped_whatever_they_are(text: str) -> None:
    known = {"caf\\xc3\\xa9": "café", "\\\\": "\\", '\\"': '"', "\\n\\e": "\n\x1b", "\\x0": "x0"}
    assert unescaped(text) == known.get(text, text)
