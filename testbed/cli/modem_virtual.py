"""`testbed modem virtual`: the AT side of a virtual stick on a pseudo-terminal, for machines without the rig kernel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from drivers.modem.vendors.model import Vendor
from drivers.virtual.models import MODELS
from drivers.virtual.stick import Stick
from testbed.cli.modem_options import VENDOR
from testbed.errors import TestbedError, UsageError
from testbed.rig.stick import make

# The subscriber of no network: the test PLMN 001-01, keys of TS 35.208 test set 1.
SIM = {
    "imsi": "001010000000001",
    "iccid": "8900101000000000012",
    "impi": "001010000000001@ims.mnc001.mcc001.3gppnetwork.org",
    "impus": ["sip:001010000000001@ims.mnc001.mcc001.3gppnetwork.org"],
    "domain": "ims.mnc001.mcc001.3gppnetwork.org",
    "k": "465b5ce8b199b49faa5f0a2ee238a6bc",
    "opc": "cd63cb71954a9f4e48a5994e37a02baf",
}
PDNS = {
    "internet": {"addresses": [["10.1.0.2/24", "10.1.0.1"]], "dns": ["10.9.0.53"]},
    "ims": {"addresses": [["10.2.0.2/24", "10.2.0.1"], ["2001:db8:2::2/64", "2001:db8:2::1"]], "pcscf": ["10.2.0.10"]},
}


@click.command()
@VENDOR
@click.option("--model", type=click.Choice([*MODELS]), help="A certain model; otherwise the vendor's first.")
@click.option("--link", type=click.Path(path_type=Path), help="Where the port appears; else in a temporary folder.")
def virtual(vendor: Vendor | None, model: str | None, link: Path | None) -> None:
    """Serve a virtual modem on a pseudo-terminal until Ctrl-C; its first line is the port's path.

    Lines on standard input are orders to it, answered with a line of JSON:

    \b
    signal rsrp_dbm=-118      coverage covered=false     unplug back_s=2
    say line="+CGEV: ME DETACH"                          fault kind=silent
    state                     reboot                     deactivate cid=2
    """
    name = model or _model_of(vendor)
    with tempfile.TemporaryDirectory(prefix="testbed-modem-") as folder:
        where = (link or Path(folder) / name).absolute()
        if where.exists():  # what a dead one left behind is a link to nothing
            raise UsageError("there is a file already", where=str(where), mend="choose another --link")
        asyncio.run(_serve(name, where))


def _model_of(vendor: Vendor | None) -> str:
    if vendor is None:
        return "quectel-ec25"
    dialect = vendor.name.lower().replace("-", "")
    return next(name for name, model in MODELS.items() if model.dialect == dialect)


async def _serve(name: str, link: Path) -> None:
    plan = {"name": name, "model": name, "serial": "1", "imei": "356938035643809", "form": "pty", "link": str(link)}
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    stick = make({**plan, "sim": SIM, "pdns": PDNS}, lambda event: None)
    orders = None
    try:
        stick.do_plug()
        click.echo(str(link))
        if sys.stdin.isatty():
            click.echo(f"`testbed modem at {link}` talks to it; orders go here (--help), Ctrl-C ends it", err=True)
        orders = _follow(lambda line: click.echo(json.dumps(_obey(stick, line))))
        await ended.wait()
    finally:
        if orders:
            orders()
        stick.close()


def _follow(heard: Callable[[str], None]) -> Callable[[], object] | None:
    """Have `heard` called with each line of standard input; returns what ends that, if it began."""
    loop = asyncio.get_running_loop()
    try:
        number, held = sys.stdin.fileno(), bytearray()
    except (OSError, ValueError):
        return None

    def readable() -> None:
        data = os.read(number, 1 << 16)
        if not data:
            loop.remove_reader(number)
        held.extend(data)
        *lines, rest = held.split(b"\n")
        held[:] = rest
        for line in lines:
            if line.strip():
                heard(line.decode(errors="replace"))

    try:
        loop.add_reader(number, readable)
    except OSError:  # a file or /dev/null: epoll takes terminals and pipes only
        return None
    return lambda: loop.remove_reader(number)


def _obey(stick: Stick, line: str) -> Mapping[str, Any]:
    """Carry out `VERB KEY=VALUE ...`."""
    try:
        verb, *pairs = shlex.split(line)
        order = getattr(stick, f"do_{verb.replace('-', '_')}", None)
        if order is None:
            return {"error": f"there is no order {verb}"}
        return {"result": order(**dict(_pair(pair) for pair in pairs))}
    except TestbedError as error:
        return {"error": error.what}
    except (TypeError, ValueError) as wrong:
        return {"error": str(wrong)}


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text} is not KEY=VALUE")
    with contextlib.suppress(ValueError):
        return name, json.loads(value)
    return name, value
