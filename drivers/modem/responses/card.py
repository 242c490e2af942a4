"""The card as the modem shows it: +CPIN (3GPP TS 27.007 8.3), +CIMI (5.6), ICCID (ITU-T E.118)."""

from __future__ import annotations

import re

from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, bodies, lines_of

ICCID_NAMES = ("+CCID", "+ICCID", "^ICCID", "+QCCID", "#CCID", "!ICCID", "%CCID", "+CICCID", "^SCID")
_LOCK = re.compile(r"(READY|(SIM|PH)[A-Z0-9 -]*)", re.IGNORECASE)


def lock(answer: str) -> Answer:
    """AT+CPIN?: `state` in the modem's words; `lock` is None for READY, else the words joined by `_`."""
    lines = bodies(answer, "+CPIN")
    has_prefix = bool(lines)
    state = (lines or lines_of(answer) or [""])[0].strip().strip('"').strip()
    if not _LOCK.fullmatch(state):
        raise ResponseError(f"{state[:30]!r} is no state of a card")
    state = re.sub(r"\s+", " ", state.upper())
    name = None if state == "READY" else re.sub(r"[ -]+", "_", state)
    return {"lock": name, "state": state, "prefix_expected": has_prefix}


def iccid(answer: str) -> Answer:
    """The ICCID, with or without its command's name before it; some modems show its digits as they are in EF-ICCID.

    `valid` is False, `iccid` None, for what is none.  19 or 20 digits, some operators' with hexadecimal ones.
    """
    lines = bodies(answer, *ICCID_NAMES) or lines_of(answer)
    digits = (lines or [""])[0].strip().strip('"').upper()
    if re.fullmatch(r"98[0-9A-F]{17,18}", digits):  # TS 102 221 13.2: two digits a byte, the first one low
        digits = "".join(digits[place : place + 2][::-1] for place in range(0, len(digits), 2))
    digits = digits.removesuffix("F")
    valid = re.fullmatch(r"89[0-9A-F]{17,18}", digits) is not None
    return {"iccid": digits if valid else None, "valid": valid}


def imsi(answer: str) -> Answer:
    """AT+CIMI: the line of 6 to 15 digits (TS 23.003 2.2)."""
    for line in bodies(answer, "+CIMI") or lines_of(answer):
        if re.fullmatch(r"[0-9]{6,15}", line.strip().strip('"')):
            return {"imsi": line.strip().strip('"')}
    raise ResponseError("no line is an IMSI")
