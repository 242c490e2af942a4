"""A network as a station sees it: what wpa_supplicant is told of it, and why the station is not in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drivers.wifi.configuration import Credentials
from drivers.wifi.errors import AssociationFailed, NoSuchNetwork, WrongPassphrase
from drivers.wifi.reports import Bss
from drivers.wifi.text import mac

WRONG_KEY = "WRONG_KEY"  # wpa_supplicant's word for a passphrase that is not taken
KEY_MANAGEMENT = {
    "open": "NONE",
    "wpa2-psk": "WPA-PSK FT-PSK WPA-PSK-SHA256",
    "wpa3-sae": "SAE FT-SAE",
    "wpa2-wpa3": "WPA-PSK FT-PSK SAE FT-SAE",
}
PROTECTED_MANAGEMENT = {"open": 0, "wpa2-psk": 1, "wpa3-sae": 2, "wpa2-wpa3": 1}


def settings(wanted: Credentials, bssid: str | None, frequencies: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The variables of a network block; the SSID as hexadecimal digits, so that it may have any octets."""
    yield "ssid", wanted.ssid.encode().hex()
    yield "scan_ssid", "1"
    yield "key_mgmt", KEY_MANAGEMENT[wanted.security]
    yield "ieee80211w", str(PROTECTED_MANAGEMENT[wanted.security])
    if wanted.security in ("wpa2-psk", "wpa2-wpa3"):
        yield "psk", f'"{wanted.passphrase}"'
    if wanted.security in ("wpa3-sae", "wpa2-wpa3"):
        yield "sae_password", f'"{wanted.passphrase}"'
    if frequencies:
        yield from (("scan_freq", " ".join(frequencies)), ("freq_list", " ".join(frequencies)))
    if bssid:
        yield "bssid", mac(bssid)


def not_heard(wanted: Credentials, found: Sequence[Bss], where: str) -> NoSuchNetwork:
    """The network is in no scan, or is another one of that name."""
    same = [bss for bss in found if bss.ssid == wanted.ssid]
    if same:
        flags = " ".join(same[0].flags)
        what = f"network {wanted.ssid!r} is there, but not with {wanted.security} (it has {flags})"
        return NoSuchNetwork(what, where=where, mend="give the station the security of the access point")
    others = ", ".join(sorted({repr(bss.ssid) for bss in found})) or "none"
    what = f"no network {wanted.ssid!r} is heard; there are: {others}"
    return NoSuchNetwork(what, where=where, mend="start the access point, or come nearer")


def kept_out(wanted: Credentials, reason: str, where: str) -> AssociationFailed:
    """The access point does not let the station in, with wpa_supplicant's word for the reason."""
    if reason == WRONG_KEY:
        what = f"network {wanted.ssid!r} does not take the passphrase"
        return WrongPassphrase(what, where=where, mend="give both sides the same one")
    return AssociationFailed(f"network {wanted.ssid!r} does not let it in ({reason})", where=where)
