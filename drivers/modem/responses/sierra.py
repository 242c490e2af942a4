"""Sierra Wireless: !GSTATUS (AirPrime EM74xx/MC74xx and EM91 AT manuals), and Icera's %IPDPADDR.

!GSTATUS is made for people: labels and values in two columns, the same label more than once, other labels in other
firmware.
"""

from __future__ import annotations

import re

from drivers.modem.errors import ResponseError
from drivers.modem.responses import addresses
from drivers.modem.responses.text import Answer, at, body, fields_of, integer, needed, number

_LABEL = r"[A-Z][A-Za-z0-9]*(?: [A-Za-z0-9]+){0,4}(?: \([A-Za-z]+\))?"
_PAIR = re.compile(rf"(?P<label>{_LABEL}):[ \t]*(?P<value>[^\t]*)")
_COLUMNS = re.compile(rf"\t+| {{2,}}(?={_LABEL}:)")
_DECIMAL = re.compile(r"[0-9A-Fa-f]+ \(([0-9]{1,12})\)")
# label -> (key, how to read it): s text, d whole number, f number, p the decimal in parentheses; + is one of several
_LABELS = {
    "Temperature": ("temperature", "d"),
    "Mode": ("mode", "s"),
    "System mode": ("system_mode", "s"),
    "PS state": ("ps_state", "s"),
    "LTE band": ("band", "s"),
    "LTE bw": ("bw", "s"),
    "LTE Rx chan": ("rx_chan", "d"),
    "LTE Tx chan": ("tx_chan", "d"),
    "LTE CA state": ("ca_state", "s"),
    "EMM state": ("emm", "s"),
    "RRC state": ("rrc", "s"),
    "IMS reg state": ("ims", "s"),
    "PCC RxM RSSI": ("rssi", "+"),
    "PCC RxD RSSI": ("rssi", "+"),
    "RSRP (dBm)": ("rsrp", "+"),
    "PCC RxM RSRP": ("rsrp", "+"),
    "PCC RxD RSRP": ("rsrp", "+"),
    "Tx Power": ("tx_power", "f"),
    "TAC": ("tac", "p"),
    "RSRQ (dB)": ("rsrq", "f"),
    "Cell ID": ("cell_id", "p"),
    "SINR (dB)": ("sinr", "f"),
}


def status(answer: str) -> Answer:
    """AT!GSTATUS?"""
    if "!GSTATUS" not in answer.upper():
        raise ResponseError("no line begins with !GSTATUS:")
    result: Answer = {key: [] if kind == "+" else None for key, kind in _LABELS.values()}
    for line in re.split(r"[\r\n]+", answer):
        for column in _COLUMNS.split(line.strip()):
            found = _PAIR.match(column.strip())
            if found and (known := _LABELS.get(found["label"])):
                _put(result, *known, found["value"].strip())
    return result


def _put(result: Answer, key: str, kind: str, value: str) -> None:
    if kind == "s":
        result[key] = value or None
    elif kind == "d":
        result[key] = integer(value)
    elif kind == "f":
        result[key] = number(value)
    elif kind == "+":
        result[key].append(integer(value))
    elif found := _DECIMAL.match(value):
        result[key] = int(found[1])


def icera_addresses(answer: str) -> Answer:
    """AT%IPDPADDR=<cid>: addresses of a context; IPv6 ones where the firmware has them."""
    fields = fields_of(body(answer, "%IPDPADDR"))
    given = [addresses.read(field.text) if field.text != "::" else addresses.Given() for field in fields[1:]]
    given += [addresses.Given()] * (11 - len(given))
    texts = [str(one) if one.address else None for one in given]
    return {
        "cid": needed(integer(at(fields, 0)), "<cid>"),
        "ipv4": texts[0],
        "prefix": _prefix(given[6]) if texts[0] else None,
        "gw": texts[1],
        "dns1": texts[2],
        "dns2": texts[3],
        "ipv6": texts[8],
        "ipv6_dns1": texts[10],
    }


def _prefix(mask: addresses.Given) -> int:
    """32 without a mask; and with 255.0.0.0, the class of the address, which firmware fills in where it knows none."""
    if not addresses.is_mask(mask.address) or str(mask.address) == "255.0.0.0":
        return 32
    return int(mask.address or 0).bit_count()
