"""Ports by names that stay."""

from __future__ import annotations

import pytest

from drivers.modem.errors import ModemError
from drivers.modem.usb import PortName, SerialPort

STICK = [SerialPort(f"/dev/ttyUSB{n}", 0x2C7C, 0x0125, "0123456789", "1-1.2", n, "EC25") for n in range(4)]
OTHER = SerialPort("/dev/ttyACM0", 0x12D1, 0x1442, None, "1-1.3", 0, None)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("serial:0123456789:2", "/dev/ttyUSB2"),
        ("usb:1-1.2:3", "/dev/ttyUSB3"),
        ("usb:1-1.3", "/dev/ttyACM0"),
        ("usb:1-1.3:1", None),
        ("serial:unknown", None),
        ("/dev/null", "/dev/null"),
        ("/dev/serial/by-id/nothing", None),
    ],
)
def test_a_name_finds_its_port(name: str, path: str | None) -> None:
    parsed = PortName.parse(name)
    assert str(parsed) == name
    assert parsed.find([*STICK, OTHER]) == path


def test_a_device_with_several_ports_wants_an_interface() -> None:
    with pytest.raises(ModemError, match=r"has several ports\n  mend: name the interface, one of 0 \(/dev/ttyUSB0\)"):
        PortName.parse("serial:0123456789").find(STICK)


@pytest.mark.parametrize("name", ["", "ttyUSB0", "usb:", "usb:1-1:x", "serial:a:b:c"])
def test_what_names_no_port_is_refused(name: str) -> None:
    with pytest.raises(ModemError, match="names no port"):
        PortName.parse(name)
