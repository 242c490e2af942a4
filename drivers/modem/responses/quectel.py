"""Quectel: +QENG, +QCSQ, +QRSRP, +QNWINFO (EC2x, EG9x, EM/EP06 and RM5xx AT manuals; dialects of others alike).

The SINR of +QENG is in dB on some models and a raw level on others: `sinr_raw` is what was sent.  +QCSQ says it the
same everywhere: raw / 5 - 20.
"""

from __future__ import annotations

from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, Columns, Field, at, bodies, body, fields_of, integer, lines_of

_LTE = Columns(
    "duplex mcc mnc cellid:x pci:d earfcn:d band:d ul_bw:d dl_bw:d tac:x rsrp:d rsrq:d rssi:d sinr_raw:d srxlev:d"
)
_NR_SA = Columns("duplex mcc mnc cellid:x pci:d tac:x arfcn:d band:d nr_dl_bw:d rsrp:d rsrq:d sinr:d scs:d srxlev:d")
_ANCHOR = Columns(
    "duplex mcc mnc cellid:x pci:d earfcn:d band:d _ _ tac:x rsrp:d rsrq:d rssi:d sinr:d cqi:d tx_power:d srxlev:d"
)
_NR_NSA = Columns("mcc mnc pci:d rsrp:d sinr:d rsrq:d arfcn:d band:d nr_dl_bw:d scs:d")
_UMTS = Columns("mcc mnc lac:x cellid:x uarfcn:d psc:d rac:d rscp:d ecio:d phych:d sf:d slot:d")
_GSM = Columns("mcc mnc lac:x cellid:x bsic:d arfcn:d band rxlev:d txp:d rla:d")
_SERVING = {"LTE": _LTE, "CAT-M": _LTE, "CAT-NB": _LTE, "NR5G-SA": _NR_SA, "WCDMA": _UMTS, "GSM": _GSM}
# The first line of LTE with a 5G cell beside it (EN-DC) tells the state, then each cell has a line.
_BESIDE = {"LTE": ("lte", _ANCHOR), "NR5G-NSA": ("nr_nsa", _NR_NSA), "NR5G": ("nr_nsa", _NR_NSA)}


def serving_cell(answer: str) -> Answer:
    """AT+QENG="servingcell"."""
    result: Answer = {"state": None}
    for line in bodies(answer, "+QENG"):
        fields = fields_of(line)
        if fields[0].text == "servingcell":
            result["state"] = at(fields, 1)
            result |= _one_cell(fields[2:])
        elif fields[0].text in _BESIDE:
            name, columns = _BESIDE[fields[0].text]
            result[name] = columns.read(fields[1:])
    if result["state"] is None:
        raise ResponseError("no line is about the serving cell")
    return result


def _one_cell(fields: list[Field]) -> Answer:
    rat = at(fields, 0)
    if not rat:
        return {}
    if rat not in _SERVING:
        raise ResponseError(f"the access technology {rat[:20]!r} is unknown")
    return {"rat": rat, **_SERVING[rat].read(fields[1:])}


# RSRQ stands before RSRP here, other than with the serving cell.
_NEIGHBOUR = Columns("earfcn:d pci:d rsrq:d rsrp:d rssi:d")


def neighbour_cells(answer: str) -> Answer:
    """AT+QENG="neighbourcell": LTE neighbours in `cells`; the first of them also by itself."""
    cells = []
    for line in bodies(answer, "+QENG"):
        fields = fields_of(line)
        if fields[0].text.startswith("neighbourcell") and at(fields, 1) == "LTE":
            cells.append(_NEIGHBOUR.read(fields[2:]))
    if not cells and lines_of(answer):
        raise ResponseError("no line is about an LTE neighbour")
    return {**(cells[0] if cells else _NEIGHBOUR.read([])), "cells": cells}


def engineering(answer: str) -> Answer:
    """+QENG of either kind."""
    neighbours = any(fields_of(line)[0].text.startswith("neighbour") for line in bodies(answer, "+QENG"))
    return neighbour_cells(answer) if neighbours else serving_cell(answer)


def levels(answer: str) -> Answer:
    """AT+QCSQ: levels of the technology in use.  An RSSI above 0 is none: some firmware sends it without a sign."""
    fields = fields_of(body(answer, "+QCSQ"))
    rat = fields[0].text
    if rat in ("NOSERVICE", ""):
        return {"rat": None, "service": False, "values": []}
    values = [integer(field.text) for field in fields[1:]]
    result: Answer = {"rat": rat, "service": True, "values": values}
    if rat.startswith("NR5G"):
        # Three values, or four with RSSI before them; which of the two depends on the firmware.
        rsrp, sinr, rsrq = (*values[-3:], None, None, None)[:3]
        return {**result, "rsrp": rsrp, "sinr": sinr, "rsrq": rsrq}
    rssi, rsrp, sinr, rsrq = (*values, None, None, None, None)[:4]
    return {
        **result,
        "rssi_raw": rssi,
        "rssi": rssi if rssi is not None and rssi <= 0 else None,
        "rsrp": rsrp,
        "sinr_raw": sinr,
        "sinr_db": None if sinr is None else round(sinr / 5 - 20, 1),
        "rsrq": rsrq,
    }


_NO_SIGNAL = frozenset({-140, -32768})


def rsrp_of_antennas(answer: str) -> Answer:
    """AT+QRSRP: one value for each receiving antenna, None where it hears nothing."""
    fields = fields_of(body(answer, "+QRSRP"))
    rat = fields.pop().text if fields[-1].text[:1].isalpha() else None
    values = [integer(field.text) for field in fields]
    return {"rx": [None if value in _NO_SIGNAL else value for value in values], "rat": rat}


_NETWORK = Columns("act plmn band channel:d")


def network(answer: str) -> Answer:
    """AT+QNWINFO: technology and band of the first cell, and how many `cells` serve."""
    lines = bodies(answer, "+QNWINFO")
    if not lines:
        raise ResponseError("no line begins with +QNWINFO:")
    return {**_NETWORK.read(fields_of(lines[0])), "cells": len(lines)}
