"""`testbed wifi watch`: a radio's network and signal as they change, and what its program tells, as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import asdict

import click

from drivers.waiting import within
from drivers.wifi import events, reports
from drivers.wifi.control import Control
from drivers.wifi.errors import CommandRefused, DaemonGone, DaemonSilent, Unreadable
from testbed.cli.wifi_networks import channel_of
from testbed.cli.wifi_options import DEVICE, JSON
from testbed.cli.wifi_radios import MEND, NO_RADIO, Radio, chosen, radios
from testbed.cli.wifi_sockets import ControlSocket, attached, control_sockets
from testbed.cli.wifi_stations import associated
from testbed.cli.wifi_words import said
from testbed.dashboard.wifi import Reading, Screen, View
from testbed.errors import RigError

BACK_S = 1.0  # look so often whether the program is back
START_IT = (
    "start wpa_supplicant or hostapd for it, with a control socket: "
    "`wpa_supplicant -B -i {device} -C /run/wpa_supplicant`"
)


@click.command()
@DEVICE
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    help="Ask every so many seconds.",
)
@click.option("--for", "for_s", type=float, help="End after so many seconds; otherwise at Ctrl-C.")
@JSON
def watch(device: str | None, interval_s: float, for_s: float | None, as_json: bool) -> None:
    """A live view of a station's network and signal, or of an access point's stations, and of what happens.

    It asks the program that controls DEVICE, wpa_supplicant or hostapd, and changes nothing.  With --json each reading
    and each event is an object on a line of its own.  A program that ends is waited for.
    """
    from rich.console import Console

    radio = _radio(device)
    view: View = _Lines() if as_json else Screen(Console(highlight=False), str(radio.device), interval_s)
    with view, contextlib.suppress(KeyboardInterrupt, TimeoutError):
        asyncio.run(_watch(radio, interval_s, for_s, view))


def _radio(device: str | None) -> Radio:
    """The one that is named, else the one with a program, else the only station."""
    if device is not None:
        radio = chosen(device, "managed")
    else:
        there = radios()
        if not there:
            raise RigError(NO_RADIO, mend=MEND)
        controlled = [one for one in there if one.control]
        radio = controlled[0] if len(controlled) == 1 else chosen(None, "managed")
    if radio.control is None:
        raise RigError("no program controls it", where=radio.device, mend=START_IT.format(device=radio.device))
    return radio


class _Lines(View):
    """For a script."""

    def reading(self, reading: Reading) -> None:
        self._say("reading", asdict(reading))

    def event(self, what: str, detail: str = "") -> None:
        self._say("event", {"what": what, "detail": detail})

    def _say(self, kind: str, values: dict[str, object]) -> None:
        click.echo(json.dumps({"time_s": round(time.time(), 3), kind: values}, ensure_ascii=False))


async def _watch(radio: Radio, interval_s: float, for_s: float | None, view: View) -> None:
    watcher = _Watcher(str(radio.device), interval_s, view)
    control = radio.control
    async with asyncio.timeout(for_s):
        while True:
            try:
                await watcher.follow(control)
            except (DaemonGone, DaemonSilent) as gone:
                if not watcher.seen:
                    raise
                view.event("away", gone.what)
                await asyncio.sleep(BACK_S)
                control = next(iter(control_sockets(watcher.device)), None)


class _Watcher:
    """Follows the program that controls a device; `seen` once it has answered."""

    def __init__(self, device: str, interval_s: float, view: View) -> None:
        self.device, self.seen = device, False
        self._interval_s, self._view = interval_s, view
        self._news, self._ended = asyncio.Event(), asyncio.Event()

    async def follow(self, control: ControlSocket | None) -> None:
        """Until it goes: raises DaemonGone or DaemonSilent."""
        if control is None:
            raise DaemonGone("no program controls it", where=self.device)
        self._ended.clear()
        async with attached(control, self.device, self._heard) as opened:
            if self.seen:
                self._view.event("back", control.program or "")
            while True:
                self._news.clear()
                self._view.reading(await self._read(opened))
                self.seen = True
                await within(self._news, self._interval_s)

    async def _read(self, opened: Control) -> Reading:
        """A reading; raises DaemonGone as soon as the program says that it ends, for then it answers no more."""
        asking = asyncio.ensure_future(read(opened, self.device))
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((asking, ending), return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                raise DaemonGone("it has ended", where=opened.where)
            return asking.result()
        finally:
            for task in (asking, ending):
                task.cancel()
            await asyncio.gather(asking, ending, return_exceptions=True)

    def _heard(self, datagram: str) -> None:
        with contextlib.suppress(Unreadable):
            event = events.parse(datagram)
            if isinstance(event, events.Terminating):
                self._ended.set()
            self._view.event(*said(event))
            self._news.set()


async def read(control: Control, device: str) -> Reading:
    """Ask for everything that is shown."""
    answer = await control.request("STATUS")
    if "wpa_state=" in answer:
        status = reports.station_status(answer)
        signal = await _signal(control) if status.associated else None
        channel = channel_of(status.frequency_mhz or 0)
        return Reading(
            device, "station", status.state, status.ssid, status.bssid, channel, status.key_management, signal
        )
    point = reports.ap_status(answer)
    there = tuple(await associated(control)) if point.state == "ENABLED" else ()
    return Reading(device, "access point", point.state, point.ssid, point.bssid, point.channel, None, None, there)


async def _signal(control: Control) -> reports.LinkSignal | None:
    try:
        return reports.link_signal(await control.request("SIGNAL_POLL"))
    except (CommandRefused, Unreadable):
        return None
