"""Telit: #RFSTS and #SERVINFO (LE910 and LM960 AT reference guides).

The two have no technology in them; the place of the IMSI tells it, and whether there is a <RAC>.
"""

from __future__ import annotations

import re

from drivers.modem.errors import ResponseError
from drivers.modem.responses.text import Answer, Columns, body, fields_of

_GSM = "plmn arfcn:d rssi:d lac:x rac:x txpwr:d mm:d rr:d nom:d cellid:x imsi netname sd:d abnd:d"
_LTE = "plmn earfcn:d rsrp:d rssi:d rsrq:f tac:x {}txpwr:d drx:d mm:d rrc:d cellid:x imsi netname sd:d abnd:d tail:d"
_UMTS = (
    "plmn uarfcn:d psc:d ecio:f rscp:d rssi:d lac:x rac:x txpwr:d drx:d mm:d rrc:d nom:d bler:d cellid:x imsi netname"
    " sd:d"
)
# place of the IMSI -> technology and columns
_BY_IMSI = {
    10: ("GSM", Columns(_GSM)),
    11: ("LTE", Columns(_LTE.format(""))),
    12: ("LTE", Columns(_LTE.format("rac:d "))),
    15: ("UMTS", Columns(_UMTS)),
}
_SERVICE = Columns("earfcn:d rssi:d netname plmn cellid:x tac:x drx:d sd:d rsrp:d")


def radio_status(answer: str) -> Answer:
    """AT#RFSTS"""
    fields = fields_of(body(answer, "#RFSTS"))
    places = [place for place, field in enumerate(fields) if re.fullmatch(r"[0-9]{14,15}", field.text)]
    rat, columns = _BY_IMSI.get(places[0] if places else -1, (None, None))
    if columns is None:
        raise ResponseError("the IMSI is in no place that is known")
    result = columns.read(fields)
    result["plmn"] = result["plmn"].replace(" ", "") if result["plmn"] else None
    return {"rat": rat, **result}


def service_information(answer: str) -> Answer:
    """AT#SERVINFO on LTE."""
    return _SERVICE.read(fields_of(body(answer, "#SERVINFO")))
