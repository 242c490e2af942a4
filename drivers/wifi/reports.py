"""What hostapd and wpa_supplicant answer to STATUS, SCAN_RESULTS, SIGNAL_POLL and STA-FIRST/STA-NEXT."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.protocols import AssociatedStation
from drivers.wifi.errors import Unreadable
from drivers.wifi.text import lines_of, mac, number, unescaped

NO_NOISE_DBM = 9999


@dataclass(frozen=True)
class StationStatus:
    """wpa_supplicant's STATUS."""

    state: str  # COMPLETED, SCANNING, DISCONNECTED, INTERFACE_DISABLED, ... (its wpa_states)
    address: str
    bssid: str | None
    ssid: str | None
    frequency_mhz: int | None
    key_management: str | None  # WPA2-PSK, SAE, FT-PSK, ...

    @property
    def associated(self) -> bool:
        return self.state == "COMPLETED"


@dataclass(frozen=True)
class ApStatus:
    """hostapd's STATUS, of its first BSS."""

    state: str  # ENABLED, DISABLED, COUNTRY_UPDATE, ACS, DFS, NO_IR, ...
    channel: int | None
    frequency_mhz: int | None
    bssid: str | None
    ssid: str | None
    stations: int


@dataclass(frozen=True)
class Bss:
    """An access point that a scan found."""

    bssid: str
    ssid: str
    frequency_mhz: int
    signal_dbm: int
    flags: tuple[str, ...]  # WPA2-PSK-CCMP, SAE, ESS, ...


@dataclass(frozen=True)
class LinkSignal:
    """wpa_supplicant's SIGNAL_POLL; None where the driver does not know."""

    rssi_dbm: int
    beacon_dbm: int | None  # of the beacons alone, averaged
    noise_dbm: int | None
    frequency_mhz: int | None
    rate_mbit_s: int | None


def station_status(answer: str) -> StationStatus:
    values = lines_of(answer)
    if "wpa_state" not in values:
        raise Unreadable(f"STATUS without wpa_state: {answer[:200]!r}")
    bssid, ssid = values.get("bssid"), values.get("ssid")
    return StationStatus(
        values["wpa_state"],
        mac(values.get("address", "")),
        mac(bssid) if bssid else None,
        None if ssid is None else unescaped(ssid),
        number(values, "freq", int),
        values.get("key_mgmt"),
    )


def ap_status(answer: str) -> ApStatus:
    values = lines_of(answer)
    if "state" not in values:
        raise Unreadable(f"STATUS without state: {answer[:200]!r}")
    bssid, ssid = values.get("bssid[0]"), values.get("ssid[0]")
    return ApStatus(
        values["state"],
        number(values, "channel", int),
        number(values, "freq", int),
        mac(bssid) if bssid else None,
        None if ssid is None else unescaped(ssid),
        number(values, "num_sta[0]", int) or 0,
    )


def scan_results(answer: str) -> list[Bss]:
    """The strongest first.  The daemon cuts an answer that is too long, and a line that is not whole is left out."""
    found = []
    for line in answer.splitlines()[1:]:
        fields = line.split("\t")
        if len(fields) != 5:
            continue
        try:
            bssid, frequency_mhz, signal_dbm = mac(fields[0]), int(fields[1]), int(fields[2])
        except ValueError as wrong:
            raise Unreadable(f"a scan result that is none: {line!r}") from wrong
        flags = tuple(flag for flag in fields[3].strip("[]").split("][") if flag)
        found.append(Bss(bssid, unescaped(fields[4]), frequency_mhz, signal_dbm, flags))
    return sorted(found, key=lambda bss: -bss.signal_dbm)


def link_signal(answer: str) -> LinkSignal:
    values = lines_of(answer)
    rssi_dbm = number(values, "RSSI", int)
    if rssi_dbm is None:
        raise Unreadable(f"SIGNAL_POLL without RSSI: {answer[:200]!r}")
    noise = number(values, "NOISE", int)
    return LinkSignal(
        rssi_dbm,
        number(values, "AVG_BEACON_RSSI", int),
        None if noise == NO_NOISE_DBM else noise,
        number(values, "FREQUENCY", int),
        number(values, "LINKSPEED", int),
    )


def associated_station(answer: str) -> AssociatedStation:
    """The answer to STA, STA-FIRST or STA-NEXT: the station's address, then `key=value`."""
    address, _, rest = answer.partition("\n")
    values = lines_of(rest)
    return AssociatedStation(
        mac(address.strip()),
        number(values, "signal", int),
        "[AUTHORIZED]" in values.get("flags", ""),
        number(values, "connected_time", int),
        number(values, "inactive_msec", int),
    )
