"""`testbed wifi scan`: the access points that a radio hears, by the program that controls it, else by iw."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import click

from drivers.wifi import events, reports
from drivers.wifi.control import Control
from drivers.wifi.errors import CommandRefused, DaemonSilent, RadioBlocked, Unreadable, WifiError
from testbed.cli import wifi_iw
from testbed.cli.wifi_networks import Network, channel_of, from_bss
from testbed.cli.wifi_options import DEVICE, JSON
from testbed.cli.wifi_radios import UNBLOCK, Radio, chosen, host
from testbed.cli.wifi_sockets import ControlSocket, attached
from testbed.errors import RigError

SCAN_S = 20.0
# iw's words -> what is the matter, and the mend.
REASONS = (
    ("Network is down", "the device is down", "`ip link set dev {device} up`"),
    ("not permitted", "this user may not scan", "be root"),
    ("busy", "it is scanning already, or associating", "try again"),
)


@click.command()
@DEVICE
@JSON
def scan(device: str | None, as_json: bool) -> None:
    """Look for access points and show what is heard, the strongest first.

    Where wpa_supplicant runs for DEVICE it is asked, and its association goes on; otherwise iw scans, which takes root.
    """
    radio = chosen(device, "managed")
    if radio.blocked:
        raise RadioBlocked(f"is blocked by rfkill ({radio.blocked})", where=radio.device, mend=UNBLOCK)
    if radio.mode == "AP":
        raise RigError("is an access point, which does not scan", where=radio.device, mend="scan with another radio")
    found = asyncio.run(_by_program(radio.control, str(radio.device))) if radio.control else _by_iw(str(radio.device))
    if as_json:
        by = (radio.control.program or "control socket") if radio.control else "iw"
        click.echo(json.dumps({"device": radio.device, "by": by, "networks": [one.as_record() for one in found]}))
    elif not found:
        click.echo(f"{radio.device} hears no access point")
    else:
        _draw(radio, found)


async def _by_program(control: ControlSocket, device: str) -> list[Network]:
    done: asyncio.Future[events.Event] = asyncio.get_running_loop().create_future()

    def heard(datagram: str) -> None:
        try:
            event = events.parse(datagram)
        except Unreadable:
            return
        if isinstance(event, events.ScanResults | events.ScanFailed | events.Terminating) and not done.done():
            done.set_result(event)

    async with attached(control, device, heard) as opened:
        await _begin(opened, device)
        try:
            ended = await asyncio.wait_for(done, SCAN_S)
        except TimeoutError as late:
            raise DaemonSilent(f"no end of a scan within {SCAN_S:g} s", where=opened.where, mend="try again") from late
        if not isinstance(ended, events.ScanResults):
            raise WifiError("the scan failed", where=opened.where, mend="see whether the device is up, and try again")
        return [from_bss(bss) for bss in reports.scan_results(await opened.request("SCAN_RESULTS"))]


async def _begin(opened: Control, device: str) -> None:
    try:
        await opened.order("SCAN")
    except CommandRefused as refused:
        if "FAIL-BUSY" not in refused.what:  # it is scanning already: its results will do
            mend = f"see whether it is up: `ip link set dev {device} up`"
            raise WifiError("it does not scan now", where=opened.where, mend=mend) from refused


def _by_iw(device: str) -> list[Network]:
    completed = host().execute(["iw", "dev", device, "scan"])
    if completed.status == 0:
        return wifi_iw.scan(completed.stdout)
    words = completed.stderr.strip()
    for part, what, mend in REASONS:
        if part in words:
            raise RigError(f"iw cannot scan: {what}", where=device, mend=mend.format(device=device))
    raise RigError(f"iw cannot scan: {words}", where=device)


def _draw(radio: Radio, found: Sequence[Network]) -> None:
    width = max(len(_name(one)) for one in found)
    for one in found:
        signal = "? dBm" if one.signal_dbm is None else f"{one.signal_dbm} dBm"
        channel = channel_of(one.frequency_mhz) or f"{one.frequency_mhz} MHz"
        fast = "  802.11r" if one.fast_transition else ""
        here = "  associated" if one.bssid == radio.bssid else ""
        name = click.style(f"{_name(one):<{width}}", bold=True)
        click.echo(f"{name}  {signal:>8}  channel {channel:<4} {one.security:<10}  {one.bssid}{fast}{here}")


def _name(network: Network) -> str:
    return network.ssid if network.ssid.strip("\0") else "(hidden)"
