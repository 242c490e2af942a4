"""Header fields and their typed values: addresses, Via, CSeq, parameters (RFC 3261 7.3, 20, 25.1)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ims.errors import ParseError
from testbed.ims.headers import CSeq, Headers, NameAddr, Via, split_list
from testbed.ims.params import Params, split_outside, unquote

INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'


def test_names_compare_without_case_and_compact_forms_are_the_same_field() -> None:
    headers = Headers([("v", "one"), ("VIA", "two"), ("To", "x")])
    assert headers.get_all("Via") == ["one", "two"]
    assert "t" in headers
    assert list(headers) == [("v", "one"), ("VIA", "two"), ("To", "x")]


def test_fields_are_added_set_prepended_and_removed_in_their_places() -> None:
    headers = Headers([("Route", "1"), ("To", "x"), ("Route", "2")])
    headers.set("route", "3")
    headers.prepend("Via", "v")
    headers.add("Subject", "s")
    assert list(headers) == [("Via", "v"), ("route", "3"), ("To", "x"), ("Subject", "s")]
    twin = headers.copy()
    twin.remove("To")
    assert ("To" in headers, "To" in twin, len(twin)) == (True, False, 3)
    assert headers != twin


def test_lists_are_split_outside_quotes_and_angle_brackets() -> None:
    headers = Headers([("Contact", '"a, b" <sip:a,b@c>;x="1,2", <sip:d>'), ("Contact", ",,<sip:e> ,")])
    assert headers.values("Contact") == ['"a, b" <sip:a,b@c>;x="1,2"', "<sip:d>", "<sip:e>"]
    assert split_list('"a\\",b",c') == ['"a\\",b"', "c"]
    assert split_outside("a;b>;c", ";") == ["a", "b>", "c"]


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("sip:a@b;tag=1", None, "sip:a@b", {"tag": "1"}),
        ("<sip:a@b;lr>;tag=1", None, "sip:a@b;lr", {"tag": "1"}),
        ("Bob  Smith <sip:a@b> ; tag = 1 ;x", "Bob  Smith", "sip:a@b", {"tag": "1", "x": None}),
        ('"Bob \\"B\\" <x>" <sip:a@b>', 'Bob "B" <x>', "sip:a@b", {}),
        ('"" <sip:a@b>', "", "sip:a@b", {}),
        ("<tel:+1>;a", None, "tel:+1", {"a": None}),
        (f"sip:a@b;+sip.instance={INSTANCE};q=1", None, "sip:a@b", {"+sip.instance": INSTANCE, "q": "1"}),
        (f"<sip:a@b>;+sip.instance={INSTANCE}", None, "sip:a@b", {"+sip.instance": INSTANCE}),
        ("<sip:a@b>;", None, "sip:a@b", {}),
    ],
)
def test_an_address_is_read_in_all_its_forms(
    text: str, display: str | None, uri: str, params: dict[str, str | None]
) -> None:
    address = NameAddr.parse(text)
    assert (address.display, str(address.uri), dict(address.params)) == (display, uri, params)
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<sip:a@b",
        '"open <sip:a@b>',
        '"name" sip:a@b',
        "a, b <sip:a@b>",
        "<sip:a@b> tag=1",
        "sip:a@b?x=y",
        "sip:a@b,sip:c@d",
        '"one" two <sip:a@b>',
        "<sip:a@b>;b c=1",
        "*",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        NameAddr.parse(text)


def test_a_via_is_read_and_written() -> None:
    via = Via.parse("SIP / 2.0 / udp  [2001:db8::1]:5062 ;rport; branch=z9hG4bK1;received=[2001:db8::2]")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "[2001:db8::1]", 5062, "z9hG4bK1")
    assert (via.received, via.rport, "rport" in via.params) == ("2001:db8::2", None, True)
    assert str(via.with_param("rport", "99")) == (
        "SIP/2.0/UDP [2001:db8::1]:5062;rport=99;branch=z9hG4bK1;received=[2001:db8::2]"
    )


@pytest.mark.parametrize("rport", ["²", "abc", "", "999999999999"])
def test_an_rport_that_is_no_port_is_none(rport: str) -> None:
    assert Via.parse(f"SIP/2.0/UDP h;rport={rport}").rport is None


@pytest.mark.parametrize(
    "text", ["", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/3.0/UDP h", "SIP/2.0/UDP h x", "SIP/2.0/U P h:1"]
)
def test_what_is_no_via_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Via.parse(text)


def test_a_cseq_is_a_number_below_two_to_the_thirty_second_and_a_method() -> None:
    assert CSeq.parse(" 0009   INVITE ") == CSeq(9, "INVITE")
    assert str(CSeq(2**32 - 1, "ACK")) == "4294967295 ACK"
    for text in ("", "INVITE", "4294967296 INVITE", "-1 INVITE", "1", "1 IN VITE", "٣ INVITE"):
        with pytest.raises(ParseError):
            CSeq.parse(text)


def test_parameters_keep_order_case_and_quotes() -> None:
    params = Params.parse(';Lr;x="a;\\"b";Y=2', "test")
    assert str(params) == ';Lr;x="a;\\"b";Y=2'
    assert (params["lr"], params["y"], params.unquoted("X"), params.get("z")) == (None, "2", 'a;"b', None)
    assert params.with_param("LR", "on").with_param("new") == Params.parse('lr=on;y=2;x="a;\\"b";new', "test")
    assert str(params.without("X")) == ";Lr;Y=2"
    assert hash(Params.parse("a;b", "test")) == hash(Params.parse("B;A", "test"))


def test_only_a_quoted_string_is_unquoted() -> None:
    assert [unquote(text) for text in ('"a\\\\b"', "a", '"', '""')] == ["a\\b", "a", '"', ""]


@given(st.binary(max_size=80).map(lambda octets: octets.decode("utf-8", "surrogateescape")))
def test_any_text_is_read_or_refused_by_every_type(text: str) -> None:
    for attempt in (text, f"<sip:a@b>;{text}", f'"{text}" <sip:a@b>', f"SIP/2.0/UDP {text}", f"1 {text}"):
        for kind in (NameAddr, Via, CSeq):
            with contextlib.suppress(ParseError):
                value = kind.parse(attempt)  # type: ignore[attr-defined]
                assert kind.parse(str(value)) == value  # type: ignore[attr-defined]
