"""+CREG, +CGREG, +CEREG, +C5GREG: read form and result code (3GPP TS 27.007 7.2, 10.1.20, 10.1.22, 10.1.47), and +COPS.

Read form: <n>,<stat>[,<lac>,<ci>,<AcT>[,...]]; by itself: <stat>[,<lac>,...].  Some firmware has <rac> before <ci>.
`lac_or_tac` and `ci` are 0 where the modem told none; `lac` and `tac` are None then.
"""

from __future__ import annotations

import re

from drivers.modem.at.routing import reads_state
from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, Field, at, bodies, body, fields_of, hexadecimal, integer, needed, text

PREFIXES = ("+CREG", "+CGREG", "+CEREG", "+C5GREG")
STATES = (
    "idle",
    "home",
    "searching",
    "denied",
    "unknown",
    "roaming",
    "home_sms_only",
    "roaming_sms_only",
    "emergency_only",
    "home_csfb_not_preferred",
    "roaming_csfb_not_preferred",
    "attached_rlos",
)
# <AcT> of TS 27.007 7.3 (+COPS); 3 is GSM with EGPRS.
RATS = (
    "GSM",
    "GSM_COMPACT",
    "UMTS",
    "EDGE",
    "HSDPA",
    "HSUPA",
    "HSPA",
    "LTE",
    "EC-GSM-IOT",
    "NB-IOT",
    "LTE-5GCN",
    "5GNR",
    "NG-RAN",
    "EN-DC",
)


def rat_of(act: int | None) -> str | None:
    """The name of an access technology, None where it is absent or unknown."""
    return RATS[act] if act is not None and 0 <= act < len(RATS) else None


def registration(answer: str, *, unsolicited: bool | None = None) -> Answer:
    """One registration line.  `unsolicited`: whether it came by itself; None leaves that to its form."""
    for prefix in PREFIXES:
        if found := bodies(answer, prefix):
            return _registration(prefix, found[0], unsolicited)
    raise ResponseError(f"no line begins with {', '.join(PREFIXES)}")


def _registration(prefix: str, line: str, unsolicited: bool | None) -> Answer:
    fields = fields_of(line)
    has_n = reads_state(f"{prefix}:{line}")
    n = integer(at(fields, 0)) if has_n else None
    stat = needed(integer(at(fields, 1 if has_n else 0)), "<stat>")
    if not 0 <= stat < len(STATES):
        raise ResponseError(f"<stat> {stat} is unknown")
    area, rac, ci, act, rest = _cell(prefix, fields[2 if has_n else 1 :])
    is_5g = prefix == "+C5GREG"
    return {
        "prefix": prefix,
        "solicited": has_n if unsolicited is None else not unsolicited,
        "n": n,
        "stat": stat,
        "state": STATES[stat],
        "lac_or_tac": area or 0,
        "tac": area,
        "lac": area,
        "rac": rac,
        "ci": ci or 0,
        "act": act,
        "rat": rat_of(act),
        "nssai_len": integer(at(rest, 0)) if is_5g else None,
        "nssai": text(at(rest, 1)) if is_5g else None,
    }


def _cell(prefix: str, fields: list[Field]) -> tuple[int | None, int | None, int | None, int | None, list[Field]]:
    """Area, <rac>, <ci>, <AcT> and what follows it."""
    area, rac = _lenient(at(fields, 0)), None
    if prefix == "+CEREG" and len(fields) == 4 and re.fullmatch(r"[0-9A-Fa-f]{2}", at(fields, 1)) and _wide(fields[2]):
        rac = hexadecimal(at(fields, 1))
        fields = [fields[0], *fields[2:]]
    act = integer(at(fields, 2))
    if prefix in ("+CREG", "+CGREG"):
        rac = _lenient(at(fields, 3))
    return area, rac, _lenient(at(fields, 1)), act, fields[3:]


def _wide(field: Field) -> bool:
    return len(field.text) > 2


def _lenient(value: str) -> int | None:
    """An area or cell; None for what is none: modems without a cell fill the place with blanks and odd digits."""
    return None if " " in value else hexadecimal(value)


# +COPS (TS 27.007 7.3)

STATUS = ("unknown", "available", "current", "forbidden")
# Where the GSM 7-bit default alphabet (TS 23.038 6.2.1) has another character than ASCII has.
_GSM = str.maketrans("$@[\\]^_`{|}~", "¤¡ÄÖÑÜ§¿äöñü")


def current_operator(answer: str, *, charset: str = "GSM") -> Answer:
    """AT+COPS?: the operator that is selected.  `operator` is None while there is none."""
    return _operator(body(answer, "+COPS"), charset)


def _operator(line: str, charset: str) -> Answer:
    fields = fields_of(line)
    name, act = text(at(fields, 2)), integer(at(fields, 3))
    oper = None if name is None else decoded(name, charset)
    return {
        "mode": needed(integer(at(fields, 0)), "<mode>"),
        "format": integer(at(fields, 1)),
        "operator": oper,
        "oper": oper,
        "act": act,
        "rat": rat_of(act),
    }


def current_operators(answer: str) -> list[Answer]:
    """Every +COPS line of a command line that asked more than once."""
    return [_operator(line, "GSM") for line in bodies(answer, "+COPS")]


def operators(answer: str, *, charset: str = "GSM") -> Answer:
    """AT+COPS=?: the operators that the modem found.  One without <AcT> is GSM: the field came with UMTS."""
    if not bodies(answer, "+COPS"):
        raise ResponseError("no line begins with +COPS:")
    found = []
    for group in _groups(answer):
        fields = fields_of(group)
        if len(fields) >= 4 and re.fullmatch(r"[0-9]{5,6}", fields[3].text):
            found.append(_found(fields, charset))
    return {"charset": charset, "operators": found}


def _found(fields: list[Field], charset: str) -> Answer:
    stat = needed(integer(fields[0].text), "<stat>")
    if not 0 <= stat < len(STATUS):
        raise ResponseError(f"<stat> {stat} of an operator is unknown")
    long, short = text(fields[1].text), text(fields[2].text)
    act = integer(at(fields, 4))
    return {
        "status": STATUS[stat],
        "stat": stat,
        "long": None if long is None else decoded(long, charset),
        "short": None if short is None else decoded(short, charset),
        "plmn": fields[3].text,
        "rat": rat_of(0 if act is None else act),
    }


def _groups(answer: str) -> list[str]:
    """What stands in parentheses; names may hold parentheses too."""
    groups, start, quoted = [], None, False
    for place, character in enumerate(answer):
        if character == '"':
            quoted = not quoted
        elif character == "(" and not quoted:
            start = place + 1
        elif character == ")" and not quoted and start is not None:
            groups.append(answer[start:place])
            start = None
    return groups


def decoded(name: str, charset: str) -> str:
    """A name in the character set that AT+CSCS has chosen (TS 27.007 5.5)."""
    if charset == "GSM":
        return name.translate(_GSM)
    if charset == "UCS2":
        try:
            return bytes.fromhex(name).decode("utf-16-be")
        except ValueError as wrong:
            raise ResponseError(f"{name[:30]!r} is not in UCS2") from wrong
    return name
