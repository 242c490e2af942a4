"""What makers do differently, as a table: identification, card number, data call, signal, reset, and their URCs."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.virtual import radio
from drivers.virtual.answers import BAD_PARAMETERS, INVALID_INDEX, CmeError, Reply
from drivers.virtual.at_line import Call
from drivers.virtual.card_commands import iccid
from drivers.virtual.card_files import swapped
from drivers.virtual.commands import COMMANDS, Handler, csq, reboot
from drivers.virtual.context_commands import activate
from drivers.virtual.signal_commands import SIGNAL_COMMANDS, huawei_signal

if TYPE_CHECKING:
    from drivers.virtual.firmware import Firmware

Urcs = Callable[["Firmware", int, bool], Sequence[str]]


# Identification


def _three_lines(modem: Firmware) -> list[str]:
    """Quectel's and most others' ATI."""
    return [modem.model.manufacturer, modem.model.model, f"Revision: {modem.model.revision}"]


def _labelled(modem: Firmware) -> list[str]:
    """Huawei's, Sierra's and SIMCom's ATI."""
    model = modem.model
    labels = (("Manufacturer", model.manufacturer), ("Model", model.model), ("Revision", model.revision))
    return [*(f"{label}: {value}" for label, value in labels), f"IMEI: {modem.imei}"]


def _huawei_iccid(modem: Firmware, call: Call) -> Reply:
    """^ICCID: the card's number as it lies in the file, digits swapped."""
    if modem.card is None:
        raise CmeError(int(modem.sim))
    return [f"^ICCID: {swapped(modem.card.subscription.iccid.ljust(20, 'F')).hex().upper()}"]


# Data calls: the NIC begins or ends to carry a context


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


def _hang_up_ecm(modem: Firmware, call: Call) -> Reply:
    """#ECMD=<instance>: Telit has a command of its own for it."""
    radio.end_data_call(modem)
    return []


def _ndisstatqry(modem: Firmware, call: Call) -> Reply:
    return [f"^NDISSTATQRY: {_families(modem, bool(modem.state.data_cid))}"]


def _dhcp(modem: Firmware, call: Call) -> Reply:
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


def _no_carrier(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    """Nobody could tell it from a result while a command runs, so then it is not said."""
    return [] if up or modem.is_running else ["NO CARRIER"]


def _quectel_data(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    return [f"+QNETDEVSTATUS: {int(up)}"] if modem.state.settings.data_urcs else []


def _huawei_data(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    return [f"^NDISSTAT: {_families(modem, up)}"]


def _nobody_told(modem: Firmware, cid: int, up: bool) -> Sequence[str]:
    return []


def _quectel_signal(modem: Firmware) -> Sequence[str]:
    return [f'+QIND: "csq",{csq(modem)},99']


def _qindcfg(modem: Firmware, call: Call) -> Reply:
    """+QINDCFG: "csq" and "all" switch the signal's URC."""
    if call.form == "=" and call.text(0) in ("csq", "all") and call.text(1):
        modem.state.settings.signal_urcs = call.number(1) == 1
    elif call.form == "=" and call.text(0) == "csq":
        return [f'+QINDCFG: "csq",{int(modem.state.settings.signal_urcs)}']
    return []


def _curc(modem: Firmware, call: Call) -> Reply:
    """^CURC: Huawei's switch for everything that is said by itself."""
    if call.form == "?":
        return [f"^CURC: {int(modem.state.settings.signal_urcs)}"]
    modem.state.settings.signal_urcs = call.number(0, 1) != 0
    return []


def _nothing(modem: Firmware, call: Call) -> Reply:
    """Bands, technologies and the like: taken, without any effect on a network that has one cell."""
    return []


@dataclass(frozen=True)
class Dialect:
    """`nic_follows`: the NIC carries the context that was activated last, without a command of its own for it."""

    own: Mapping[str, Handler]
    identification: Callable[[Firmware], list[str]] = _three_lines
    data_call_urcs: Urcs = _nobody_told
    signal_urcs: Callable[[Firmware], Sequence[str]] = lambda modem: []
    nic_follows: bool = False
    mask: str = "appended"  # to the address in +CGCONTRDP, or "separate", or "none"
    plain_session: bool = False  # +CCHO is answered by the number alone, as TS 27.007 first had it

    @property
    def commands(self) -> Mapping[str, Handler]:
        return {**COMMANDS, **self.own}

    def address_and_mask(self, address: str, mask: str) -> str:
        if self.mask == "separate":
            return f'"{address}","{mask}"'
        return f'"{address}.{mask}"' if self.mask == "appended" and ":" not in address else f'"{address}"'

    def session(self, number: int) -> str:
        return str(number) if self.plain_session else f"+CCHO: {number}"


DIALECTS: Mapping[str, Dialect] = {
    "generic": Dialect({"+WS46": _nothing}, data_call_urcs=_no_carrier, nic_follows=True, plain_session=True),
    "quectel": Dialect(
        {
            "+QCCID": iccid("+QCCID"),
            "+QNETDEVCTL": dial("+QNETDEVCTL", on=(1, 3), off=(0, 2), at_once=True),
            "$QCRMCALL": dial("$QCRMCALL", on=(1,), off=(0,)),
            "+QINDCFG": _qindcfg,
            **dict.fromkeys(("+QCFG", "+QURCCFG", "+QNWPREFCFG"), _nothing),
            **SIGNAL_COMMANDS["quectel"],
        },
        data_call_urcs=_quectel_data,
        signal_urcs=_quectel_signal,
    ),
    "huawei": Dialect(
        {
            "^ICCID": _huawei_iccid,
            "^NDISDUP": dial("^NDISDUP", on=(1,), off=(0,), cid_at=0, action_at=1, at_once=True),
            "^NDISSTATQRY": _ndisstatqry,
            "^DHCP": _dhcp,
            "^CURC": _curc,
            "^RESET": reboot,
            **dict.fromkeys(("^SYSCFGEX", "^IMSSWITCH"), _nothing),
            **SIGNAL_COMMANDS["huawei"],
        },
        identification=_labelled,
        data_call_urcs=_huawei_data,
        signal_urcs=huawei_signal,
        plain_session=True,
    ),
    "sierra": Dialect(
        {
            "+ICCID": iccid("ICCID"),
            "!SCACT": dial("!SCACT", on=(1,), off=(0,)),
            "!RESET": reboot,
            **dict.fromkeys(("!ENTERCND", "!SELRAT", "!BAND"), _nothing),
            **SIGNAL_COMMANDS["sierra"],
        },
        identification=_labelled,
    ),
    "telit": Dialect(
        {
            "#CCID": iccid("#CCID"),
            "#ECM": dial("#ECM", on=range(1, 17), off=(0,), cid_at=0),
            "#ECMD": _hang_up_ecm,
            "#REBOOT": reboot,
            **dict.fromkeys(("#BND", "#USBCFG", "+WS46"), _nothing),
            **SIGNAL_COMMANDS["telit"],
        },
        plain_session=True,
    ),
    "simcom": Dialect(
        {
            "+CICCID": iccid("+ICCID"),
            "$QCRMCALL": dial("$QCRMCALL", on=(1,), off=(0,)),
            "+CRESET": reboot,
            **dict.fromkeys(("+CNMP", "+CNBP"), _nothing),
            **SIGNAL_COMMANDS["simcom"],
        },
        identification=_labelled,
    ),
    "fibocom": Dialect(
        {
            "+ICCID": iccid("+ICCID"),
            "+GTRNDIS": dial("+GTRNDIS", on=(1,), off=(0,)),
            "+GTACT": _nothing,
            **SIGNAL_COMMANDS["fibocom"],
        },
    ),
    "cinterion": Dialect(
        {
            "^SCID": iccid("^SCID"),
            "^SWWAN": dial("^SWWAN", on=(1,), off=(0,)),
            "^SMSO": reboot,
            **dict.fromkeys(("^SXRAT", "^SCFG"), _nothing),
            **SIGNAL_COMMANDS["cinterion"],
        },
    ),
    "ublox": Dialect(dict.fromkeys(("+URAT", "+UBANDMASK"), _nothing), nic_follows=True, mask="none"),
}
