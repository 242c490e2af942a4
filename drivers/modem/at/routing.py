"""Whose a line is: an answer to the command that runs, or a result code that nobody asked for.

A command's own answer lines have its name in front, many have another, and some have none.  So a line belongs to the
command unless it is known to come by itself; and one with the command's own name belongs to it unless its form tells
otherwise.
"""

from __future__ import annotations

import re

from drivers.modem.at.command import Command

NAME = re.compile(r"\s*([+^!#%$*&][A-Za-z][A-Za-z0-9_]*)")
# Lines that come by themselves, by whose manual lists them.
_BY_SOURCE = {
    "3GPP TS 27.007": "+CREG +CGREG +CEREG +C5GREG +CGEV +CPIN +CRING +CLIP +CCWA +CUSD +CTZV +CTZE +CTZEU +CIEV +CSSU"
    " +CSSI +CNEM +CIREPI +CIREGU +CPNER +CGANS",
    "3GPP TS 27.005": "+CMTI +CMT +CBM +CDS +CDSI",
    "Quectel": "+QIND +QUSIM +QSIMSTAT +QNETDEVSTATUS +QIURC",
    "Huawei": "^BOOT ^RSSI ^HCSQ ^MODE ^SRVST ^SIMST ^STIN ^NDISSTAT ^NDISEND ^DSFLOWRPT ^CEND ^CONN ^ORIG",
    "Cinterion": "^SYSSTART ^SHUTDOWN ^SIS ^SISR ^SISW ^SSIM ^SCKS",
    "u-blox": "+UUPSDA +UUPSDD +UUSIMSTAT +UREG",
    "Telit": "#QSS #ECMURC #PSNT",
    "SIMCom": "+SIMCARD",
    "Fibocom": "+GTEV +XCIEV +XNITZINFO",
}
UNSOLICITED = frozenset(name for names in _BY_SOURCE.values() for name in names.split())
# Words without a prefix that come by themselves, at power-on above all.
WORDS = frozenset(
    {
        "RING",
        "RDY",
        "APP RDY",
        "CALL READY",
        "SMS READY",
        "SMS DONE",
        "PB DONE",
        "NORMAL POWER DOWN",
        "POWERED DOWN",
    }
)
# These have the same name as an answer and as a URC; the number of fields and their form tell (TS 27.007 7.2).
REGISTRATION = frozenset({"+CREG", "+CGREG", "+CEREG", "+C5GREG"})
_ASKING = frozenset({"?", "=?", ""})


def is_unsolicited(line: str, command: Command) -> bool:
    """Whether a line that came while `command` ran has nothing to do with it."""
    if line.strip().upper() in WORDS:
        return True
    found = NAME.match(line)
    if not found or (name := found[1].upper()) not in UNSOLICITED:
        return False
    forms = [form for own, form in command.parts if own == name]
    if name in REGISTRATION:
        return not any(form in _ASKING for form in forms) or not reads_state(line)
    return not forms


def reads_state(line: str) -> bool:
    """Whether a registration line is the answer to a read command: <n>,<stat>[,...] and not <stat>[,...]."""
    fields = [field.strip() for field in line.partition(":")[2].split(",")]
    if "(" in line or len(fields) == 2:  # +CREG: (0-2)
        return True
    if len(fields) in (1, 3):
        return False
    return re.fullmatch(r"\d|1[01]", fields[1]) is not None
