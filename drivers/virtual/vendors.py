"""What makers do differently, as a table: identification, card number, data call, signal, reset, and their URCs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from drivers.virtual.answers import CmeError, Reply
from drivers.virtual.at_line import Call
from drivers.virtual.card_commands import iccid
from drivers.virtual.card_files import swapped
from drivers.virtual.commands import COMMANDS, Handler, csq, nothing, reboot
from drivers.virtual.data_calls import (
    dhcp,
    dial,
    hang_up_ecm,
    huawei_call,
    ndisstatqry,
    no_carrier,
    nobody_told,
    quectel_call,
)
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


# What is said by itself


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


@dataclass(frozen=True)
class Dialect:
    """`nic_follows`: the NIC carries the context that was activated last, without a command of its own for it."""

    own: Mapping[str, Handler]
    identification: Callable[[Firmware], list[str]] = _three_lines
    data_call_urcs: Urcs = nobody_told
    signal_urcs: Callable[[Firmware], Sequence[str]] = lambda modem: []
    nic_follows: bool = False
    mask: str = "appended"  # to the address in +CGCONTRDP, or "separate", or "none"
    plain_session: bool = False  # +CCHO is answered by the number alone, as TS 27.007 first had it

    @cached_property
    def commands(self) -> Mapping[str, Handler]:
        return {**COMMANDS, **self.own}

    def address_and_mask(self, address: str, mask: str) -> str:
        if self.mask == "separate":
            return f'"{address}","{mask}"'
        return f'"{address}.{mask}"' if self.mask == "appended" and ":" not in address else f'"{address}"'

    def session(self, number: int) -> str:
        return str(number) if self.plain_session else f"+CCHO: {number}"


DIALECTS: Mapping[str, Dialect] = {
    "generic": Dialect({"+WS46": nothing}, data_call_urcs=no_carrier, nic_follows=True, plain_session=True),
    "quectel": Dialect(
        {
            "+QCCID": iccid("+QCCID"),
            "+QNETDEVCTL": dial("+QNETDEVCTL", on=(1, 3), off=(0, 2), at_once=True),
            "$QCRMCALL": dial("$QCRMCALL", on=(1,), off=(0,)),
            "+QINDCFG": _qindcfg,
            **dict.fromkeys(("+QCFG", "+QURCCFG", "+QNWPREFCFG"), nothing),
            **SIGNAL_COMMANDS["quectel"],
        },
        data_call_urcs=quectel_call,
        signal_urcs=_quectel_signal,
    ),
    "huawei": Dialect(
        {
            "^ICCID": _huawei_iccid,
            "^NDISDUP": dial("^NDISDUP", on=(1,), off=(0,), cid_at=0, action_at=1, at_once=True),
            "^NDISSTATQRY": ndisstatqry,
            "^DHCP": dhcp,
            "^CURC": _curc,
            "^RESET": reboot,
            **dict.fromkeys(("^SYSCFGEX", "^IMSSWITCH"), nothing),
            **SIGNAL_COMMANDS["huawei"],
        },
        identification=_labelled,
        data_call_urcs=huawei_call,
        signal_urcs=huawei_signal,
        plain_session=True,
    ),
    "sierra": Dialect(
        {
            "+ICCID": iccid("ICCID"),
            "!SCACT": dial("!SCACT", on=(1,), off=(0,)),
            "!RESET": reboot,
            **dict.fromkeys(("!ENTERCND", "!SELRAT", "!BAND"), nothing),
            **SIGNAL_COMMANDS["sierra"],
        },
        identification=_labelled,
    ),
    "telit": Dialect(
        {
            "#CCID": iccid("#CCID"),
            "#ECM": dial("#ECM", on=range(1, 17), off=(0,), cid_at=0),
            "#ECMD": hang_up_ecm,
            "#REBOOT": reboot,
            **dict.fromkeys(("#BND", "#USBCFG", "+WS46"), nothing),
            **SIGNAL_COMMANDS["telit"],
        },
        mask="separate",
        plain_session=True,
    ),
    "simcom": Dialect(
        {
            "+CICCID": iccid("+ICCID"),
            "$QCRMCALL": dial("$QCRMCALL", on=(1,), off=(0,)),
            "+CRESET": reboot,
            **dict.fromkeys(("+CNMP", "+CNBP"), nothing),
            **SIGNAL_COMMANDS["simcom"],
        },
        identification=_labelled,
    ),
    "fibocom": Dialect(
        {
            "+ICCID": iccid("+ICCID"),
            "+GTRNDIS": dial("+GTRNDIS", on=(1,), off=(0,)),
            "+GTACT": nothing,
            **SIGNAL_COMMANDS["fibocom"],
        },
    ),
    "cinterion": Dialect(
        {
            "^SCID": iccid("^SCID"),
            "^SWWAN": dial("^SWWAN", on=(1,), off=(0,)),
            "^SMSO": reboot,
            **dict.fromkeys(("^SXRAT", "^SCFG"), nothing),
            **SIGNAL_COMMANDS["cinterion"],
        },
    ),
    "ublox": Dialect(dict.fromkeys(("+URAT", "+UBANDMASK"), nothing), nic_follows=True, mask="none"),
}
