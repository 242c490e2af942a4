"""What an access point is to be, and how hostapd (its hostapd.conf) wants to be told."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from drivers.wifi.errors import BadConfiguration

Security = Literal["open", "wpa2-psk", "wpa3-sae", "wpa2-wpa3"]
LAST_OF_2_GHZ = 14
PHY_HT = 7  # dot11PHYType of 802.11n
SECURITIES: tuple[Security, ...] = ("open", "wpa2-psk", "wpa3-sae", "wpa2-wpa3")
KEY_MANAGEMENT = {"wpa2-psk": ("WPA-PSK",), "wpa3-sae": ("SAE",), "wpa2-wpa3": ("WPA-PSK", "SAE")}
FAST_TRANSITION = {"WPA-PSK": "FT-PSK", "SAE": "FT-SAE"}
PROTECTED_MANAGEMENT = {"wpa2-psk": 1, "wpa3-sae": 2, "wpa2-wpa3": 1}  # 1: who can, 2: all must (IEEE 802.11w)


@dataclass(frozen=True)
class Credentials:
    """What a station needs to get in."""

    ssid: str
    security: Security = "wpa2-psk"
    passphrase: str = ""

    def check(self, where: str) -> None:
        """Raises BadConfiguration when no network can be so (IEEE 802.11-2020 9.4.2.2, J.4.1)."""
        if not 1 <= len(self.ssid.encode()) <= 32:
            raise BadConfiguration("an SSID has 1 to 32 octets", where=where)
        if self.security not in SECURITIES:
            mend = f"there are {', '.join(SECURITIES)}"
            raise BadConfiguration(f"there is no security {self.security!r}", where=where, mend=mend)
        if self.security == "open":
            return
        if "\n" in self.passphrase or "\r" in self.passphrase or "\0" in self.passphrase:
            raise BadConfiguration("a passphrase is one line", where=where)
        if "psk" in self.security or self.security == "wpa2-wpa3":
            plain = all(" " <= letter <= "~" for letter in self.passphrase)
            if not plain or not 8 <= len(self.passphrase) <= 63:
                raise BadConfiguration("a WPA2 passphrase has 8 to 63 printable ASCII characters", where=where)
        elif not self.passphrase:
            raise BadConfiguration("WPA3 needs a password", where=where)


@dataclass(frozen=True)
class FastTransition:
    """802.11r: stations go from one access point of a mobility domain to another with one exchange less.

    `key`, 64 hexadecimal digits, is shared by the access points of the domain.  They exchange keys with it over their
    wired side where they cannot derive them: with SAE.  With a PSK each derives its own.
    """

    mobility_domain: str  # 4 hexadecimal digits
    key: str = ""


@dataclass(frozen=True)
class ApConfiguration:
    """One access point with one network."""

    credentials: Credentials
    channel: int
    country: str | None = None  # two letters; without it the rules of the world
    fast_transition: FastTransition | None = None
    bss_transition: bool = True  # 802.11v: it may ask stations to go elsewhere
    high_throughput: bool = True  # 802.11n
    beacon_interval_tu: int = 100  # of 1.024 ms
    bridge: str | None = None  # the device is made part of it

    def check(self, where: str) -> None:
        self.credentials.check(where)
        if self.channel < 1 or self.channel > 177:
            raise BadConfiguration(f"there is no channel {self.channel}", where=where, mend="1 to 14, or 36 to 177")
        if self.country is not None and not re.fullmatch("[A-Z]{2}", self.country):
            raise BadConfiguration(f"{self.country!r} is no country", where=where, mend="two capital letters")
        domain = self.fast_transition
        if domain and not re.fullmatch("[0-9a-fA-F]{4}", domain.mobility_domain):
            raise BadConfiguration("a mobility domain has 4 hexadecimal digits", where=where)
        if domain and "SAE" in KEY_MANAGEMENT.get(self.credentials.security, ()) and not domain.key:
            mend = "give fast_transition a key of 64 hexadecimal digits, the same for all of the domain"
            raise BadConfiguration("802.11r with SAE needs a key between the access points", where=where, mend=mend)
        if domain and domain.key and not re.fullmatch("[0-9a-fA-F]{64}", domain.key):
            raise BadConfiguration("the key of a mobility domain has 64 hexadecimal digits", where=where)


def render(configuration: ApConfiguration, device: str, folder: str, where: str) -> str:
    """hostapd.conf; it holds the passphrase.  Raises BadConfiguration."""
    configuration.check(where)
    return "".join(f"{line}\n" for line in _lines(configuration, device, folder))


def _lines(configuration: ApConfiguration, device: str, folder: str) -> Iterator[str]:
    wanted = configuration.credentials
    yield from (f"interface={device}", "driver=nl80211", f"ctrl_interface={folder}")
    if configuration.bridge:
        yield f"bridge={configuration.bridge}"
    yield f"ssid2={wanted.ssid.encode().hex()}"
    if not wanted.ssid.isascii():
        yield "utf8_ssid=1"
    yield f"hw_mode={'g' if configuration.channel <= LAST_OF_2_GHZ else 'a'}"
    yield from (f"channel={configuration.channel}", f"beacon_int={configuration.beacon_interval_tu}")
    if configuration.country:
        yield from (f"country_code={configuration.country}", "ieee80211d=1")
    yield from ("wmm_enabled=1", f"ieee80211n={int(configuration.high_throughput)}")
    if configuration.bss_transition:
        yield from ("bss_transition=1", "rrm_neighbor_report=1")
    if wanted.security != "open":
        yield from _security(configuration)
    if configuration.fast_transition and wanted.security != "open":
        yield from _fast_transition(configuration.fast_transition, device, folder)


def _security(configuration: ApConfiguration) -> Iterator[str]:
    wanted = configuration.credentials
    methods = list(KEY_MANAGEMENT[wanted.security])
    if configuration.fast_transition:
        methods += [FAST_TRANSITION[method] for method in methods]
    yield from ("wpa=2", "rsn_pairwise=CCMP", f"wpa_key_mgmt={' '.join(methods)}")
    yield f"ieee80211w={PROTECTED_MANAGEMENT[wanted.security]}"
    if "WPA-PSK" in methods:
        yield f"wpa_passphrase={wanted.passphrase}"
    if "SAE" in methods:
        yield f"sae_password={wanted.passphrase}"


def _fast_transition(domain: FastTransition, device: str, folder: str) -> Iterator[str]:
    yield f"mobility_domain={domain.mobility_domain.lower()}"
    # The name of the key holder R0 must differ between the access points of a domain.
    yield f"nas_identifier={hashlib.sha256(f'{folder}/{device}'.encode()).hexdigest()[:16]}"
    yield "ft_over_ds=0"
    if domain.key:
        yield from (f"r0kh=ff:ff:ff:ff:ff:ff * {domain.key}", "pmk_r1_push=0")
        yield f"r1kh=00:00:00:00:00:00 00:00:00:00:00:00 {domain.key}"
    else:
        yield "ft_psk_generate_local=1"


def frequency_mhz(channel: int) -> int:
    """The centre of a 20 MHz channel (IEEE 802.11-2020 table E-4)."""
    if channel == LAST_OF_2_GHZ:
        return 2484
    return 2407 + 5 * channel if channel < LAST_OF_2_GHZ else 5000 + 5 * channel


def neighbour_report(bssid: str, channel: int) -> bytes:
    """A neighbor report without subelements (IEEE 802.11-2020 9.4.2.36): who else there is, and where."""
    operating_class = 81 if channel <= LAST_OF_2_GHZ else 115  # tables E-4; a station looks at the channel
    return bytes.fromhex(bssid.replace(":", "")) + bytes((0, 0, 0, 0, operating_class, channel, PHY_HT))
