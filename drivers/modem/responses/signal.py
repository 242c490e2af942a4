"""+CSQ, +CESQ (3GPP TS 27.007 8.5, 8.69), Intel's +XCESQ; levels as dBm and dB (TS 45.008, 25.133, 36.133).

Each level stands for a range; the value is its lower bound, as the tables of TS 27.007 give it.
"""

from __future__ import annotations

from drivers.modem.responses.text import Answer, at, body, fields_of, integer, needed

UNKNOWN_2G, UNKNOWN = 99, 255


def strength(answer: str) -> Answer:
    """AT+CSQ; `dbm` and `ber` are None where they are not known."""
    fields = fields_of(body(answer, "+CSQ"))
    rssi, ber = needed(integer(at(fields, 0)), "<rssi>"), integer(at(fields, 1))
    return {"rssi": rssi, "dbm": -113 + 2 * rssi if 0 <= rssi <= 31 else None, "ber": None if ber == 99 else ber}


def extended(answer: str) -> Answer:
    """AT+CESQ."""
    return _levels([needed(integer(field.text), "a level") for field in fields_of(body(answer, "+CESQ"))])


def extended_intel(answer: str) -> Answer:
    """AT+XCESQ? of Intel's modems: as +CESQ, with <n> before and RSSNR in halves of a dB behind."""
    values = [needed(integer(field.text), "a level") for field in fields_of(body(answer, "+XCESQ"))]
    rssnr = values[7] if len(values) > 7 else UNKNOWN
    return {**_levels(values[1:7]), "rssnr_level": rssnr, "rssnr": None if rssnr == UNKNOWN else rssnr / 2}


def _levels(values: list[int]) -> Answer:
    padded = values + [UNKNOWN_2G, UNKNOWN_2G, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN][len(values) :]
    rxlev, ber, rscp, ecn0, rsrq, rsrp = padded[:6]
    has_gsm, has_umts = rxlev != UNKNOWN_2G, UNKNOWN not in (rscp, ecn0)
    has_lte = UNKNOWN not in (rsrq, rsrp)
    return {
        "gsm_info": has_gsm,
        "rxlev": rxlev,
        "rssi": -111.0 + rxlev if has_gsm else None,
        "ber": ber,
        "umts_info": has_umts,
        "rscp_level": rscp,
        "rscp": -121.0 + rscp if has_umts else None,
        "ecn0_level": ecn0,
        "ecio": -24.5 + ecn0 / 2 if has_umts else None,
        "lte_info": has_lte,
        "rsrq_level": rsrq,
        "rsrq": -20.0 + rsrq / 2 if has_lte else None,
        "rsrp_level": rsrp,
        "rsrp": -141.0 + rsrp if has_lte else None,
    }
