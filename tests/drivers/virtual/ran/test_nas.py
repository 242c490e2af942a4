"""NAS messages: the layouts of the standard's tables, by bytes written out by hand, and any bytes at all."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.ran.errors import PeerFault
from drivers.virtual.ran.nas import emm, esm
from drivers.virtual.ran.nas.elements import Apn, EpsIdentity, Guti, Identity, PdnAddress, Tai, Timer
from drivers.virtual.ran.nas.message import Esm, decode, encode
from drivers.virtual.ran.nas.pco import Pco

ESM = Esm(esm.PdnConnectivityRequest(1, 1), 0, 1)


def test_an_attach_request_lies_as_in_table_8_2_4_1() -> None:
    identity = EpsIdentity(Identity(1, "001011234567890"))
    request = emm.AttachRequest(1, 7, identity, b"\xa0\x20", bytes(ESM), Tai("00101", 1))
    data = encode(request)
    assert data.hex(" ") == (
        "07 41 71"  # EPS attach, no key is available
        " 08 09 10 10 21 43 65 87 09"  # IMSI
        " 02 a0 20"  # capability
        " 00 04 02 01 d0 11"  # ESM container
        " 52 00 f1 10 00 01"  # last visited TAI
    )
    assert decode(data, "ue") == request


def test_identities_are_told_apart() -> None:
    imsi, imeisv, guti = Identity(1, "00101012345678"), Identity(3, "3534900698733100"), Guti("310410", 513, 7, 0xD00D)
    for identity in (imsi, imeisv, guti):
        assert EpsIdentity.parse(bytes(EpsIdentity(identity))).value == identity


def test_optional_elements_may_come_in_any_order_and_unknown_ones_are_skipped() -> None:
    request = bytes.fromhex(
        "5201c1"
        "0109"
        "0908696e7465726e6574"
        "05010a2d0002"
        "300101"  # negotiated QoS
        "80"  # radio priority
        "6f02abcd"  # nobody knows it
        "790003010203"  # nor this one, whose length has two octets
        "2709" "80" "000c040a2d0001"  # P-CSCF
        "00"
    )  # fmt: skip
    with pytest.raises(PeerFault):
        decode(request, "network")  # its last octet begins an element that is not there
    message = decode(request[:-1].replace(bytes.fromhex("2709"), bytes.fromhex("2708")), "network")
    assert isinstance(message, Esm)
    assert (message.bearer, message.transaction) == (5, 1)
    activate = message.message
    assert isinstance(activate, esm.ActivateDefaultBearerRequest)
    assert activate.apn == Apn("internet")
    assert activate.address == PdnAddress(IPv4Address("10.45.0.2"))
    assert activate.radio_priority == 0
    assert activate.pco == Pco(((0x0C, bytes((10, 45, 0, 1))),)) and activate.pco.pcscf == ("10.45.0.1",)


def test_a_pdn_address_of_both_families_holds_the_interface_identifier_and_ipv4() -> None:
    address = PdnAddress.parse(bytes.fromhex("0300000000000000020a2d0002"))
    assert (str(address.ipv4), str(address.link_local)) == ("10.45.0.2", "fe80::2")
    assert PdnAddress.parse(bytes(address)) == address


@pytest.mark.parametrize(("octet", "seconds"), [(0x49, 3240), (0x29, 540), (0x03, 6), (0xE0, None), (0x21, 60)])
def test_gprs_timers(octet: int, seconds: int | None) -> None:
    assert Timer.parse(bytes((octet,))) == Timer(seconds)


def test_pco_gives_both_families_in_the_networks_order() -> None:
    v6 = bytes.fromhex("fd450000000000000000000000000001")
    options = ((0x8021, b"\x03\x00\x00\x04"), (0x01, v6), (0x0C, bytes((10, 0, 0, 9))), (0x0C, bytes((10, 0, 0, 1))),
               (0x03, v6), (0x10, b"\x05\xdc"))  # fmt: skip
    pco = Pco.parse(bytes(Pco(options)))
    assert pco.pcscf == ("10.0.0.9", "10.0.0.1", "fd45::1")
    assert (pco.dns, pco.mtu) == (("fd45::1",), 1500)
    assert {number for number, _ in Pco.request(pcscf=True).options} >= {0x01, 0x0C, 0x03, 0x0D, 0x10}


@settings(deadline=None)
@given(st.binary(max_size=64), st.sampled_from(["ue", "network"]))
def test_any_bytes_are_a_message_or_a_fault_of_the_peer(data: bytes, sender: str) -> None:
    for head in (b"", b"\x07\x42", b"\x52\x01\xc1", b"\x07\x52", b"\x52\x01\xc5", b"\x07\x41", b"\x07\x49"):
        try:
            message = decode(head + data, "ue" if sender == "ue" else "network")
        except PeerFault:
            continue
        assert message


@settings(deadline=None)
@given(st.data())
def test_what_parses_is_written_as_it_was_understood(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([emm.SecurityModeCommand, emm.AuthenticationRequest, emm.AttachReject]))
    raw = data.draw(st.binary(max_size=40))
    try:
        message = kind.from_body(raw)
    except PeerFault:
        return
    assert kind.from_body(message.body()) == message
