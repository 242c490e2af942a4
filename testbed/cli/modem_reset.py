"""`testbed modem reset`: restart a modem by its vendor's command and wait until it answers again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

from drivers.modem.usb import PortName
from drivers.modem.vendors.model import Vendor
from testbed.cli.modem_opening import opened
from testbed.cli.modem_options import JSON, PORT, VENDOR


@click.command()
@PORT
@VENDOR
@click.option("--deadline", "deadline_s", default=90.0, show_default=True, help="It must be back by then, in seconds.")
@JSON
def reset(port: PortName, vendor: Vendor | None, deadline_s: float, as_json: bool) -> None:
    """Restart a modem and wait until it is back, under the same name."""
    found = asyncio.run(_reset(port, vendor, deadline_s))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(f"{found['port']}: {found['command']}, back after {found['away_s']:g} s as {found['path']}")


async def _reset(name: PortName, vendor: Vendor | None, deadline_s: float) -> dict[str, Any]:
    async with opened(name, vendor) as modem:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await modem.reset(deadline_s)
        took_s = round(loop.time() - begun, 1)
        return {"port": str(name), "path": name.find(), "command": modem.vendor.reset, "away_s": took_s}
