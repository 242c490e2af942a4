"""Fibocom on Intel's XMM (L850, L860): +XLEC, +RSRP, +XMCI; levels as +CESQ has them, SINR in halves of a dB."""

from __future__ import annotations

import re

from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, at, body, fields_of, hexadecimal, integer, needed, number, text


def carriers(answer: str) -> Answer:
    """AT+XLEC?: how many carriers are aggregated, an index of bandwidth for each, and the band."""
    fields = fields_of(body(answer, "+XLEC"))
    count = needed(integer(at(fields, 1)), "<count>")
    if not 0 <= count <= 8:
        raise ResponseError(f"{count} carriers")
    band = re.fullmatch(r"BAND_LTE_([0-9]{1,3})", fields[-1].text)
    return {
        "n": integer(fields[0].text),
        "carriers": count,
        "bw_idx": [integer(at(fields, 2 + place)) for place in range(count)],
        "band": int(band[1]) if band else None,
    }


def rsrp_of_cells(answer: str) -> Answer:
    """AT+RSRP?: [PCI, EARFCN, RSRP in dBm] for each cell."""
    values = [field.text for field in fields_of(body(answer, "+RSRP"))]
    triples = [values[place : place + 3] for place in range(0, len(values) - len(values) % 3, 3)]
    return {"cells": [[integer(pci), integer(earfcn), number(rsrp)] for pci, earfcn, rsrp in triples]}


SERVING_LTE, NEIGHBOUR_LTE = 4, 5
_NONE = 0xFFFFFFFF


def cell_information(answer: str) -> Answer:
    """AT+XMCI=1: the first cell; only LTE ones have their levels read."""
    fields = fields_of(body(answer, "+XMCI"))
    kind = needed(integer(at(fields, 0)), "<type>")
    if kind not in (SERVING_LTE, NEIGHBOUR_LTE):
        raise ResponseError(f"cells of type {kind} are unknown")
    tac, ci, pci, downlink, uplink = (hexadecimal(at(fields, place)) for place in range(3, 8))
    rsrp, rsrq, sinr = (_level(at(fields, place)) for place in range(9, 12))
    return {
        "type": kind,
        "mcc": text(at(fields, 1)),
        "mnc": text(at(fields, 2)),
        "tac": tac,
        "ci": ci,
        "pci": pci,
        "dl_earfcn": downlink,
        "ul_earfcn": None if uplink == _NONE else uplink,
        "rsrp_dbm": None if rsrp is None else rsrp - 141,
        "rsrq_db": None if rsrq is None else -20 + rsrq / 2,
        "sinr_db": None if sinr is None else sinr / 2,
    }


def _level(value: str) -> int | None:
    level = integer(value)
    return None if level == 255 else level
