"""What responses say beyond the rows of the data file: P-CSCFs of both families, forms of addresses, refusals."""

from __future__ import annotations

import pytest

from drivers.modem.errors import ResponseError
from drivers.modem.responses import addresses
from drivers.modem.responses.table import parse

V6 = "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.{}"


def test_both_families_of_a_context_are_read_from_its_lines_with_all_their_servers() -> None:
    answer = (
        f'+CGCONTRDP: 2,6,"ims","10.1.2.3.255.255.255.0","10.1.2.1","10.9.0.1","","10.8.0.1","10.8.0.2",1\r\n'
        f'+CGCONTRDP: 2,6,"ims","{V6.format(5)}","{V6.format(1)}","{V6.format(53)}","",'
        f'"{V6.format(7)}","{V6.format(8)}",1\r\n'
        f'+CGCONTRDP: 1,5,"internet","10.2.0.2"\r\n\r\nOK\r\n'
    )
    parsed = parse("AT+CGCONTRDP", answer)
    assert (parsed["ipv4"], parsed["subnet"], parsed["gw4"]) == ("10.1.2.3", "255.255.255.0", "10.1.2.1")
    assert (parsed["ipv6"], parsed["gw6"]) == ("2001:db8::5", "2001:db8::1")
    assert parsed["pcscf"] == ["10.8.0.1", "10.8.0.2", "2001:db8::7", "2001:db8::8"]
    assert parsed["dns"] == ["10.9.0.1", "2001:db8::35"]
    assert parsed["im_cn_signalling"] == 1
    assert [context["apn"] for context in parsed["contexts"]] == ["ims", "internet"]


def test_no_active_context_is_an_answer_and_another_line_is_not() -> None:
    assert parse("AT+CGCONTRDP", "\r\nOK\r\n") == {"contexts": []}
    with pytest.raises(ResponseError, match=r"no line begins with \+CGCONTRDP:"):
        parse("AT+CGCONTRDP", "+CGPADDR: 1,10.0.0.1\r\nOK\r\n")


@pytest.mark.parametrize(
    ("text", "address", "mask"),
    [
        ("10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1.255.255.0.0", "10.0.0.1", "255.255.0.0"),
        ("10.0.0.1/24", "10.0.0.1", "255.255.255.0"),
        ("10.0.0.1 255.255.255.0", "10.0.0.1", "255.255.255.0"),
        (V6.format(1), "2001:db8::1", None),
        ("2001:db8::1/64", "2001:db8::1", "ffff:ffff:ffff:ffff::"),
        ('"2001:0DB8::1"', "2001:db8::1", None),
        ("0.0.0.0", None, None),
        ("", None, None),
    ],
)
def test_an_address_is_read_in_every_form(text: str, address: str | None, mask: str | None) -> None:
    given = addresses.read(text)
    assert (given.address and str(given.address), given.mask and str(given.mask)) == (address, mask)


@pytest.mark.parametrize(
    "text", ["10.0.0", "10.0.0.256", "1.2.3.4.5", "10.0.0.1/33", "x", "10.0.0.1 x", "10..0.1", "١.1.1.1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ResponseError, match="is no address"):
        addresses.read(text)


@pytest.mark.parametrize(
    ("command", "answer", "key", "value"),
    [
        ("AT+CIMI", "AT+CIMI\r\r\n001010000000001\r\n\r\nOK\r\n", "imsi", "001010000000001"),
        ("AT+CPIN?", "+CPIN: READY", "state", "READY"),
        ("AT+CGMI", "Quectel\r\n\r\nOK", "manufacturer", "Quectel"),
        ("AT+CPSI?", "+CPSI: NO SERVICE,Online", "mode", "NO SERVICE"),
        ("AT+CREG?", "+CREG: 2,3,,,,0,15", "state", "denied"),
        ("+CREG", "+CREG: 5", "solicited", False),
        ("AT+ICCID", "+ICCID: 8901260852292140000F", "iccid", "8901260852292140000"),
    ],
)
def test_more_answers(command: str, answer: str, key: str, value: object) -> None:
    assert parse(command, answer)[key] == value


@pytest.mark.parametrize(
    "command", ["AT+CSQ", "AT+CREG?", "AT+CIMI", "AT+CGEV", "AT!GSTATUS?", "AT^HCSQ?", "AT+COPS=?"]
)
def test_an_answer_that_only_says_ok_is_none_for_a_command_that_asks(command: str) -> None:
    with pytest.raises(ResponseError):
        parse(command, "\r\nOK\r\n")


def test_a_command_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ResponseError, match="'AT@LINE' are unknown"):
        parse("AT@LINE", "OK")
