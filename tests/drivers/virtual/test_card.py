"""The virtual card by APDUs, directly and through the modem's commands (TS 102 221, TS 31.102, TS 31.103)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_modem import DOMAIN, ICCID, IMPI, IMPUS, IMSI, OPC, SUBSCRIPTION, K, VirtualModem, card

from drivers.virtual.card import Card
from drivers.virtual.card_files import ISIM_AID, USIM_AID, Subscription
from testbed.ims.aka import generate_vector, next_sqn, resynchronise

RAND = bytes.fromhex("23553cbe9637a89d218ae64dae47bf35")
AMF = bytes.fromhex("8000")
AUTHENTICATE = "00880081" + "22"


def select(aid: bytes) -> bytes:
    return bytes((0x00, 0xA4, 0x04, 0x04, len(aid))) + aid


def fetched(own: Card, apdu: bytes) -> bytes:
    """The answer with its data, as a terminal fetches it over T=0."""
    answer = own.transmit(apdu)
    if answer[0] == 0x61:
        answer = own.transmit(bytes((apdu[0] & 0x3, 0xC0, 0, 0, answer[1])))
    return answer


def challenge(rand: bytes, autn: bytes) -> bytes:
    return bytes.fromhex(AUTHENTICATE) + b"\x10" + rand + b"\x10" + autn


@pytest.fixture
def isim() -> Card:
    own = card()
    assert fetched(own, select(ISIM_AID))[-2:] == b"\x90\x00"
    return own


def test_the_isim_holds_the_identities(isim: Card) -> None:
    isim.transmit(bytes.fromhex("00A4000C026F02"))
    assert isim.transmit(bytes.fromhex("00B0000000")) == b"\x80" + bytes((len(IMPI),)) + IMPI.encode() + b"\x90\x00"
    isim.transmit(bytes.fromhex("00A4000C026F03"))
    assert DOMAIN.encode() in isim.transmit(bytes.fromhex("00B0000000"))
    isim.transmit(bytes.fromhex("00A4000C026F04"))
    for number, impu in enumerate(IMPUS, start=1):
        record = isim.transmit(bytes((0x00, 0xB2, number, 0x04, 0x00)))
        assert record[2 : 2 + record[1]] == impu.encode()
    assert isim.transmit(bytes.fromhex("00B2030400")) == b"\x6a\x83"


def test_the_fcp_tells_how_many_records_of_which_length_there_are(isim: Card) -> None:
    fcp = fetched(isim, bytes.fromhex("00A40004026F04"))
    ((length, count),) = re.findall(rb"\x82\x05\x42\x21(..)(.)", fcp, re.DOTALL)
    assert int.from_bytes(length, "big") == 2 + max(map(len, IMPUS))
    assert count == bytes((len(IMPUS),))


def test_the_usim_holds_the_imsi_and_the_card_its_number() -> None:
    own = card()
    fetched(own, select(USIM_AID[:7]))
    own.transmit(bytes.fromhex("00A4000C026F07"))
    imsi = own.transmit(bytes.fromhex("00B0000009"))
    digits = "".join(f"{byte & 0xF:X}{byte >> 4:X}" for byte in imsi[1:-2])
    assert (imsi[0], digits) == (8, "9" + IMSI)
    own.transmit(bytes.fromhex("00A4080C022FE2"))
    number = own.transmit(bytes.fromhex("00B000000A"))[:-2]
    assert "".join(f"{byte & 0xF:X}{byte >> 4:X}" for byte in number) == ICCID + "F"


def test_a_challenge_of_the_home_network_is_answered_with_res_ck_ik(isim: Card) -> None:
    vector = generate_vector(K, OPC, AMF, next_sqn(0), RAND)
    assert isim.transmit(challenge(vector.rand, vector.autn)) == bytes.fromhex("612C")
    answer = isim.transmit(bytes.fromhex("00C000002C"))
    assert answer == b"\xdb\x08" + vector.xres + b"\x10" + vector.ck + b"\x10" + vector.ik + b"\x90\x00"


def test_the_same_challenge_again_is_answered_with_auts(isim: Card) -> None:
    vector = generate_vector(K, OPC, AMF, next_sqn(0), RAND)
    fetched(isim, challenge(vector.rand, vector.autn))
    answer = fetched(isim, challenge(vector.rand, vector.autn))
    assert answer[:2] == b"\xdc\x0e"
    assert resynchronise(K, OPC, RAND, answer[2:16]) == next_sqn(0)


def test_a_challenge_of_somebody_else_is_refused(isim: Card) -> None:
    vector = generate_vector(K, bytes(16), AMF, next_sqn(0), RAND)
    assert isim.transmit(challenge(vector.rand, vector.autn)) == b"\x98\x62"


def test_a_locked_card_tells_its_number_and_nothing_else() -> None:
    own = card(Subscription(IMSI, ICCID, IMPI, IMPUS, DOMAIN, pin="1234"))
    own.transmit(bytes.fromhex("00A4000C022FE2"))
    assert own.transmit(bytes.fromhex("00B000000A"))[-2:] == b"\x90\x00"
    fetched(own, select(ISIM_AID))
    own.transmit(bytes.fromhex("00A4000C026F02"))
    assert own.transmit(bytes.fromhex("00B0000000")) == b"\x69\x82"
    assert own.transmit(challenge(RAND, bytes(16))) == b"\x69\x82"
    assert own.transmit(bytes.fromhex("0020000108") + b"0000\xff\xff\xff\xff") == b"\x63\xc2"
    assert own.transmit(bytes.fromhex("0020000108") + b"1234\xff\xff\xff\xff") == b"\x90\x00"
    assert own.transmit(bytes.fromhex("00B0000000"))[-2:] == b"\x90\x00"


@pytest.mark.parametrize(
    ("apdu", "status"),
    [
        ("00", "6700"),  # no APDU
        ("00A4040405A000", "6700"),  # less data than it says
        ("00A4040407A0000000871099", "6A82"),  # no such application
        ("00A40004021234", "6A82"),  # no such file
        ("00B0000000", "6986"),  # nothing selected
        ("01B0000000", "6881"),  # no such channel
        ("A0B0000000", "6E00"),  # GSM's class
        ("00EE000000", "6D00"),
        ("0088008100", "6A86"),  # AUTHENTICATE outside of an application
    ],
)
def test_what_is_wrong_has_its_status_word(apdu: str, status: str) -> None:
    assert card().transmit(bytes.fromhex(apdu)).hex().upper() == status


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_apdus_are_answered(apdus: list[bytes]) -> None:
    own = card()
    for apdu in apdus:
        assert len(own.transmit(apdu)) >= 2


def test_a_card_without_isim_has_only_a_usim() -> None:
    own = card(Subscription(IMSI, ICCID))
    assert own.transmit(select(ISIM_AID)) == b"\x6a\x82"
    assert fetched(own, select(USIM_AID))[-2:] == b"\x90\x00"


# Through the modem


@pytest.mark.parametrize("fetches", [True, False])
def test_aka_over_a_logical_channel(fetches: bool) -> None:
    modem = VirtualModem(sim=card(), fetches_response=fetches)
    assert modem.at('AT+CCHO="A0000000871004"') == ["+CCHO: 1", "OK"]
    vector = generate_vector(K, OPC, AMF, next_sqn(0), RAND)
    apdu = challenge(vector.rand, vector.autn).hex().upper()
    answer, _ = modem.at(f'AT+CGLA=1,{len(apdu)},"{apdu}"')
    if not fetches:
        assert answer == '+CGLA: 4,"612C"'
        answer, _ = modem.at('AT+CGLA=1,10,"00C000002C"')
    assert f"DB08{vector.xres.hex().upper()}10{vector.ck.hex().upper()}" in answer
    assert modem.at("AT+CCHC=1") == ["+CCHC", "OK"]
    assert modem.at(f'AT+CGLA=1,{len(apdu)},"{apdu}"')[0] == '+CGLA: 4,"6881"'


def test_channels_run_out_and_come_back() -> None:
    modem = VirtualModem(sim=card())
    modem.at("AT+CMEE=1")
    opened = [modem.at('AT+CCHO="A0000000871002"')[0] for _ in range(4)]
    assert opened == ["+CCHO: 1", "+CCHO: 2", "+CCHO: 3", "+CME ERROR: 21"]
    modem.at("AT+CCHC=2")
    assert modem.at('AT+CCHO="A0000000871004"') == ["+CCHO: 2", "OK"]
    assert modem.at("AT+CCHC=0") == ["+CME ERROR: 21"]


def test_aka_over_the_basic_channel() -> None:
    modem = VirtualModem(sim=card())
    aid = select(USIM_AID).hex().upper()
    assert modem.at(f'AT+CSIM={len(aid)},"{aid}"')[0].endswith('9000"')
    vector = generate_vector(K, OPC, AMF, next_sqn(0), RAND)
    apdu = challenge(vector.rand, vector.autn).hex().upper()
    assert vector.ik.hex().upper() in modem.at(f'AT+CSIM={len(apdu)},"{apdu}"')[0]


@pytest.mark.parametrize("command", ['AT+CGLA=1,9,"00C000002C"', 'AT+CSIM=4,"00ZZ"', "AT+CSIM=0", 'AT+CCHO="x"'])
def test_what_is_no_apdu_is_refused(command: str) -> None:
    modem = VirtualModem(sim=card())
    modem.at("AT+CMEE=1")
    assert modem.at(command) in (["+CME ERROR: 50"], ["ERROR"])


@pytest.mark.parametrize(
    ("name", "command", "answer"),
    [
        ("generic", "AT+CCID", f"+CCID: {ICCID}"),
        ("quectel-ec25", "AT+QCCID", f"+QCCID: {ICCID}"),
        ("huawei-me909s", "AT^ICCID?", "^ICCID: 980001010000000010F2"),
        ("telit-le910", "AT#CCID", f"#CCID: {ICCID}"),
        ("simcom-sim7600", "AT+CICCID", f"+ICCID: {ICCID}"),
        ("cinterion-pls8", "AT^SCID", f"^SCID: {ICCID}"),
        ("sierra-em7455", "AT+ICCID?", f"ICCID: {ICCID}"),
    ],
)
def test_the_cards_number_by_every_makers_command(name: str, command: str, answer: str) -> None:
    assert VirtualModem(name, card(SUBSCRIPTION)).at(command) == [answer, "OK"]
