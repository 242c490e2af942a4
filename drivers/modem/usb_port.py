"""A port of a USB hub, switched off and on by the kernel (Linux, Documentation/ABI/testing/sysfs-bus-usb: `disable`).

A disabled port looks unplugged to this machine, whether its hub can switch the power or not.  It stays so until it is
enabled again, whoever asked: a rig writes down which one before it touches it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.errors import DriverError

DEVICES = Path("/sys/bus/usb/devices")


class UsbPort:
    """The port that a USB device sits in, by the device's path, such as 1-1.2; a :class:`PowerSwitch`."""

    def __init__(self, usb_path: str) -> None:
        self.usb_path = usb_path
        self._file = _file(usb_path)

    @classmethod
    def of(cls, serial: str) -> UsbPort:
        """The port of the device with this serial number.  Raises DriverError when there is none."""
        for device in sorted(DEVICES.glob("*-*")):
            with contextlib.suppress(OSError):  # an interface has none, and a device may just go
                if (device / "serial").read_text().strip() == serial:
                    return cls(device.name)
        raise DriverError("no such device on this machine's USB", where=f"USB device {serial}", mend="plug it in")

    def set_on(self, on: bool) -> None:
        try:
            self._file.write_text("0" if on else "1")
        except OSError as refused:
            mend = "it needs root, and Linux 6.0 or newer"
            raise DriverError(f"cannot be switched: {refused.strerror}", where=str(self), mend=mend) from refused
        if self.is_on() != on:
            raise DriverError(f"was switched {'on' if on else 'off'}, and is not", where=str(self))

    def is_on(self) -> bool:
        try:
            return self._file.read_text().strip() == "0"
        except OSError as missing:
            mend = "is the device plugged into a hub that Linux can switch?"
            raise DriverError(f"has no switch: {missing.strerror}", where=str(self), mend=mend) from missing

    def __str__(self) -> str:
        return f"USB port of {self.usb_path}"

    def undo_values(self) -> dict[str, Any]:
        """For a rig's journal, written before the port is switched off."""
        return {"usb_path": self.usb_path}


def of_serial_port(name: str) -> UsbPort:
    """The USB port behind a serial port by its name (:class:`drivers.modem.usb.PortName`)."""
    from drivers.modem.usb import PortName, usb_ports  # with pyserial, which an undo can do without

    path = PortName.parse(name).find()
    found = [port.usb_path for port in usb_ports() if path and Path(port.path).resolve() == Path(path).resolve()]
    if not found:
        raise DriverError("is no USB modem's port on this machine", where=name, mend="`testbed modem list` shows all")
    return UsbPort(found[0])


def there(values: Mapping[str, Any]) -> list[str]:
    """What is left: a port that is off."""
    file = _file(values["usb_path"])
    off = file.exists() and file.read_text().strip() == "1"
    return [f"disabled USB port of {values['usb_path']}"] if off else []


def undo(values: Mapping[str, Any]) -> list[str]:
    """Enable it again where it is off."""
    if not there(values):
        return []
    UsbPort(values["usb_path"]).set_on(True)
    return [f"enabled USB port of {values['usb_path']}"]


def _file(usb_path: str) -> Path:
    """1-1 sits in port 1 of the root hub usb1, 1-1.2 in port 2 of the hub 1-1."""
    found = re.fullmatch(r"(\d+)-(?:([\d.]+)\.)?(\d+)", usb_path)
    if found is None:
        raise DriverError(f"{usb_path!r} is no path of a USB device", mend="write it as 1-1.2")
    bus, hub, port = found.groups()
    device, interface = (f"{bus}-{hub}", f"{bus}-{hub}:1.0") if hub else (f"usb{bus}", f"{bus}-0:1.0")
    return DEVICES / interface / f"{device}-port{port}" / "disable"
