"""What an access point is to be, as hostapd reads it, and what none can be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.wifi.configuration import ApConfiguration, Credentials, FastTransition, render
from drivers.wifi.errors import BadConfiguration

WPA2 = Credentials("rig", "wpa2-psk", "of no importance")
KEY = "0123456789abcdef" * 4


def lines(configuration: ApConfiguration) -> dict[str, str]:
    text = render(configuration, "wlan0", "/run/ap1/hostapd", "access point ap1")
    pairs = [line.partition("=") for line in text.splitlines()]
    assert len({key for key, _, _ in pairs}) == len(pairs)
    return {key: value for key, _, value in pairs}


def test_wpa2() -> None:
    told = lines(ApConfiguration(WPA2, 6, "DE"))
    assert told["interface"] == "wlan0"
    assert told["ctrl_interface"] == "/run/ap1/hostapd"
    assert (told["hw_mode"], told["channel"], told["country_code"]) == ("g", "6", "DE")
    assert bytes.fromhex(told["ssid2"]) == b"rig"
    assert (told["wpa"], told["wpa_key_mgmt"], told["ieee80211w"]) == ("2", "WPA-PSK", "1")
    assert told["wpa_passphrase"] == "of no importance"
    assert "sae_password" not in told
    assert told["bss_transition"] == "1"


def test_wpa3() -> None:
    told = lines(ApConfiguration(replace(WPA2, security="wpa3-sae"), 36))
    assert (told["hw_mode"], told["wpa_key_mgmt"], told["ieee80211w"]) == ("a", "SAE", "2")
    assert told["sae_password"] == "of no importance"
    assert "wpa_passphrase" not in told


def test_an_open_network_has_no_keys() -> None:
    told = lines(ApConfiguration(Credentials("rig", "open"), 1))
    assert not {"wpa", "wpa_key_mgmt", "wpa_passphrase", "sae_password"} & told.keys()


def test_fast_transition_with_a_psk_needs_no_key_between_access_points() -> None:
    told = lines(ApConfiguration(WPA2, 1, fast_transition=FastTransition("A1b2")))
    assert told["wpa_key_mgmt"] == "WPA-PSK FT-PSK"
    assert (told["mobility_domain"], told["ft_psk_generate_local"]) == ("a1b2", "1")


def test_fast_transition_with_sae_has_a_key_between_access_points() -> None:
    wanted = ApConfiguration(replace(WPA2, security="wpa3-sae"), 1, fast_transition=FastTransition("a1b2", KEY))
    told = lines(wanted)
    assert told["wpa_key_mgmt"] == "SAE FT-SAE"
    assert told["r0kh"].endswith(KEY)
    assert told["r1kh"].endswith(KEY)


def test_access_points_of_one_domain_have_names_of_their_own() -> None:
    wanted = ApConfiguration(WPA2, 1, fast_transition=FastTransition("a1b2"))
    one, other = (render(wanted, "wlan0", f"/run/{name}", name) for name in ("ap1", "ap2"))
    named = [line for text in (one, other) for line in text.splitlines() if line.startswith("nas_identifier=")]
    assert len(set(named)) == 2


def test_a_network_may_have_any_name() -> None:
    told = lines(ApConfiguration(replace(WPA2, ssid='a\n"b" ü'), 1))
    assert bytes.fromhex(told["ssid2"]).decode() == 'a\n"b" ü'
    assert told["utf8_ssid"] == "1"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (ApConfiguration(replace(WPA2, ssid=""), 1), "an SSID has 1 to 32 octets"),
        (ApConfiguration(replace(WPA2, ssid="ü" * 17), 1), "an SSID has 1 to 32 octets"),
        (ApConfiguration(replace(WPA2, security="wep"), 1), "there is no security 'wep'"),  # type: ignore[arg-type]
        (ApConfiguration(replace(WPA2, passphrase="short"), 1), "8 to 63"),
        (ApConfiguration(replace(WPA2, passphrase="long" * 16), 1), "8 to 63"),
        (ApConfiguration(replace(WPA2, passphrase="two\nlines, at least"), 1), "a passphrase is one line"),
        (ApConfiguration(replace(WPA2, passphrase="überlang"), 1), "printable ASCII"),
        (ApConfiguration(Credentials("rig", "wpa3-sae"), 1), "WPA3 needs a password"),
        (ApConfiguration(WPA2, 0), "there is no channel 0"),
        (ApConfiguration(WPA2, 1, "Germany"), "'Germany' is no country"),
        (ApConfiguration(WPA2, 1, fast_transition=FastTransition("here")), "4 hexadecimal digits"),
        (ApConfiguration(WPA2, 1, fast_transition=FastTransition("a1b2", "secret")), "64 hexadecimal digits"),
        (
            ApConfiguration(replace(WPA2, security="wpa3-sae"), 1, fast_transition=FastTransition("a1b2")),
            "needs a key between the access points",
        ),
    ],
)
def test_what_no_access_point_can_be_is_said_and_no_secret_is(wanted: ApConfiguration, words: str) -> None:
    with pytest.raises(BadConfiguration, match=words) as raised:
        render(wanted, "wlan0", "/run/ap1", "access point ap1")
    assert "importance" not in str(raised.value)
