"""The device itself: +CFUN (3GPP TS 27.007 8.2), +CCLK (8.15), and who made it (5.1 to 5.3)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, at, bodies, body, fields_of, integer, lines_of, needed

_CLOCK = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{2}),([0-9]{2}):([0-9]{2}):([0-9]{2})([+-][0-9]{1,3})?")


def functionality(answer: str) -> Answer:
    """AT+CFUN?"""
    return {"fun": needed(integer(at(fields_of(body(answer, "+CFUN")), 0)), "<fun>")}


def clock(answer: str) -> Answer:
    """AT+CCLK?; the zone is in quarters of an hour.  A clock that was never set is no valid one."""
    found = _CLOCK.fullmatch(body(answer, "+CCLK").strip('" '))
    if not found:
        return {"valid": False, "iso8601": None, "utc_offset_min": None}
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    quarters = int(found[7] or "0")
    try:
        zone = timezone(timedelta(minutes=15 * quarters))
        moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return {"valid": False, "iso8601": None, "utc_offset_min": None}
    text = moment.isoformat().removesuffix(":00") if found[7] else moment.replace(tzinfo=None).isoformat()
    return {"valid": True, "iso8601": text, "utc_offset_min": 15 * quarters if found[7] else None}


def model(answer: str) -> Answer:
    """AT+CGMM or AT+GMM: the last of the names where there are several."""
    lines = bodies(answer, "+CGMM", "+GMM") or lines_of(answer)
    names = [field.text for line in lines[:1] for field in fields_of(line) if field.text]
    if not names:
        raise ResponseError("no line names a model")
    return {"model": names[-1]}


def manufacturer(answer: str) -> Answer:
    """AT+CGMI."""
    lines = bodies(answer, "+CGMI", "+GMI") or lines_of(answer)
    if not lines:
        raise ResponseError("no line names a manufacturer")
    return {"manufacturer": lines[0].strip('" ')}
