"""Which parser reads the answer to which command.

The keys of what a parser returns are fixed: topologies, scenarios and users' reports rely on them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from drivers.modem.at.command import parts_of
from drivers.modem.at.final import first_final
from drivers.modem.errors import ResponseError
from drivers.modem.responses import (
    card,
    cinterion,
    contexts,
    device,
    fibocom,
    huawei,
    quectel,
    registration,
    sierra,
    signal,
    simcom,
    telit,
    text,
    ublox,
)
from drivers.modem.responses.text import Answer

Parser = Callable[[str], Answer]
# By a command's name; with =? behind it where the test command's answer is another.
PARSERS: dict[str, Parser] = {
    **dict.fromkeys(registration.PREFIXES, registration.registration),
    "+COPS": registration.current_operator,
    "+COPS=?": registration.operators,
    "+CGDCONT": contexts.defined,
    "+CGDCONT=?": contexts.definable,
    "+CGACT": contexts.activity,
    "!SCACT": contexts.activity,
    "+CGPADDR": contexts.given_addresses,
    "+CGCONTRDP": contexts.dynamic_parameters,
    "+CGEV": contexts.packet_event,
    "+CSQ": signal.strength,
    "+CESQ": signal.extended,
    "+XCESQ": signal.extended_intel,
    "+CPIN": card.lock,
    **dict.fromkeys(card.ICCID_NAMES, card.iccid),
    "+CIMI": card.imsi,
    "+CFUN": device.functionality,
    "+CCLK": device.clock,
    "+CGMM": device.model,
    "+GMM": device.model,
    "+CGMI": device.manufacturer,
    "+GMI": device.manufacturer,
    "+QENG": quectel.engineering,
    "+QCSQ": quectel.levels,
    "+QRSRP": quectel.rsrp_of_antennas,
    "+QNWINFO": quectel.network,
    "!GSTATUS": sierra.status,
    "%IPDPADDR": sierra.icera_addresses,
    "+CPSI": simcom.system_information,
    "#RFSTS": telit.radio_status,
    "#SERVINFO": telit.service_information,
    "+XLEC": fibocom.carriers,
    "+RSRP": fibocom.rsrp_of_cells,
    "+XMCI": fibocom.cell_information,
    "^HCSQ": huawei.levels,
    "^DHCP": huawei.lease,
    "^NDISSTAT": huawei.data_call,
    "^NDISSTATQRY": huawei.data_call,
    "^SYSINFO": huawei.system,
    "^SYSINFOEX": huawei.system_extended,
    "^SMONI": cinterion.serving_cell,
    "+UIPADDR": ublox.interface,
}


def framing(answer: str) -> Answer:
    """Whether an answer holds a final result code, and whether that is an error."""
    final = first_final(re.split(r"[\r\n]+", answer))
    return {"final": False} if final is None else {"final": True, "error": not final.ok}


# What is no command but can be asked of any answer.
ASPECTS: dict[str, Parser] = {
    "final result framing": framing,
    "echo removal": lambda answer: {"without_echo": text.without_echo(answer)},
}


def parse(command: str, answer: str) -> Answer:
    """Read the answer to a command line.  Raises ResponseError, and nothing else, for what is no such answer.

    `command` is the command line, or for a result code that came by itself its bare name (`+CREG`) or the line with
    `(URC)` behind it.  Of several commands in one line each has its part in the result, by its name in small letters.
    """
    if aspect := ASPECTS.get(command):
        return aspect(answer)
    if ";" in command:
        return _several(command, answer)
    for name, form in parts_of(command):
        parser = PARSERS.get(name + form) if form == "=?" and name + form in PARSERS else PARSERS.get(name)
        if parser is registration.registration:
            by_itself = command[:2].upper() != "AT" or "(URC)" in command
            return registration.registration(answer, unsolicited=by_itself)
        if parser:
            return parser(answer)
    raise ResponseError(f"answers to {command[:60]!r} are unknown", mend="`testbed modem parse --help` lists commands")


def _several(command: str, answer: str) -> Answer:
    """One answer to several commands, which may come in any order: the few facts of each that matter."""
    result: Answer = {}
    for name, form in parts_of(command):
        if form != "=" and name in PARSERS:
            result[name.lstrip("+^!#%$").lower()] = _BRIEF.get(name, PARSERS[name])(answer)
    if not result:
        raise ResponseError(f"nothing in {command[:60]!r} has an answer that is known")
    return result


def _only(keys: str, answer: Answer) -> Answer:
    return {key: answer[key] for key in keys.split()}


def _strength(answer: str) -> Answer | None:
    found = signal.strength(answer)
    return found if found["dbm"] is not None else None


def _levels(answer: str) -> Answer | None:
    found = signal.extended(answer)
    return {"rsrq_db": found["rsrq"], "rsrp_dbm": found["rsrp"]} if found["lte_info"] else None


_BRIEF: dict[str, Callable[[str], object]] = {
    "+CSQ": _strength,
    "+CESQ": _levels,
    "+CPIN": lambda answer: card.lock(answer)["state"],
    "+COPS": lambda answer: [_only("mode format oper act", one) for one in registration.current_operators(answer)],
    "+CREG": lambda answer: _only("n stat lac ci act", registration.registration(answer)),
    "+CGREG": lambda answer: _only("n stat lac ci act", registration.registration(answer)),
    "+CEREG": lambda answer: _only("n stat tac ci act", registration.registration(answer)),
    "+C5GREG": lambda answer: _only("n stat tac ci act", registration.registration(answer)),
}


@functools.cache
def commands() -> tuple[str, ...]:
    """The commands whose answers can be read."""
    return tuple(sorted(f"AT{name}" for name in PARSERS))
