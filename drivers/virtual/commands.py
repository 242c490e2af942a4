"""The commands that every modem has: V.250, and TS 27.007 but for contexts and the card, which have files of their own.

A handler takes the modem and the call and gives the answer's lines, or what to wait for; it raises CmeError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from drivers.virtual import radio
from drivers.virtual.answers import BAD_PARAMETERS, NO_SERVICE, CmeError, PlainError, Reply, Wait, of_cause
from drivers.virtual.at_line import Call
from drivers.virtual.card_commands import CARD_COMMANDS
from drivers.virtual.context_commands import CONTEXT_COMMANDS
from drivers.virtual.state import E_UTRAN, Settings, Stat

if TYPE_CHECKING:
    from drivers.virtual.firmware import Firmware

Handler = Callable[["Firmware", Call], Reply]
RESTARTS = (15, 16)  # of +CFUN: what some makers have for a restart
ATTACH_S = 20.0  # how long +CGATT=1 and +COPS wait for the network


def nothing(modem: Firmware, call: Call) -> Reply:
    """Taken, without any effect: what is for a wire, or for bands and technologies where there is one cell."""
    return []


def _echo(modem: Firmware, call: Call) -> Reply:
    modem.state.settings.echo = _switch(call)
    return []


def _verbose(modem: Firmware, call: Call) -> Reply:
    modem.state.settings.verbose = _switch(call)
    return []


def _quiet(modem: Firmware, call: Call) -> Reply:
    modem.state.settings.quiet = _switch(call)
    return []


def _defaults(modem: Firmware, call: Call) -> Reply:
    """Z and &F: settings of the interface, not the modem's state."""
    modem.state.settings = Settings()
    return []


def _identification(modem: Firmware, call: Call) -> Reply:
    """ATI, which looks different with every maker."""
    return modem.dialect.identification(modem)


def _dial(modem: Firmware, call: Call) -> Reply:
    """There is no modem protocol behind this port: a dial string finds nobody."""
    raise PlainError


def _words(words: Callable[[Firmware], str]) -> Handler:
    def handler(modem: Firmware, call: Call) -> Reply:
        return [] if call.form == "=?" else [words(modem)]

    return handler


def _cmee(modem: Firmware, call: Call) -> Reply:
    settings = modem.state.settings
    if call.form == "?":
        return [f"+CMEE: {settings.cmee}"]
    if call.form == "=?":
        return ["+CMEE: (0-2)"]
    settings.cmee = _within(call, 0, 2)
    return []


def _cfun(modem: Firmware, call: Call) -> Reply:
    if call.form == "?":
        return [f"+CFUN: {modem.state.functionality}"]
    if call.form == "=?":
        return ["+CFUN: (0,1,4),(0,1)"]
    value, reset = call.number(0, 1), call.number(1, 0)
    if value not in (0, 1, 4, *RESTARTS) or reset not in (0, 1):
        raise CmeError(BAD_PARAMETERS)
    if reset or value in RESTARTS:
        modem.act("reboot")
    else:
        radio.set_functionality(modem, value)
    return []


def reboot(modem: Firmware, call: Call) -> Reply:
    """The vendors' own commands for it: OK, then the modem goes and comes back."""
    modem.act("reboot")
    return []


def _registration(modem: Firmware, call: Call) -> Reply:
    """+CREG, +CGREG, +CEREG (TS 27.007 7.2, 10.1.20, 10.1.22)."""
    reporting = modem.state.settings.reporting
    if call.form == "?":
        own = reporting[call.name]
        return [f"{call.name}: {own},{radio.registration(modem, own)}"]
    if call.form == "=?":
        return [f"{call.name}: (0-3)"]
    reporting[call.name] = _within(call, 0, 3)
    return []


def _cops(modem: Firmware, call: Call) -> Reply:
    """+COPS (TS 27.007 7.3)."""
    state = modem.state
    if call.form == "?":
        mode = state.cops_mode
        if not state.cell:
            return [f"+COPS: {mode}"]
        form = state.settings.cops_format
        name = state.cell.plmn if form == 2 else state.cell.operator
        return [f'+COPS: {mode},{form},"{name}",{E_UTRAN}']
    if call.form == "=?":
        found = [f'(2,"{cell.operator}","{cell.operator}","{cell.plmn}",{E_UTRAN})'] if (cell := state.cell) else []
        return ["+COPS: " + ",".join([*found, "", "(0,1,2,3,4)", "(0,1,2)"])]
    mode = _within(call, 0, 4)
    if call.text(1):
        state.settings.cops_format = call.number(1)
    if mode == 3:
        return []
    state.cops_mode = mode
    if mode == 2:
        radio.detach(modem)
        return []
    if mode in (1, 4) and state.cell and call.text(2) not in (state.cell.plmn, state.cell.operator):
        radio.detach(modem)
        raise CmeError(NO_SERVICE)
    return _attaching(modem)


def _cgatt(modem: Firmware, call: Call) -> Reply:
    """+CGATT (TS 27.007 10.1.9)."""
    state = modem.state
    if call.form == "?":
        return [f"+CGATT: {int(state.stat.registered)}"]
    if call.form == "=?":
        return ["+CGATT: (0,1)"]
    if _within(call, 0, 1):
        return _attaching(modem)
    state.wants_attach = False
    radio.detach(modem)
    return []


def _attaching(modem: Firmware) -> Reply:
    """Attach, and wait until that is done one way or the other."""
    state = modem.state
    if state.stat.registered:
        return []
    modem.need_card()
    state.wants_attach = True
    radio.attach(modem)

    def until() -> Reply | None:
        if state.stat == Stat.DENIED and state.reject_cause is not None:
            raise of_cause(state.reject_cause)
        return [] if state.stat.registered else None

    return Wait(until, ATTACH_S, late=CmeError(NO_SERVICE))  # type: ignore[arg-type]


def _csq(modem: Firmware, call: Call) -> Reply:
    """+CSQ (TS 27.007 8.5): 0 is -113 dBm or less, 31 is -51 dBm or more, 99 unknown."""
    if call.form == "=?":
        return ["+CSQ: (0-31,99),(0-7,99)"]
    return [f"+CSQ: {csq(modem)},99"]


def csq(modem: Firmware) -> int:
    return min(max((modem.state.signal.rssi_dbm + 113) // 2, 0), 31) if modem.state.cell else 99


def _cesq(modem: Firmware, call: Call) -> Reply:
    """+CESQ (TS 27.007 8.69): RSRQ in steps of 0.5 dB above -20, RSRP in dB above -141."""
    signal = modem.state.signal
    if not modem.state.cell:
        return ["+CESQ: 99,99,255,255,255,255"]
    rsrq = min(max((signal.rsrq_db + 20) * 2, 0), 34)
    return [f"+CESQ: 99,99,255,255,{rsrq},{min(max(signal.rsrp_dbm + 141, 0), 97)}"]


def _switch(call: Call) -> bool:
    return bool(_within(call, 0, 1))


def _within(call: Call, low: int, high: int) -> int:
    value = call.number(0, 0)
    if not low <= value <= high:
        raise CmeError(BAD_PARAMETERS)
    return value


COMMANDS: Mapping[str, Handler] = {
    "E": _echo,
    "V": _verbose,
    "Q": _quiet,
    "Z": _defaults,
    "&F": _defaults,
    "I": _identification,
    "D": _dial,
    **dict.fromkeys(
        ("H", "X", "&C", "&D", "&W", "&K", "S0", "S3", "S4", "S5", "S7", "+IPR", "+CSCS", "+CGAUTH"), nothing
    ),
    **dict.fromkeys(("+CGMI", "+GMI"), _words(lambda modem: modem.model.manufacturer)),
    **dict.fromkeys(("+CGMM", "+GMM"), _words(lambda modem: modem.model.model)),
    **dict.fromkeys(("+CGMR", "+GMR"), _words(lambda modem: modem.model.revision)),
    **dict.fromkeys(("+CGSN", "+GSN"), _words(lambda modem: modem.imei)),
    "+CMEE": _cmee,
    "+CFUN": _cfun,
    **dict.fromkeys(("+CREG", "+CGREG", "+CEREG"), _registration),
    "+COPS": _cops,
    "+CGATT": _cgatt,
    "+CSQ": _csq,
    "+CESQ": _cesq,
    **CONTEXT_COMMANDS,
    **CARD_COMMANDS,
}
