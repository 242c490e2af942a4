"""`testbed modem list`: the serial ports of USB devices, by names that stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from drivers.modem.serialport import holders
from drivers.modem.usb import SerialPort, usb_ports
from drivers.modem.vendors.registry import choose
from testbed.cli.modem_options import JSON

LINKS = (Path("/dev/modem"), Path("/dev/serial/by-id"))  # those of the bench's udev rules, and udev's own


@click.command("list")
@JSON
def list_(as_json: bool) -> None:
    """Serial ports of USB devices: whose, by which names, and which programs have them open.

    A modem has several ports; that of its AT commands is not told by USB.  `testbed modem at PORT AT` tries one.
    """
    records = [record(port) for port in usb_ports()]
    if as_json:
        click.echo(json.dumps({"ports": records}, indent=2))
    elif not records:
        click.echo("there is no serial port of a USB device (`testbed modem virtual` makes a modem without one)")
    else:
        _draw(records)


def record(port: SerialPort) -> dict[str, Any]:
    """One port as JSON; `names` are PORT arguments, the best first."""
    vendor = choose(port.product or "", (port.vid, port.pid))
    model = vendor.products.get(port.pid, port.product) if vendor.has_usb(port.vid, port.pid) else port.product
    end = "" if port.interface is None else f":{port.interface}"
    names = [*_links(port.path), *([f"serial:{port.serial}{end}"] if port.serial else []), f"usb:{port.usb_path}{end}"]
    return {
        "path": port.path,
        "vendor": vendor.name,
        "model": model,
        "usb_id": f"{port.vid:04x}:{port.pid:04x}",
        "usb_path": port.usb_path,
        "interface": port.interface,
        "serial": port.serial,
        "names": names,
        "holders": holders(port.path),
    }


def _links(path: str) -> list[str]:
    """The links that udev made to this device."""
    found = [link for folder in LINKS if folder.is_dir() for link in sorted(folder.iterdir())]
    return [str(link) for link in found if str(link.resolve()) == path]


def _draw(records: list[dict[str, Any]]) -> None:
    """A line for each port, and below it the names that one may copy, which are never broken."""
    for one in records:
        model = " ".join(part for part in (one["vendor"], one["model"]) if part)
        number = "" if one["interface"] is None else f"interface {one['interface']}"
        click.echo(f"{click.style(one['path'], bold=True)}  {model}  {one['usb_id']}  {number}".rstrip())
        for name in one["names"]:
            click.echo(f"    {name}")
        if one["holders"]:
            click.echo(click.style(f"    open in {', '.join(one['holders'])}", fg="yellow"))
