"""`testbed modem watch`: what a modem receives and where it is registered, as it changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict

import click

from drivers.modem.errors import ModemError, PortError, Refused, ResponseError
from drivers.modem.machine import ModemEvent
from drivers.modem.modem import REGISTRATION, Modem
from drivers.modem.responses.text import Answer
from drivers.modem.usb import PortName
from drivers.modem.vendors.model import Vendor
from drivers.waiting import within
from testbed.cli.modem_opening import opened
from testbed.cli.modem_options import JSON, PORT, VENDOR
from testbed.dashboard.modem import Reading, Screen, View

BACK_S = 5.0  # tell every so often that it is still away


@click.command()
@PORT
@VENDOR
@click.option("--interval", "interval_s", default=2.0, show_default=True, help="Measure every so many seconds.")
@click.option("--for", "for_s", type=float, help="End after so many seconds; otherwise at Ctrl-C.")
@click.option("--low", "low_dbm", type=float, help="The RSRP below which the signal is called low, in dBm.")
@JSON
def watch(
    port: PortName, vendor: Vendor | None, interval_s: float, for_s: float | None, low_dbm: float | None, as_json: bool
) -> None:
    """A live view of signal, cell and registration, and of what happens to the modem.

    With --json each measurement and each event is an object on a line of its own.  A modem that is pulled out is waited
    for.
    """
    from rich.console import Console

    view: View = _Lines() if as_json else Screen(Console(highlight=False), str(port), interval_s)
    with view, contextlib.suppress(KeyboardInterrupt, TimeoutError):
        asyncio.run(_watch(port, vendor, interval_s, for_s, low_dbm, view))


class _Lines(View):
    """For a script."""

    def reading(self, reading: Reading) -> None:
        self._say("reading", asdict(reading))

    def event(self, what: str, detail: str = "", cid: int | None = None) -> None:
        self._say("event", {"what": what, "detail": detail, "cid": cid})

    def _say(self, kind: str, values: dict[str, object]) -> None:
        click.echo(json.dumps({"time_s": round(time.time(), 3), kind: values}, ensure_ascii=False))


async def _watch(
    name: PortName, vendor: Vendor | None, interval_s: float, for_s: float | None, low_dbm: float | None, view: View
) -> None:
    news = asyncio.Event()

    def told(event: ModemEvent) -> None:
        if event.what != "signal":  # a measurement of ours that found another level
            view.event(event.what, event.detail, event.cid)
            news.set()

    async with asyncio.timeout(for_s), opened(name, vendor, told, low_dbm) as modem:
        while True:
            news.clear()
            await _look(modem, view, told)
            await within(news, interval_s)


Told = Callable[[ModemEvent], None]


async def _look(modem: Modem, view: View, told: Told) -> None:
    """Measure once, or wait for a modem that is away."""
    try:
        if not modem.is_there:
            await modem.open(BACK_S)
        view.reading(await read(modem, told))
    except PortError as away:
        view.event("away" if not modem.is_there else "trouble", away.what)
    except ModemError as error:
        view.event("trouble", error.what)


async def read(modem: Modem, told: Told) -> Reading:
    """Ask for everything that is shown; what the modem did not report by itself is told."""
    cell = await _cell(modem, told)
    activity = await _or_nothing(modem, "AT+CGACT?")
    if "contexts" in activity:
        _tell(modem.machine.contexts(activity, _now()), told)
    operator = await _or_nothing(modem, "AT+COPS?")
    return Reading(
        vendor=modem.vendor.name,
        model=modem.identity.model,
        service=modem.service,
        operator=operator.get("oper"),
        rat=cell.get("rat") or operator.get("rat"),
        area=cell.get("tac"),
        cell=cell.get("ci"),
        signal=await modem.signal(),
        active=tuple(sorted(modem.machine.active)),
    )


async def _cell(modem: Modem, told: Told) -> Answer:
    """The registration that names a cell, packet domains first."""
    answers = [await _or_nothing(modem, line) for line in REGISTRATION]
    for answer in answers:
        if answer:
            _tell(modem.machine.registration(answer, _now()), told)
    return next((answer for answer in answers if answer.get("ci")), {})


async def _or_nothing(modem: Modem, line: str) -> Answer:
    try:
        return await modem.read(line)
    except (Refused, ResponseError):
        return {}


def _tell(events: list[ModemEvent], told: Told) -> None:
    for event in events:
        told(event)


def _now() -> float:
    return asyncio.get_running_loop().time()
