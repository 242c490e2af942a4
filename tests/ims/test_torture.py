"""The torture messages of RFC 4475 and RFC 5118: what is read, what a parser refuses, what a server answers."""

import pytest
import torture
from torture import wire

from testbed.ims.errors import ParseError
from testbed.ims.message import Request, Response, StreamParser, parse
from testbed.ims.sdp import SessionDescription
from testbed.ims.transaction import server_key
from testbed.ims.uri import OpaqueUri, SipUri

VALID = [
    "WSINV",
    "INTMETH",
    "ESC01",
    "ESCNULL",
    "ESC02",
    "LWSDISP",
    "LONGREQ",
    "DBLREQ",
    "SEMIURI",
    "TRANSPORTS",
    "UNREASON",
    "NOREASON",
    "ESCRURI",
    "BADDATE",
    "BADASPEC",
    "BADBRANCH",
    "UNKSCM",
    "NOVELSC",
    "UNKSM2",
    "BEXT01",
    "INVUT",
    "REGAUT01",
    "BCAST",
    "ZEROMF",
    "CPARAM01",
    "CPARAM02",
    "REGESCRT",
    "SDP01",
    "INV2543",
    "IPV6_GOOD",
    "PORT_AMBIGUOUS",
    "PORT_UNAMBIGUOUS",
    "RECEIVED_WITH_DELIM",
    "RECEIVED_NO_DELIM",
    "MULT_IP_IN_HEADER",
    "IPV4_MAPPED",
    "THREE_COLONS",
    "TWO_COLONS",
]

# A message that is refused, and what a server would answer if it is a request.
REFUSED = {
    "CLERR": 400,
    "NCL": 400,
    "SCALAR02": 400,
    "SCALARLG": 400,
    "QUOTBAL": 400,
    "LTGTRURI": 400,
    "LWSRURI": 400,
    "LWSSTART": 400,
    "TRWS": 400,
    "BADDN": 400,
    "BADVERS": 505,
    "MISMATCH01": 400,
    "MISMATCH02": 400,
    "BIGCODE": 400,
    "INSUF": 400,
    "MULTI01": 400,
    "MCL01": 400,
    "IPV6_BAD": 400,
}


def read(name: str) -> Request | Response:
    return parse(wire(getattr(torture, name)))


def request(name: str) -> Request:
    message = read(name)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("name", VALID)
def test_a_valid_message_is_read_and_written_so_that_it_reads_the_same(name: str) -> None:
    message = read(name)
    again = parse(message.encode())
    assert (again.start_line, list(again.headers), again.body) == (
        message.start_line,
        list(message.headers),
        message.body,
    )


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_can_be_answered(name: str) -> None:
    message = read(name)
    if isinstance(message, Request):
        answered = parse(message.response(200, to_tag="tag1").encode())
        assert answered.via == message.via
        assert answered.to.tag in ("tag1", message.to.tag)


@pytest.mark.parametrize(("name", "status"), REFUSED.items())
def test_an_invalid_message_is_refused_with_the_status_that_a_server_answers(name: str, status: int) -> None:
    with pytest.raises(ParseError) as caught:
        read(name)
    assert caught.value.status == status


def test_wsinv_is_read_through_all_its_folds_and_blanks() -> None:
    message = request("WSINV")
    assert (message.to.tag, message.from_.tag, message.cseq.number) == ("1918181833n", "98asjd8", 9)
    assert message.from_.display == 'J Rosenberg \\"'
    assert [(via.transport, via.host, via.branch) for via in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    (contact,) = message.contacts
    assert contact.display == 'Quoted string ""'
    assert dict(contact.params) == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    (route,) = message.routes
    assert str(route.uri) == "sip:services.example.com;lr;unknownwith=value;unknown-no-value"
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("Subject") == ""
    assert SessionDescription.parse(message.body).audio_destination() == ("192.0.2.4", 49217)


def test_intmeth_keeps_every_unusual_character() -> None:
    message = request("INTMETH")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params.unquoted("fromParam''~+*_!.-%") == "работающий"
    assert isinstance(message.uri, SipUri)
    assert (message.uri.user or "").endswith(",weird!*pas$wo~d_too.(doesn't-it)")
    assert message.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_escapes_are_kept_and_compared_by_meaning() -> None:
    message = request("ESC01")
    assert isinstance(message.uri, SipUri)
    assert (message.uri.user, message.uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert message.to.uri.matches(SipUri.parse("sip:user@example.com"))
    (contact,) = message.contacts
    assert contact.uri.matches(SipUri.parse("sip:caller@host5.example.net;lr;name=value%2541"))
    assert not contact.uri.matches(SipUri.parse("sip:caller@host5.example.net;lr;name=valueA"))


def test_an_escaped_method_or_header_name_is_another_name() -> None:
    message = request("ESC02")
    assert message.method == "RE%47IST%45R"
    assert [str(contact.uri) for contact in message.contacts] == [
        "sip:alias1@host1.example.com",
        "sip:alias3@host3.example.com",
    ]


def test_an_escaped_null_is_a_user() -> None:
    assert [str(contact) for contact in request("ESCNULL").contacts] == [
        "<sip:%00@host5.example.com>",
        "<sip:%00%00@host5.example.com>",
    ]


def test_a_long_message_is_read_whole() -> None:
    message = request("LONGREQ")
    assert len(message.vias) == 34
    assert [via.host for via in message.vias[:2]] == ["sip33.example.com", "sip32.example.com"]
    assert message.vias[-1].received == "192.0.2.5"
    assert isinstance(message.to.uri, SipUri)
    assert message.to.uri.port == 6000


def test_a_second_request_in_a_datagram_is_not_looked_at() -> None:
    message = request("DBLREQ")
    assert (message.method, message.body) == ("REGISTER", b"")


def test_two_requests_in_a_stream_are_two() -> None:
    first, second = StreamParser().feed(wire(torture.DBLREQ_FIRST + torture.WSINV))
    assert (first.call_id, second.call_id) == ("dblreq.0ha0isndaksdj99sdfafnl3lk233412", "wsinv.ndaksdj@192.0.2.1")


def test_a_semicolon_in_the_user_part_is_no_parameter() -> None:
    uri = request("SEMIURI").uri
    assert isinstance(uri, SipUri)
    assert (uri.user, uri.host, len(uri.params)) == ("user;par=u%40example.net", "example.com", 0)


def test_unknown_transports_are_read() -> None:
    assert [via.transport for via in request("TRANSPORTS").vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_reason_phrases_are_any_text_or_none() -> None:
    unusual, none = read("UNREASON"), read("NOREASON")
    assert isinstance(unusual, Response)
    assert unusual.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert isinstance(none, Response)
    assert (none.status, none.reason) == (100, "")


def test_extraneous_separators_are_found_by_whoever_reads_the_field() -> None:
    message = request("BADINV01")  # read, since nobody need look at what stands behind the first Via
    with pytest.raises(ParseError):
        _ = message.vias


def test_a_contact_that_needs_angle_brackets_is_found_by_whoever_reads_it() -> None:
    with pytest.raises(ParseError, match="angle brackets"):
        _ = request("REGBADCT").contacts
    (contact,) = request("REGESCRT").contacts
    assert isinstance(contact.uri, SipUri)
    assert contact.uri.headers == "Route=%3Csip:sip.example.com%3E"


def test_a_parameter_belongs_to_the_header_without_angle_brackets_and_to_the_uri_within() -> None:
    (outside,), (inside,) = request("CPARAM01").contacts, request("CPARAM02").contacts
    assert (dict(outside.params), str(outside.uri)) == ({"unknownparam": None}, "sip:+19725552222@gw1.example.net")
    assert (dict(inside.params), str(inside.uri)) == ({}, "sip:+19725552222@gw1.example.net;unknownparam")


def test_a_branch_that_is_only_the_cookie_does_not_identify_the_transaction() -> None:
    message = request("BADBRANCH")
    other = message.copy()
    other.headers.set("Call-ID", "another")
    assert server_key(message) != server_key(other)


@pytest.mark.parametrize("name", ["UNKSCM", "NOVELSC"])
def test_another_scheme_in_the_request_uri_is_left_to_the_server_to_answer_416(name: str) -> None:
    uri = request(name).uri
    assert isinstance(uri, OpaqueUri)
    with pytest.raises(ParseError) as caught:
        SipUri.parse(str(uri))
    assert caught.value.status == 416


def test_what_a_server_refuses_by_420_and_415_is_read() -> None:
    extension = request("BEXT01")
    assert extension.option_tags("Require") == {"nothingsupportsthis", "nothingsupportsthiseither"}
    assert extension.option_tags("Proxy-Require") == {"noproxiessupportthis", "nordoanyproxiessupportthis"}
    assert request("INVUT").headers.get("Content-Type") == "application/unknownformat"


def test_the_older_specification_needs_neither_branch_nor_tag_nor_length() -> None:
    message = request("INV2543")
    assert (message.via.branch, message.from_.tag) == (None, None)
    assert SessionDescription.parse(message.body).audio_destination() == ("192.0.2.5", 49217)
    assert message.from_.params.get("user") is None
    assert message.to.params.get("user") == "phone"


def test_ipv6_references_are_read_in_uri_via_and_contact() -> None:
    message = request("IPV6_GOOD")
    assert isinstance(message.uri, SipUri)
    assert (message.uri.host, message.uri.address, message.uri.port) == ("[2001:db8::10]", "2001:db8::10", None)
    assert (message.via.host, message.via.port) == ("[2001:db8::9:1]", None)
    assert str(message.contacts[0]) == '"Caller" <sip:caller@[2001:db8::1]>'


def test_a_port_stands_behind_the_bracket() -> None:
    ambiguous, plain = request("PORT_AMBIGUOUS").uri, request("PORT_UNAMBIGUOUS").uri
    assert isinstance(ambiguous, SipUri)
    assert isinstance(plain, SipUri)
    assert (ambiguous.address, ambiguous.port) == ("2001:db8::10:5070", None)
    assert (plain.address, plain.port) == ("2001:db8::10", 5070)


@pytest.mark.parametrize("name", ["RECEIVED_WITH_DELIM", "RECEIVED_NO_DELIM"])
def test_a_received_address_may_have_brackets(name: str) -> None:
    assert request(name).via.received == "2001:db8::9:255"


def test_both_families_may_stand_in_one_message() -> None:
    assert [(via.host, via.port) for via in request("MULT_IP_IN_HEADER").vias] == [
        ("[2001:db8::9:1]", 6050),
        ("192.0.2.1", None),
        ("[2001:db8::9:255]", None),
    ]
    assert request("IPV4_MAPPED").via.host == "[::ffff:192.0.2.10]"


def test_three_colons_before_an_ipv4_tail_are_borne_and_mean_two() -> None:
    assert request("THREE_COLONS").uri.matches(request("TWO_COLONS").uri)
    assert str(request("THREE_COLONS").uri) == "sip:user@[2001:db8::192.0.2.1]"
