"""Messages of mac80211_hwsim as the kernel writes them, read without it."""

from __future__ import annotations

import struct

from drivers.link.netlink import attribute
from drivers.virtual import hwsim
from drivers.virtual.air import Rate

FAMILY = 31
RADIO = bytes.fromhex("42005e100001")
BEACON = bytes.fromhex("80000000ffffffffffff02005e10000102005e100001") + bytes(40)
NONE = (-1, 0)


def tx_info(*rates: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("bB", *rate) for rate in (*rates, NONE, NONE, NONE, NONE)[: hwsim.RATES])


def modes(*flags: int) -> bytes:
    return b"".join(struct.pack("=bH", 0, flag) for flag in (*flags, 0, 0, 0, 0)[: hwsim.RATES])


def frame(info: bytes, flags: bytes) -> bytes:
    return (
        struct.pack("BBH", hwsim.FRAME, 1, 0)
        + attribute(hwsim.ATTR_TRANSMITTER, RADIO)
        + attribute(hwsim.ATTR_FRAME, BEACON)
        + attribute(hwsim.ATTR_FLAGS, struct.pack("I", hwsim.CTL_REQ_TX_STATUS))
        + attribute(hwsim.ATTR_FREQ, struct.pack("I", 2412))
        + attribute(hwsim.ATTR_TX_INFO, info)
        + attribute(hwsim.ATTR_TX_INFO_FLAGS, flags)
        + attribute(hwsim.ATTR_COOKIE, struct.pack("Q", 7))
    )


def sent(info: bytes, flags: bytes) -> hwsim.SentFrame:
    event = hwsim._event(FAMILY, frame(info, flags), FAMILY)
    assert isinstance(event, hwsim.SentFrame)
    return event


def test_a_beacon() -> None:
    event = sent(tx_info((0, 1)), modes(0))
    assert (event.transmitter, event.data, event.frequency_mhz) == (RADIO, BEACON, 2412)
    assert event.is_to_all
    assert event.source == bytes.fromhex("02005e100001")
    assert event.rates == (Rate(0, 1),)


def test_rates_up_to_the_first_that_is_none_each_in_its_mode() -> None:
    event = sent(tx_info((15, 2), (0x17, 3), (4, 0)), modes(hwsim.RC_MCS, hwsim.RC_VHT_MCS, 0))
    assert event.rates == (Rate(7, 2, True), Rate(7, 3, True), Rate(4, 1))


def test_a_frame_without_any_rate_is_sent_once_with_the_slowest() -> None:
    assert sent(tx_info(), modes()).rates == (Rate(0, 1),)


def test_an_address_that_a_radio_takes_and_gives_up() -> None:
    for command, added in ((hwsim.ADD_MAC_ADDR, True), (hwsim.DEL_MAC_ADDR, False)):
        payload = struct.pack("BBH", command, 1, 0) + attribute(hwsim.ATTR_TRANSMITTER, RADIO)
        payload += attribute(hwsim.ATTR_RECEIVER, RADIO)
        assert hwsim._event(FAMILY, payload, FAMILY) == hwsim.AddressChange(RADIO, RADIO, added)


def test_what_is_of_another_family_or_another_kind_is_left_out() -> None:
    assert hwsim._event(FAMILY + 1, frame(tx_info(), modes()), FAMILY) is None
    assert hwsim._event(FAMILY, struct.pack("BBH", hwsim.NEW_RADIO, 1, 0), FAMILY) is None
    assert hwsim._event(FAMILY, b"", FAMILY) is None
