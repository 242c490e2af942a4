"""One form for the signal that vendors tell in many: RSRP, RSRQ, SINR, RSSI of the serving cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivers.modem.responses.text import Answer

# The parsers' keys for each, the first that has a value.
_KEYS = {
    "rsrp_dbm": ("rsrp_dbm", "rsrp"),
    "rsrq_db": ("rsrq_db", "rsrq"),
    "sinr_db": ("sinr_db", "sinr", "rssnr"),
    "rssi_dbm": ("rssi_dbm", "dbm", "rssi"),
}


@dataclass(frozen=True)
class Signal:
    """None where the modem did not say."""

    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    rssi_dbm: float | None = None
    rat: str | None = None

    @property
    def known(self) -> bool:
        return any(value is not None for value in (self.rsrp_dbm, self.rsrq_db, self.rssi_dbm))

    @property
    def strength_dbm(self) -> float | None:
        """What a threshold is compared with: RSRP, else RSSI."""
        return self.rsrp_dbm if self.rsrp_dbm is not None else self.rssi_dbm


def signal_of(answer: Answer) -> Signal:
    """From what a parser read."""
    nested = answer.get("lte") or answer  # +QENG with a 5G cell beside LTE: the anchor's
    if "dbm" in nested:  # +CSQ, whose rssi is an index (99: unknown)
        nested = {key: value for key, value in nested.items() if key != "rssi"}
    rat = answer.get("rat") or answer.get("system_mode") or answer.get("mode")
    return Signal(rat=rat, **{name: _first(nested, keys) for name, keys in _KEYS.items()})


def _first(answer: Answer, keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value: Any = answer.get(key)
        if isinstance(value, list):  # an antenna each: the best counts
            value = max((one for one in value if one is not None), default=None)
        if isinstance(value, int | float):
            return float(value)
    return None
