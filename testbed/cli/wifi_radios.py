"""The radios of this machine: what the kernel, iw and the programs that control them tell of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from drivers.host.errors import CommandFailed
from drivers.host.local import LocalHost
from testbed.cli import wifi_iw
from testbed.cli.wifi_sockets import ControlSocket, control_sockets
from testbed.errors import RigError, UsageError

PHYS, DEVICES = Path("/sys/class/ieee80211"), Path("/sys/class/net")
NO_RADIO = "there is no Wi-Fi radio here"
MEND = (
    "plug one in and install its firmware (`dmesg` says which); those of a rig are in its namespaces: "
    "`ip netns exec NAMESPACE testbed wifi list`"
)
UNBLOCK = "`rfkill unblock wifi`, or move the switch on the machine"
A = {"managed": "a station", "AP": "an access point"}
MAKE_ONE = {"managed": "use another radio, or end the access point on this one", "AP": "start hostapd on one of them"}
MODES = {"managed": "station", "AP": "access point"}


@dataclass(frozen=True)
class Radio:
    """A radio with one of its network devices, or with none."""

    phy: str
    device: str | None = None
    mode: str | None = None  # iw's word
    address: str | None = None
    up: bool = False
    blocked: str | None = None  # by rfkill: software, hardware
    frequency_mhz: int | None = None
    power_dbm: float | None = None
    ssid: str | None = None
    bssid: str | None = None  # with which a station is associated
    signal_dbm: int | None = None
    control: ControlSocket | None = None

    @property
    def state(self) -> str:
        """In words."""
        if self.blocked:
            return f"blocked by rfkill ({self.blocked})"
        if not self.up:
            return "down"
        if self.mode == "managed":
            at = "" if self.signal_dbm is None else f" at {self.signal_dbm} dBm"
            return f"associated with {self.bssid}{at}" if self.bssid else "not associated"
        if self.mode == "AP":
            return "on air" if self.frequency_mhz else "silent"
        return "up"


def host() -> LocalHost:
    """This machine; iw is where an ordinary user does not look."""
    return LocalHost({"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"})


def radios() -> list[Radio]:
    """All that this network namespace has; raises DriverError where there is no iw."""
    phys = {_number(folder / "index"): folder for folder in sorted(PHYS.glob("*"))}
    if not phys:
        return []
    devices = wifi_iw.devices(_iw("dev"))
    found = [_with_device(phys.get(device.phy), device) for device in devices]
    bare = [folder for number, folder in phys.items() if number not in {device.phy for device in devices}]
    return [*found, *(Radio(folder.name, blocked=_blocked(folder)) for folder in bare)]


def chosen(device: str | None, mode: str) -> Radio:
    """The radio that a command line means: by its device, else the only one in this mode.

    Raises RigError where there is none, UsageError where there are several.
    """
    there = [radio for radio in radios() if radio.device]
    if device is not None:
        for radio in there:
            if radio.device == device:
                return radio
        names = ", ".join(str(radio.device) for radio in there)
        mend = f"there are {names}" if names else MEND
        raise UsageError("is no device of a radio here", where=device, mend=mend)
    if not there:
        raise RigError(NO_RADIO, mend=MEND)
    fitting = [radio for radio in there if radio.mode == mode]
    if not fitting:
        others = ", ".join(f"{radio.device} ({radio.mode})" for radio in there)
        raise RigError(f"no radio here is {A[mode]}; there are {others}", mend=MAKE_ONE[mode])
    if len(fitting) > 1:
        mend = f"name one of {', '.join(str(radio.device) for radio in fitting)}"
        raise UsageError(f"more than one radio here is {A[mode]}", where="DEVICE", mend=mend)
    return fitting[0]


def _with_device(folder: Path | None, device: wifi_iw.Device) -> Radio:
    link = wifi_iw.link(_iw("dev", device.name, "link")) if device.mode == "managed" else None
    sockets = control_sockets(device.name)
    return Radio(
        phy=folder.name if folder else f"phy#{device.phy}",
        device=device.name,
        mode=device.mode,
        address=device.address,
        up=bool(_number(DEVICES / device.name / "flags") & 1),  # IFF_UP
        blocked=_blocked(folder) if folder else None,
        frequency_mhz=device.frequency_mhz,
        power_dbm=device.power_dbm,
        ssid=link.ssid if link else device.ssid,
        bssid=link.bssid if link else None,
        signal_dbm=link.signal_dbm if link else None,
        control=sockets[0] if sockets else None,
    )


def _blocked(folder: Path) -> str | None:
    for switch in folder.glob("rfkill*"):
        for file, word in (("hard", "hardware"), ("soft", "software")):
            if _number(switch / file):
                return word
    return None


def _number(file: Path) -> int:
    try:
        return int(file.read_text(), 0)
    except (OSError, ValueError):  # it went meanwhile
        return 0


def _iw(*arguments: str) -> str:
    try:
        return host().run(["iw", *arguments])
    except CommandFailed as failed:
        if failed.completed.status == 127:
            raise
        return ""  # a device that went meanwhile, or that has no link
