"""`testbed modem info`: everything that a modem tells of itself, asked once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

import click

from drivers.modem.errors import Refused, ResponseError, SimError, Unanswered
from drivers.modem.modem import Modem
from drivers.modem.responses.text import Answer
from drivers.modem.usb import PortName
from drivers.modem.vendors.model import Vendor
from testbed.cli.modem_opening import opened
from testbed.cli.modem_options import JSON, PORT, VENDOR


@click.command()
@PORT
@VENDOR
@JSON
def info(port: PortName, vendor: Vendor | None, as_json: bool) -> None:
    """What a modem is, its card, where it is registered, what it receives, and its contexts."""
    found = asyncio.run(_ask(port, vendor))
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _draw(found)


async def _ask(name: PortName, vendor: Vendor | None) -> dict[str, Any]:
    async with opened(name, vendor) as modem:
        return await gather(modem)


async def gather(modem: Modem) -> dict[str, Any]:
    """All of it as JSON; None where the modem does not tell."""
    operator = await _or_nothing(modem, "AT+COPS?")
    return {
        "port": str(modem.name),
        "path": modem.name.find(),
        "vendor": modem.vendor.name,
        **asdict(modem.identity),
        "card": await _card(modem),
        "service": modem.service,
        "operator": operator.get("oper"),
        "rat": operator.get("rat"),
        "signal": asdict(await modem.signal()),
        "contexts": await _contexts(modem),
        "data_calls": [{"kind": call.kind, "by": call.tool or call.up} for call in modem.vendor.data_calls],
    }


async def _card(modem: Modem) -> dict[str, Any]:
    card: dict[str, Any] = {"state": None, "iccid": None, "imsi": None}
    try:
        card["state"] = await modem.sim.state()
        card["iccid"] = await modem.sim.iccid(modem.vendor.iccid)
        card["imsi"] = await modem.sim.imsi()
    except SimError as error:
        card["state"] = card["state"] or error.what
    except (Refused, ResponseError, Unanswered):
        pass  # locked: what stands so far is all it tells
    return card


async def _contexts(modem: Modem) -> list[dict[str, Any]]:
    defined = (await _or_nothing(modem, "AT+CGDCONT?")).get("contexts", [])
    activity = (await _or_nothing(modem, "AT+CGACT?")).get("contexts", [])
    active = {one["cid"] for one in activity if one["active"]}
    return [
        {"cid": one["cid"], "apn": one["apn"], "pdp_type": one["pdp_type"], "active": one["cid"] in active}
        for one in defined
    ]


async def _or_nothing(modem: Modem, line: str) -> Answer:
    try:
        return await modem.read(line)
    except (Refused, ResponseError, Unanswered):
        return {}


def _draw(found: dict[str, Any]) -> None:
    card, signal = found["card"], found["signal"]
    rows = {
        "port": found["port"] if found["path"] == found["port"] else f"{found['port']}  ({found['path']})",
        "modem": " ".join(part for part in (found["manufacturer"], found["model"], found["revision"]) if part),
        "treated as": found["vendor"],
        "IMEI": found["imei"],
        "card": "  ".join([card["state"] or "?", *(f"{k.upper()} {card[k]}" for k in ("imsi", "iccid") if card[k])]),
        "service": "  ".join(str(one) for one in (found["service"], found["operator"], found["rat"]) if one),
        "signal": "  ".join(levels(signal)) or "none",
        "data calls": ", ".join(
            f"{call['kind']} ({call['by'].format(cid='CID', apn='APN')})" for call in found["data_calls"]
        ),
    }
    for name, text in rows.items():
        click.echo(f"{name:<12}{text}")
    for one in found["contexts"]:
        state = "active" if one["active"] else "defined"
        click.echo(f"{'context ' + str(one['cid']):<12}{one['apn'] or '(no APN)'}  {one['pdp_type']}  {state}")


def levels(signal: dict[str, Any]) -> list[str]:
    """Signal levels with their names and units."""
    names = (
        ("rsrp_dbm", "RSRP", "dBm"),
        ("rsrq_db", "RSRQ", "dB"),
        ("sinr_db", "SINR", "dB"),
        ("rssi_dbm", "RSSI", "dBm"),
    )
    return [f"{name} {signal[key]:g} {unit}" for key, name, unit in names if signal.get(key) is not None]
