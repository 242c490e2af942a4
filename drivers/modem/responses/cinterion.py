"""Cinterion: ^SMONI (PLS62-W AT Command Set)."""

from __future__ import annotations

from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, Columns, body, fields_of

_CELLS = {
    "4G": Columns(
        "rat earfcn:d band:d dl_bw:d ul_bw:d duplex mcc mnc tac:x cellid:x pci:d srxlev:d rsrp:d rsrq:d state"
    ),
    "3G": Columns("rat uarfcn:d psc:d ecno:f rscp:d mcc mnc lac:x cellid:x"),
    "2G": Columns("rat arfcn:d rssi:d mcc mnc lac:x cellid:x"),
}


def serving_cell(answer: str) -> Answer:
    """AT^SMONI: the serving cell; columns that follow depend on whether there is a connection, and are not read."""
    fields = fields_of(body(answer, "^SMONI"))
    if fields[0].text not in _CELLS:
        raise ResponseError(f"the access technology {fields[0].text[:20]!r} is unknown")
    return _CELLS[fields[0].text].read(fields)
