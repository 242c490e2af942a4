"""`testbed wifi stations`: who is associated with an access point of this machine, by hostapd's control socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from drivers.protocols import AssociatedStation
from drivers.wifi import reports
from drivers.wifi.control import Control
from drivers.wifi.errors import CommandRefused
from testbed.cli.wifi_networks import said_channel
from testbed.cli.wifi_options import DEVICE, JSON
from testbed.cli.wifi_radios import Radio, chosen
from testbed.cli.wifi_sockets import ControlSocket, attached
from testbed.errors import RigError


@click.command()
@DEVICE
@JSON
def stations(device: str | None, as_json: bool) -> None:
    """Show the stations of an access point: address, signal, whether the keys are exchanged, since when, idle since.

    The signal is that of what the station sends, as the access point hears it.
    """
    radio = chosen(device, "AP")
    if radio.mode != "AP":
        mend = "name the device of an access point (`testbed wifi list`)"
        raise RigError(f"is no access point (its mode is {radio.mode})", where=radio.device, mend=mend)
    if radio.control is None:
        mend = "give hostapd a ctrl_interface in its configuration, and start it again"
        raise RigError("no program with a control socket runs it", where=radio.device, mend=mend)
    found = asyncio.run(_ask(radio.control, str(radio.device)))
    if as_json:
        click.echo(json.dumps({"device": radio.device, "stations": [asdict(one) for one in found]}))
    else:
        _draw(radio, found)


async def _ask(control: ControlSocket, device: str) -> list[AssociatedStation]:
    async with attached(control, device) as opened:
        return await associated(opened)


async def associated(control: Control) -> list[AssociatedStation]:
    """All of them, one after the other, as hostapd tells them."""
    found: list[AssociatedStation] = []
    command = "STA-FIRST"
    while answer := await _or_nothing(control, command):
        found.append(reports.associated_station(answer))
        command = f"STA-NEXT {found[-1].address}"
    return found


async def _or_nothing(control: Control, command: str) -> str:
    """hostapd answers FAIL to who asks for a station behind the last one."""
    try:
        return (await control.request(command)).strip()
    except CommandRefused:
        return ""


def _draw(radio: Radio, found: Sequence[AssociatedStation]) -> None:
    number = "no station" if not found else "1 station" if len(found) == 1 else f"{len(found)} stations"
    click.echo(
        f"{click.style(str(radio.device), bold=True)}  `{radio.ssid}`  {said_channel(radio.frequency_mhz)}  {number}"
    )
    for one in found:
        click.echo(f"    {said(one)}")


def said(one: AssociatedStation) -> str:
    """A station on a line."""
    signal = "signal unknown" if one.signal_dbm is None else f"{one.signal_dbm} dBm"
    keys = "" if one.authorized else "  not authorized"
    since = "" if one.connected_s is None else f"  for {one.connected_s} s"
    idle = "" if one.idle_ms is None else f"  idle {one.idle_ms / 1000:.1f} s"
    return f"{one.address}  {signal}{since}{idle}{keys}"
