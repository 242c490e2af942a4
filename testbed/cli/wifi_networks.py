"""An access point that is heard, whoever heard it: wpa_supplicant or iw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from drivers.wifi.configuration import LAST_OF_2_GHZ
from drivers.wifi.reports import Bss


@dataclass(frozen=True)
class Network:
    """`security` is open, wpa2-psk, wpa3-sae, wpa2-wpa3 as everywhere in the project, else a word of its own."""

    bssid: str
    ssid: str  # "" where it is hidden
    frequency_mhz: int
    signal_dbm: int | None
    security: str
    fast_transition: bool  # 802.11r

    def as_record(self) -> dict[str, Any]:
        return {**asdict(self), "channel": channel_of(self.frequency_mhz)}


def from_bss(bss: Bss) -> Network:
    """One of wpa_supplicant's; its flags are WPA2-PSK+FT/PSK-CCMP, WPA2-SAE-CCMP, WPA-PSK-TKIP, WEP, ESS, ..."""
    keys = [flag for flag in bss.flags if flag.startswith(("WPA", "RSN", "OWE"))]
    version = ["WPA" if flag.startswith("WPA-") else "RSN" for flag in keys]
    suites = " ".join(keys)
    return Network(
        bss.bssid,
        bss.ssid,
        bss.frequency_mhz,
        bss.signal_dbm,
        security_of(suites, version, private="WEP" in bss.flags),
        "FT/" in suites,
    )


def security_of(suites: str, version: Sequence[str], *, private: bool) -> str:
    """From the names of its authentication suites, and the elements (RSN, WPA) in which they stand."""
    sae, psk = "SAE" in suites, "PSK" in suites
    if sae:
        return "wpa2-wpa3" if psk else "wpa3-sae"
    if psk:
        return "wpa2-psk" if "RSN" in version else "wpa-psk"
    if "OWE" in suites:
        return "owe"
    if "EAP" in suites or "802.1X" in suites:
        return "enterprise"
    return "unknown" if version else "wep" if private else "open"


def channel_of(frequency_mhz: int) -> int | None:
    """The channel whose centre this is, in the 2.4, 5 and 6 GHz bands (IEEE 802.11-2020 annex E)."""
    if frequency_mhz == 2484:
        return LAST_OF_2_GHZ
    for begin, first, last in ((2407, 2412, 2472), (5000, 5005, 5895), (5950, 5955, 7115)):
        if first <= frequency_mhz <= last and (frequency_mhz - begin) % 5 == 0:
            return (frequency_mhz - begin) // 5
    return None


def said_channel(frequency_mhz: int | None) -> str:
    """`channel 6 (2437 MHz)`."""
    if not frequency_mhz:
        return "no channel"
    return f"channel {channel_of(frequency_mhz) or '?'} ({frequency_mhz} MHz)"
