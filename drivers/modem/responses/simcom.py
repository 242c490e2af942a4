"""SIMCom: +CPSI (SIM7500/7600 and SIM8200 AT manuals)."""

from __future__ import annotations

from drivers.modem.responses.text import Answer, Columns, at, body, fields_of

_PLACE = Columns("mcc_mnc tac:x cell:d pci:d band earfcn:d")
_LTE = Columns("dlbw:d ulbw:d rsrq_db:t rsrp_dbm:t rssi_dbm:t rssnr:d")
_NR = Columns("rsrp_dbm:t rsrq_db:t rssnr:d")
_CELLS = {"LTE": _LTE, "NR5G_SA": _NR, "NR5G_NSA": _NR}


def system_information(answer: str) -> Answer:
    """AT+CPSI?: the serving cell; levels come ten times as large.  Without service it has two fields."""
    fields = fields_of(body(answer, "+CPSI"))
    mode = at(fields, 0)
    result: Answer = {"mode": mode, "status": at(fields, 1)}
    if mode not in _CELLS:  # GSM, WCDMA, NO SERVICE
        return result
    place = _PLACE.read(fields[2:8])
    mcc, _, mnc = (place.pop("mcc_mnc") or "").partition("-")
    return {**result, "mcc": mcc or None, "mnc": mnc or None, **place, **_CELLS[mode].read(fields[8:])}
