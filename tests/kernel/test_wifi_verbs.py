"""`testbed wifi` where there are radios: each verb in its radio's namespace, as a user starts it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wifi_rig import CREDENTIALS, MACS, WifiRig, in_namespace, missing, wifi_rig

pytestmark = [pytest.mark.rig, pytest.mark.simulated]
# All verbs in one process: in a guest a start of the command line takes longer than everything else here.
VERBS = """
import sys
from click.testing import CliRunner
from testbed.cli.main import cli
for verb in sys.argv[1:]:
    print(CliRunner().invoke(cli, ["wifi", *verb.split(), "--json"], catch_exceptions=False).stdout.strip())
    print("--")
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[WifiRig]:
    if why := missing():
        pytest.skip(why)
    with wifi_rig(tmp_path) as rig:
        yield rig


def wifi(namespace: str, *verbs: str) -> list[Any]:
    """What each verb prints, in a namespace."""
    printed = in_namespace(namespace, sys.executable, "-c", VERBS, *verbs)
    return [json.loads(part) for part in printed.split("--\n")[:-1]]


def test_a_station_and_its_access_point_are_shown_with_who_controls_them(rig: WifiRig) -> None:
    async def scene() -> None:
        access_point, station = rig.access_point(), rig.station()
        await access_point.start()
        try:
            await station.start()
            await station.connect(CREDENTIALS)
            as_the_station_has_it(*await asyncio.to_thread(wifi, "ue", "list", "scan", "watch --for 0.1"))
            as_the_access_point_has_it(*await asyncio.to_thread(wifi, "ap1", "list", "stations"))
        finally:
            await station.stop()
            await access_point.stop()

    asyncio.run(scene())


def as_the_station_has_it(listed: Any, scanned: Any, watched: Any) -> None:
    [radio] = listed["radios"]
    assert (radio["phy"], radio["device"], radio["mode"], radio["channel"]) == ("ue", "wl-ue", "managed", 1)
    assert (radio["ssid"], radio["bssid"], radio["signal_dbm"]) == ("rig", MACS["ap1"], -40)
    assert radio["control"]["program"] == "wpa_supplicant"
    [network] = scanned["networks"]
    assert scanned["by"] == "wpa_supplicant"
    assert (network["bssid"], network["signal_dbm"], network["security"]) == (MACS["ap1"], -40, "wpa2-psk")
    assert (watched["reading"]["state"], watched["reading"]["signal"]["rssi_dbm"]) == ("COMPLETED", -40)


def as_the_access_point_has_it(listed: Any, stations: Any) -> None:
    [radio] = listed["radios"]
    assert (radio["device"], radio["mode"], radio["state"]) == ("wl-ap1", "AP", "on air")
    assert radio["control"]["program"] == "hostapd"
    [station] = stations["stations"]
    assert (station["address"], station["signal_dbm"], station["authorized"]) == (MACS["ue"], -40, True)
