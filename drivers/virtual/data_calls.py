"""Data calls: the NIC begins or ends to carry a context, by a command of each maker's own; and what is said of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivers.virtual import radio
from drivers.virtual.answers import BAD_PARAMETERS, INVALID_INDEX, CmeError, Reply
from drivers.virtual.at_line import Call
from drivers.virtual.commands import Handler
from drivers.virtual.context_commands import activate

if TYPE_CHECKING:
    from drivers.virtual.firmware import Firmware


def dial(
    name: str, on: Sequence[int], off: Sequence[int], *, cid_at: int = 1, action_at: int = 0, at_once: bool = False
) -> Handler:
    """A data call command: which parameter is the action, which the context, and what the action's values mean.

    `at_once`: OK says no more than that the modem has begun to dial; a URC tells of the end.
    """

    def handler(modem: Firmware, call: Call) -> Reply:
        if call.form != "=":
            return [] if call.form == "=?" else _calls(modem, name)
        action, cid = call.number(action_at, off[0]), call.number(cid_at, 1)
        if action not in (*on, *off):
            raise CmeError(BAD_PARAMETERS)
        if action in off:
            radio.end_data_call(modem)
            return []
        context = modem.state.contexts.get(cid)
        if context is None:
            raise CmeError(INVALID_INDEX)
        if name == "+QNETDEVCTL":
            modem.state.settings.data_urcs = call.number(2, 0) == 1

        if at_once:
            radio.dial(modem, context)
            return []

        def done() -> Reply:
            radio.start_data_call(modem, cid)
            return ["$QCRMCALL: 1, V4"] if name == "$QCRMCALL" else []

        return activate(modem, [context], done)

    return handler


def _calls(modem: Firmware, name: str) -> list[str]:
    """The read form: which context the NIC carries."""
    cid = modem.state.data_cid
    if name == "$QCRMCALL":
        return ["$QCRMCALL: 1, V4"] if cid else []
    if name == "+QNETDEVCTL":
        urcs = int(modem.state.settings.data_urcs)
        return [f"+QNETDEVCTL: 1,{cid},{urcs},1" if cid else "+QNETDEVCTL: 0,0,0,0"]
    if name in ("!SCACT", "^SWWAN"):
        return [f"{name}: {context},{int(context == cid)}" for context in modem.state.contexts]
    if name == "#ECM":
        return [f"#ECM: 0,{int(bool(cid))}"]
    return [f"{name}: {int(bool(cid))},{cid or 1}"]


def hang_up_ecm(modem: Firmware, call: Call) -> Reply:
    """#ECMD=<instance>: Telit has a command of its own for it."""
    radio.end_data_call(modem)
    return []


def ndisstatqry(modem: Firmware, call: Call) -> Reply:
    return [f"^NDISSTATQRY: {_families(modem, bool(modem.state.data_cid))}"]


def dhcp(modem: Firmware, call: Call) -> Reply:
    """^DHCP?: the IPv4 address the stick would give by DHCP, its octets from right to left in hexadecimal."""
    cid = modem.state.data_cid
    bearer = modem.state.contexts[cid].bearer if cid else None
    if bearer is None:
        raise CmeError(BAD_PARAMETERS)
    address = next((one for one in bearer.addresses if one.family == 4), None)
    if address is None:
        raise CmeError(BAD_PARAMETERS)
    dns = [one for one in bearer.dns if ":" not in one]
    values = [str(address.own.ip), str(address.own.netmask), address.gateway, address.gateway]
    values += [*dns, "0.0.0.0", "0.0.0.0"][:2]
    shown = [f"{int.from_bytes(ipaddress.ip_address(value).packed, 'little'):X}" for value in values]
    return [f"^DHCP: {','.join(shown)},150000000,150000000"]


def _families(modem: Firmware, up: bool) -> str:
    return f'{int(up)},,,"IPV4",0,,,"IPV6"'


# What is said by itself


def no_carrier(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    """Nobody could tell it from a result while a command runs, so then it is not said."""
    return [] if up or modem.is_running else ["NO CARRIER"]


def quectel_call(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    return [f"+QNETDEVSTATUS: {int(up)}"] if modem.state.settings.data_urcs else []


def huawei_call(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    return [f"^NDISSTAT: {_families(modem, up)}"]


def nobody_told(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    return []
