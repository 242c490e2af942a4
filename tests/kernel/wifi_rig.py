"""Two access points and a UE on virtual radios, each in a namespace of its own, and the medium between them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.errors import DriverError
from drivers.host import netns
from drivers.host.local import LocalHost, NamespaceHost
from drivers.virtual import radios
from drivers.virtual.hwsim import Hwsim, radio_address
from drivers.virtual.medium_orders import Client, RemoteAttenuator
from drivers.wifi.access_point import HostapdAccessPoint
from drivers.wifi.configuration import ApConfiguration, Credentials
from drivers.wifi.station import Station

NAMES = ("ap1", "ap2", "ue")
ADDRESSES = {name: radio_address(number) for number, name in enumerate(NAMES, 1)}
MACS = {name: address.hex(":") for name, address in ADDRESSES.items()}
MARK = "test"
CREDENTIALS = Credentials("rig", "wpa2-psk", "of no importance")
CHANNELS = {"ap1": 1, "ap2": 6}
END_S = 20.0


@dataclass
class WifiRig:
    """`medium` takes orders; what is made here is ended by whoever made it."""

    folder: Path
    medium: Client

    def access_point(self, name: str = "ap1", **more: Any) -> HostapdAccessPoint:
        given = {"credentials": CREDENTIALS, "channel": CHANNELS[name], **more}
        folder = str(self.folder / name)
        log = self.folder / f"{name}.log"
        return HostapdAccessPoint(name, NamespaceHost(name), f"wl-{name}", ApConfiguration(**given), folder, log)

    def station(self, channels: Sequence[int] = (1, 6)) -> Station:
        return Station(NamespaceHost("ue"), "wl-ue", self.folder, self.folder / "wpa.log", channels)

    def lever(self, name: str = "ap1") -> RemoteAttenuator:
        return self.medium.attenuator([(name, "ue")])

    def calm(self) -> None:
        """As at the beginning."""
        for name in ("ap1", "ap2"):
            self.lever(name).set_attenuation_db(0)
            self.medium.order("mute", radio=name, on=False)


@contextmanager
def wifi_rig(folder: Path) -> Iterator[WifiRig]:
    """At 60 dB of loss each way: -40 dBm from 20 dBm."""
    with ExitStack() as undo:
        netns.share_folder()
        for name in NAMES:
            with netns.making(name, MARK):
                pass
            undo.callback(netns.remove, name, MARK)
        for name in NAMES:
            radios.make(name, ADDRESSES[name], name, f"wl-{name}")
            undo.callback(radios.remove, name, name)
        undo.enter_context(medium_process(folder))
        medium = Client(folder / "orders")
        undo.callback(medium.close)
        yield WifiRig(folder, medium)


@contextmanager
def medium_process(folder: Path) -> Iterator[None]:
    plan = {
        "radios": {name: {"address": mac} for name, mac in MACS.items()},
        "losses_db": [["ap1", "ue", 60], ["ap2", "ue", 60], ["ap1", "ap2", 60]],
        "channels": {"1": [["ap1", "ue"]], "2": [["ap2", "ue"]]},
        "seed": 1,
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    argv = [sys.executable, "-m", "drivers.virtual.medium", str(folder / "plan.json")]
    argv += ["--orders", str(folder / "orders"), "--moves", str(folder / "moves")]
    with (folder / "medium.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert ready, (folder / "medium.log").read_text()
        assert json.loads(ready) == {"ready": sorted(NAMES)}
        yield
    finally:
        process.terminate()
        process.wait(END_S)
        process.stdout.close()


def in_namespace(name: str, *argv: str) -> str:
    return LocalHost().run(netns.argv(name, list(argv)))


@contextmanager
def wired_side() -> Iterator[str]:
    """A cable between both access points, and a bridge at each end; yields the bridges' name."""
    ends = (("ap1", "wire1"), ("ap2", "wire2"))
    far = ["peer", "name", "wire2", "netns", "ap2"]
    LocalHost().run(["ip", "link", "add", "name", "wire1", "netns", "ap1", "type", "veth", *far])
    try:
        for name, wire in ends:
            in_namespace(name, "ip", "link", "add", "name", "br0", "type", "bridge", "forward_delay", "0")
            for device in ("br0", wire):
                in_namespace(name, "ip", "link", "set", "dev", device, "up")
            in_namespace(name, "ip", "link", "set", "dev", wire, "master", "br0")
        yield "br0"
    finally:
        in_namespace("ap1", "ip", "link", "delete", "dev", "wire1")
        for name, _ in ends:
            in_namespace(name, "ip", "link", "delete", "dev", "br0")


def rssi_dbm() -> int:
    """The access point's signal as iw has it, in the UE's namespace."""
    told = re.search(r"signal: (-?\d+)", in_namespace("ue", "iw", "dev", "wl-ue", "link"))
    assert told, "not associated"
    return int(told[1])


async def within(seconds: float, queue: asyncio.Queue[Any], wanted: type[Any]) -> Any:
    """The next event of a kind."""
    async with asyncio.timeout(seconds):
        while not isinstance(event := await queue.get(), wanted):
            pass
        return event


@contextmanager
def rcdat_on(moves: Path) -> Iterator[int]:
    """A virtual RCDAT with two channels at 0 dB that moves the medium; yields its HTTP port."""
    argv = [sys.executable, "-m", "drivers.virtual.attenuator", "--http", "0", "--telnet", "0"]
    argv += ["--model", "RC2DAT-6000-95", "--start-db", "0", "--moves", str(moves)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["http"]
    finally:
        process.terminate()
        process.wait(END_S)
        process.stdout.close()


def missing() -> str | None:
    """What this machine lacks for virtual radios."""
    for tool in ("hostapd", "wpa_supplicant", "iw", "dnsmasq", "busybox", "rfkill"):
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            return f"{tool} is not installed"
    try:
        Hwsim().close()
    except DriverError as error:
        return str(error)
    return None
