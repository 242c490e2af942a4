"""Serial ports by what does not change when a modem is plugged in again: serial number, USB path, by-id link.

A stick that comes back while something still holds its old node gets another number: ttyUSB0 becomes ttyUSB1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from drivers.modem.errors import ModemError

TTYS = Path("/sys/class/tty")
FORMS = "/dev/serial/by-id/..., serial:NUMBER[:INTERFACE] or usb:PATH[:INTERFACE], as in usb:1-1.2:2"


@dataclass(frozen=True)
class SerialPort:
    """A serial port of a USB device as it is there now."""

    path: str
    vid: int
    pid: int
    serial: str | None
    usb_path: str  # of the device, such as 1-1.2
    interface: int | None
    product: str | None


@dataclass(frozen=True)
class PortName:
    """How a topology or a user names a port.  Exactly one of `path`, `serial` and `usb_path` is set."""

    path: str | None = None
    serial: str | None = None
    usb_path: str | None = None
    interface: int | None = None

    @classmethod
    def parse(cls, text: str) -> PortName:
        """Read a name; raises ModemError when it is none."""
        if text.startswith("/"):
            return cls(path=text)
        if found := re.fullmatch(r"(serial|usb):([^:]+)(?::(\d{1,3}))?", text):
            interface = int(found[3]) if found[3] else None
            if found[1] == "serial":
                return cls(serial=found[2], interface=interface)
            return cls(usb_path=found[2], interface=interface)
        raise ModemError(f"{text!r} names no port", mend=f"write {FORMS}")

    def __str__(self) -> str:
        if self.path:
            return self.path
        name = f"serial:{self.serial}" if self.serial else f"usb:{self.usb_path}"
        return name if self.interface is None else f"{name}:{self.interface}"

    def find(self, ports: Iterable[SerialPort] | None = None) -> str | None:
        """The path of the device node now, or None while it is not there.  `ports`: where to look, else the machine."""
        if self.path:
            return self.path if Path(self.path).exists() else None
        found = [port for port in (usb_ports() if ports is None else ports) if self._is(port)]
        if len(found) > 1 and self.interface is None:
            known = ", ".join(f"{port.interface} ({port.path})" for port in found)
            raise ModemError(f"{self} has several ports", mend=f"name the interface, one of {known}")
        return found[0].path if found else None

    def _is(self, port: SerialPort) -> bool:
        if self.interface is not None and port.interface != self.interface:
            return False
        return port.serial == self.serial if self.serial else port.usb_path == self.usb_path


def network_device(path: str) -> str | None:
    """The network device of the USB device whose serial port this is, where the first namespace has it; or None."""
    here = (TTYS / Path(path).resolve().name / "device").resolve()
    for device in (here, *here.parents):
        if (device / "idVendor").exists():  # the USB device itself; its interfaces lie below it
            found = sorted(net.name for net in device.glob("*/net/*"))
            return found[0] if found else None
    return None


def usb_ports() -> list[SerialPort]:
    """Every serial port of a USB device on this machine."""
    ports = []
    for port in list_ports.comports():
        if port.vid is None or port.pid is None or not port.location:
            continue
        usb_path, _, interface = port.location.partition(":")  # pyserial: 1-1.2:1.3 is configuration 1, interface 3
        number = int(interface.rpartition(".")[2]) if "." in interface else None
        ports.append(SerialPort(port.device, port.vid, port.pid, port.serial_number, usb_path, number, port.product))
    return sorted(ports, key=lambda port: (port.usb_path, port.interface or 0))
