"""`testbed wifi list`: the radios of this machine, and who controls each."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from testbed.cli.wifi_networks import channel_of, said_channel
from testbed.cli.wifi_options import JSON
from testbed.cli.wifi_radios import MEND, MODES, NO_RADIO, UNBLOCK, Radio, radios


@click.command("list")
@JSON
def list_(as_json: bool) -> None:
    """Radios: phy, device, mode, channel, network, state, rfkill, and which program controls each.

    A program is found by its control socket.  Only those of this network namespace are seen.
    """
    found = radios()
    if as_json:
        click.echo(json.dumps({"radios": [as_record(radio) for radio in found]}, indent=2))
    elif not found:
        click.echo(f"{NO_RADIO}\n  mend: {MEND}")
    else:
        for radio in found:
            _draw(radio)


def as_record(radio: Radio) -> dict[str, Any]:
    """One radio as JSON."""
    channel = channel_of(radio.frequency_mhz) if radio.frequency_mhz else None
    return {**asdict(radio), "channel": channel, "state": radio.state}


def _draw(radio: Radio) -> None:
    """A line for what it is, and below it how it is and who controls it."""
    mode = MODES.get(radio.mode or "", radio.mode)
    channel = said_channel(radio.frequency_mhz) if radio.frequency_mhz else None
    power = None if radio.power_dbm is None or not radio.frequency_mhz else f"{radio.power_dbm:g} dBm"
    ssid = None if radio.ssid is None else f"`{radio.ssid}`"
    parts = [click.style(radio.device or "(no device)", bold=True), radio.phy, mode, channel, power, ssid]
    click.echo("  ".join(part for part in parts if part))
    if radio.device or radio.blocked:
        click.echo(click.style(f"    {radio.state}", fg="yellow" if radio.blocked else None))
    if radio.blocked:
        click.echo(f"      mend: {UNBLOCK}")
    if radio.device:
        who = f"controlled by {radio.control}, {radio.control.path}" if radio.control else "no program controls it"
        click.echo(f"    {who}")
