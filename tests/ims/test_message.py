"""SIP messages: the proposal's own REGISTERs, compact forms, responses, and any octets (RFC 3261 7)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ims.errors import ParseError
from testbed.ims.headers import Headers
from testbed.ims.message import Request, Response, parse
from testbed.ims.secagree import parse_mechanisms

# C1-062198 2.1, 2.2 and 2.3: the messages as printed there, blanks and all.
HEAD = (
    b"REGISTER sip:registrar.home1.net SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.3:1357;branch=z9hG4bKnashds7\r\n"
    b"Max-Forwards: 70\r\n"
    b"P-Access-Network-Info: IEEE-802.11g; mac-address: 124343abcd3f\r\n"
    b"From: <sip:user1_public1@home1.net>; tag=4fa3\r\n"
)
TAIL = (
    b"Call-ID: apb03a0s09dkjdfglkj49111\r\n"
    b'Authorization: Digest username="user1_private@home1.net", realm="registrar.home1.net", nonce="", '
    b'uri="sip:registrar.home1.net", response=""\r\n'
    b"Security-Client: ipsec-3gpp; alg=hmac-sha-1-96; spi-c=78901234; spi-s=01234567; port-c=3562; port-s=1357\r\n"
    b"Require: sec-agree, seamless-ims\r\n"
    b"Proxy-Require: sec-agree, seamless-ims\r\n"
    b"CSeq: 5 REGISTER\r\n"
    b"Supported: path, gruu\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)
NEW_CONTACT = (
    HEAD + b"To: <sip:user1_public1@home1.net>\r\nContact: <sip:192.0.2.3:1357;transport=udp>;expires=600000\r\n" + TAIL
)
MOVE = (
    HEAD
    + b"To: <sip:user1_public1@home1.net>;\r\n"
    + b"Contact: <sip:192.0.2.3:1357;transport=udp>;expires=600000,\r\n"
    + b"  <sip:10.0.0.1:1333;transport=udp>;expires=0\r\n"
    + TAIL
)
GLOBAL = (
    HEAD
    + b"To: <sip:user1_public1@home1.net>;imsglobreg\r\n"
    + b"Contact: <sip:192.0.2.3:1357;transport=udp>;expires=600000\r\n"
    + TAIL
)

INSTANCE = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'


def request(octets: bytes) -> Request:
    message = parse(octets)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("octets", [NEW_CONTACT, MOVE, GLOBAL])
def test_the_proposals_registers_are_read(octets: bytes) -> None:
    message = request(octets)
    assert (message.method, str(message.uri), message.body) == ("REGISTER", "sip:registrar.home1.net", b"")
    assert (message.via.host, message.via.port, message.via.branch) == ("192.0.2.3", 1357, "z9hG4bKnashds7")
    assert (message.from_.tag, message.to.tag, message.call_id) == ("4fa3", None, "apb03a0s09dkjdfglkj49111")
    assert (message.cseq.number, message.cseq.method) == (5, "REGISTER")
    assert message.option_tags("Require") == message.option_tags("Proxy-Require") == {"sec-agree", "seamless-ims"}
    assert message.option_tags("Supported") == {"path", "gruu"}
    (mechanism,) = parse_mechanisms(message.headers.get_all("Security-Client"))
    assert (mechanism.spi_s, mechanism.port_s) == (1234567, 1357)
    assert message.contacts[0].params.get("expires") == "600000"


def test_the_proposals_folded_contact_is_two_contacts() -> None:
    message = request(MOVE)
    assert [(str(contact.uri), contact.params.get("expires")) for contact in message.contacts] == [
        ("sip:192.0.2.3:1357;transport=udp", "600000"),
        ("sip:10.0.0.1:1333;transport=udp", "0"),
    ]


def test_the_proposals_global_flag_stands_on_to_and_nowhere_else() -> None:
    assert "imsglobreg" in request(GLOBAL).to.params
    assert request(GLOBAL).to.params.get("imsglobreg", "") is None
    assert "imsglobreg" not in request(MOVE).to.params


def test_a_message_written_again_is_the_same_but_for_its_folds() -> None:
    assert request(GLOBAL).encode() == GLOBAL
    assert request(MOVE).encode() == MOVE.replace(b"600000,\r\n  <", b"600000, <")


def test_a_response_repeats_what_it_must_and_gives_to_its_tag() -> None:
    incoming = request(
        MOVE.replace(
            b"Max-Forwards", b"Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK2, SIP/2.0/UDP b\r\nMax-Forwards"
        ).replace(b"CSeq", b"Record-Route: <sip:a;lr>\r\nRecord-Route: <sip:b;lr>\r\nCSeq")
    )
    answered = incoming.response(200, to_tag="9f")
    assert answered.start_line == "SIP/2.0 200 OK"
    assert answered.headers.get_all("Via") == incoming.headers.get_all("Via")
    assert answered.headers.get("To") == "<sip:user1_public1@home1.net>;tag=9f"
    assert answered.headers.get("From") == "<sip:user1_public1@home1.net>; tag=4fa3"
    assert [str(route.uri) for route in answered.record_routes] == ["sip:a;lr", "sip:b;lr"]
    assert "Record-Route" not in incoming.response(401).headers
    assert parse(answered.encode()) == answered


def test_a_trying_gets_no_tag_and_a_tag_that_is_there_stays() -> None:
    assert request(GLOBAL).response(100, to_tag="9f").to.tag is None
    tagged = request(GLOBAL.replace(b";imsglobreg", b";tag=here"))
    assert tagged.response(200, to_tag="9f").headers.get("To") == "<sip:user1_public1@home1.net>;tag=here"


def test_compact_forms_are_the_long_ones() -> None:
    message = request(
        b"INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/TCP h;branch=z9hG4bK1\r\nf: <sip:c@d>;tag=1\r\nt: <sip:a@b>\r\n"
        b"i: x@h\r\nm: <sip:c@h>\r\nk: gruu\r\nk: path\r\nc: application/sdp\r\nCSeq: 1 INVITE\r\ns: hello\r\n"
        b"o: reg\r\nr: <sip:e@f>\r\nx: 1800\r\nl: 4\r\n\r\nbodyX"
    )
    assert (message.via.transport, message.from_.tag, message.call_id) == ("TCP", "1", "x@h")
    assert message.option_tags("Supported") == {"gruu", "path"}
    for name, value in {
        "Content-Type": "application/sdp",
        "content-length": "4",
        "Subject": "hello",
        "Event": "reg",
        "Refer-To": "<sip:e@f>",
        "Session-Expires": "1800",
    }.items():
        assert message.headers.get(name) == value
    assert message.body == b"body"
    assert message.encode().count(b"\r\nl: 4\r\n") == 0  # the written form has one length, spelt out
    assert b"Content-Length: 4\r\n" in message.encode()


def test_gruu_and_instance_parameters_are_kept_letter_by_letter() -> None:
    value = (
        f"<sip:192.0.2.3:1357>;+sip.instance={INSTANCE};reg-id=1"
        ';pub-gruu="sip:user1_public1@home1.net;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"'
        ';temp-gruu="sip:tgruu.7hatz6cn-098shfyq193=ajfux8fyg7ajqqe7@home1.net;gr";expires=600000'
        ';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"'
    )
    message = request(GLOBAL.replace(b"<sip:192.0.2.3:1357;transport=udp>;expires=600000", value.encode()))
    (contact,) = message.contacts
    assert str(contact) == value
    assert contact.params.get("+SIP.Instance") == INSTANCE
    assert contact.params.unquoted("+sip.instance") == INSTANCE.strip('"')
    assert contact.params.unquoted("temp-gruu") == "sip:tgruu.7hatz6cn-098shfyq193=ajfux8fyg7ajqqe7@home1.net;gr"
    assert value.encode() in message.encode()


def test_a_star_contact_is_no_address() -> None:
    message = request(GLOBAL.replace(b"<sip:192.0.2.3:1357;transport=udp>;expires=600000", b" * "))
    assert message.contact_star
    assert message.contacts == []


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (GLOBAL.replace(b"Content-Length: 0", b"Content-Length: 5"), "says 5 octets, there are 0"),
        (GLOBAL.replace(b"Via:", b"Vai:"), "Via"),
        (GLOBAL.replace(b"Call-ID: apb03a0s09dkjdfglkj49111", b"Call-ID: "), "Call-ID"),
        (GLOBAL.replace(b"To:", b" To:"), "To: there is none"),
        (b"REGISTER sip:a SIP/2.0\r\n folded: x\r\n\r\n", "begins with a blank"),
        (GLOBAL.replace(b"70\r\n", b"70\nRoute: <sip:evil>\r\n"), "CR or LF"),
        (GLOBAL.replace(b"70\r\n", b"70\r\n x\nRoute: <sip:evil>\r\n"), "CR or LF"),
        (GLOBAL.replace(b"70\r\n", b"70\rRoute: <sip:evil>\r\n"), "CR or LF"),
        (GLOBAL[:-4], "never end"),
        (b"\r\n\r\n", "never end"),
        (b"", "never end"),
        (b"REGISTER sip:a SIP/2.0\r\nX: " + b"y" * 70000 + b"\r\n\r\n", "octets of headers"),
    ],
)
def test_what_cannot_be_relied_on_is_refused_with_the_reason(octets: bytes, what: str) -> None:
    with pytest.raises(ParseError, match=what):
        parse(octets)


def test_a_value_of_ours_can_never_split_a_message() -> None:
    with pytest.raises(ValueError, match="line ends"):
        Headers().add("Subject", "a\r\nRoute: <sip:evil>")


@pytest.mark.parametrize("host", [b"a" + b" " * 60000 + b"b", b"a" + b" ;" * 30000, b"a" + b"," * 60000])
def test_no_via_takes_long_to_read(host: bytes) -> None:
    with contextlib.suppress(ParseError):  # a minute and a half, once, for sixty thousand blanks
        parse(GLOBAL.replace(b"192.0.2.3:1357;branch", host + b";branch"))


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    with contextlib.suppress(ParseError):
        parse(octets)


@given(st.data())
def test_octets_changed_in_a_good_message_are_read_or_refused_and_every_typed_value_too(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from([NEW_CONTACT, MOVE, GLOBAL])))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        message = parse(bytes(octets))
    except ParseError:
        return
    for name in ("vias", "contacts", "routes", "paths", "service_routes", "record_routes", "expires", "contact_star"):
        with contextlib.suppress(ParseError):
            getattr(message, name)
    assert message.via.rport is None or message.via.rport >= 0
    message.from_.uri.matches(message.to.uri)
    assert parse(message.encode()) == message
    if isinstance(message, Request):
        answered = message.response(200, to_tag="1")
        assert parse(answered.encode()).cseq == message.cseq


TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=40).map(
    lambda text: " ".join(text.split())
)


@given(
    method=TOKEN,
    fields=st.lists(st.tuples(TOKEN.map("X-{}".format), TEXT), max_size=6),
    body=st.binary(max_size=200),
    status=st.none() | st.integers(100, 699),
    reason=TEXT,
)
def test_what_is_written_is_read_as_it_was(
    method: str, fields: list[tuple[str, str]], body: bytes, status: int | None, reason: str
) -> None:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
            ("From", "<sip:a@b>;tag=1"),
            ("To", "<sip:a@b>"),
            ("Call-ID", "x"),
            ("CSeq", f"1 {method}"),
            *fields,
        ]
    )
    message = Request(method, "sip:a@b", headers, body) if status is None else Response(status, reason, headers, body)
    again = parse(message.encode())
    assert (again.start_line, again.headers, again.body) == (message.start_line, message.headers, body)


def test_a_body_of_every_octet_is_kept() -> None:
    body = bytes(range(256)) * 2
    message = request(GLOBAL)
    message.body = body
    assert parse(message.encode()).body == body
