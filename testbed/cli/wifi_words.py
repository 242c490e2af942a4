"""Events of hostapd and wpa_supplicant in words: what happened, and its particulars with their units."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from drivers.wifi.events import Event, Other

UNITS = {"_dbm": "dBm", "_mhz": "MHz", "_s": "s"}
NAME = re.compile(r"([A-Z0-9]+(?:-[A-Z0-9]+)+) ?(.*)", re.DOTALL)  # CTRL-EVENT-..., BSS-TM-REQ; the rest is prose
BARE = ("bssid", "station", "ssid", "target")  # one sees what it is


def said(event: Event) -> tuple[str, str]:
    """`("disconnected", "02:00:5e:10:00:01  reason 3")`."""
    if isinstance(event, Other):
        name = NAME.match(event.text)
        return (name[1], name[2]) if name else ("note", event.text)
    what = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(event).__name__).lower()
    parts = (_part(field.name, getattr(event, field.name)) for field in dataclasses.fields(event))
    return what, "  ".join(part for part in parts if part)


def _part(name: str, value: Any) -> str:
    if value is None or value is False or value == "":
        return ""
    if value is True:
        return name.replace("_", " ")
    for end, unit in UNITS.items():
        if name.endswith(end):
            return f"{name.removesuffix(end).replace('_', ' ')} {value} {unit}"
    return str(value) if name in BARE else f"{name} {value}"
