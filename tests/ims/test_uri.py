"""SIP URIs: reading, writing, and comparison as RFC 3261 19.1.4 tells it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ims.errors import ParseError
from testbed.ims.uri import OpaqueUri, SipUri, parse_hostport, parse_uri

# RFC 3261 19.1.4's own examples.
EQUAL = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    # and ours
    ("sip:a@[2001:DB8::1]:5060", "sip:a@[2001:db8:0:0::1]:5060"),
    ("SIP:a@b", "sip:a@b"),
    ("sip:a@b;x=%41", "sip:a@b;x=a"),
    ("sip:192.0.2.3:1357;transport=udp", "sip:192.0.2.3:1357;transport=UDP;ob"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    # and ours
    ("sip:a@b", "sips:a@b"),
    ("sip:a@b", "tel:+1"),
    ("sip:b", "sip:a@b"),
    ("sip:a:secret@b", "sip:a@b"),
    ("sip:a@b;maddr=c", "sip:a@b"),
    ("sip:a@b;ttl=1", "sip:a@b"),
    ("sip:a@b;user=phone", "sip:a@b"),
    ("sip:a@b;lr", "sip:a@b;lr=on"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_uris_match_both_ways(one: str, other: str) -> None:
    assert parse_uri(one).matches(parse_uri(other))
    assert parse_uri(other).matches(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris_do_not_match_either_way(one: str, other: str) -> None:
    assert not parse_uri(one).matches(parse_uri(other))
    assert not parse_uri(other).matches(parse_uri(one))


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:user1_public1@home1.net;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "sip:tgruu.7hatz6cn-098shfyq193=ajfux8fyg7ajqqe7@home1.net;gr",
        "sip:[2001:db8::3]:1357;transport=udp;lr",
        "sip:orig@scscf.home1.net:5060;lr;a/b:c=[d]&e",
    ],
)
def test_a_uri_is_written_as_it_was_read(text: str) -> None:
    assert str(SipUri.parse(text)) == text


def test_the_parts_of_a_uri_are_told_apart() -> None:
    uri = SipUri.parse("sip:a;b=c@[2001:db8::3]:1357;lr;transport=tcp?x=y")
    assert (uri.user, uri.host, uri.address, uri.port) == ("a;b=c", "[2001:db8::3]", "2001:db8::3", 1357)
    assert (dict(uri.params), uri.headers) == ({"lr": None, "transport": "tcp"}, "x=y")


def test_other_schemes_are_kept_unread() -> None:
    assert parse_uri("tel:+1-212-555-1212;phone-context=a") == OpaqueUri("tel", "+1-212-555-1212;phone-context=a")
    assert str(parse_uri("urn:service:sos")) == "urn:service:sos"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "alice@atlanta.com",
        "sip:@host",
        "sip:a@",
        "sip:a b@host",
        "sip:a@host;",
        "sip:a@host:",
        "sip:a@host:70000",
        "sip:a@host:٣",
        "sip:a@[::1",
        "sip:a@[::g]",
        "sip:a@[fe80::1%25eth0]",
        "sip:a@[::1]5060",
        "sip:2001:db8::1",
        "sip:a@host;=b",
        "<sip:a@host>",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    if text == "sip:a@host;":
        assert str(parse_uri(text)) == "sip:a@host"  # an empty parameter is passed over
        return
    with pytest.raises(ParseError):
        parse_uri(text)


def test_blanks_may_surround_the_colon_before_a_port() -> None:
    assert parse_hostport(" host : 5060 ") == ("host", 5060)
    assert parse_hostport("[2001:db8::1] : 5060") == ("[2001:db8::1]", 5060)


def test_octets_beyond_utf8_are_compared_like_others() -> None:
    odd = parse_uri(b"sip:\xff@host;a=\xfe".decode("utf-8", "surrogateescape"))
    assert odd.matches(parse_uri("sip:%FF@host;a=%FE"))


PART = st.text("abz09-_.!~*'()%4&=+$,", min_size=1, max_size=10)


@given(
    user=st.none() | PART,
    host=st.sampled_from(["home1.net", "192.0.2.3", "[2001:db8::3]"]),
    port=st.none() | st.integers(1, 65535),
    params=st.dictionaries(st.text("abc-%[]/:&$", min_size=1, max_size=6), st.none() | PART, max_size=3),
)
def test_any_uri_of_parts_is_read_as_written_and_matches_itself(
    user: str | None, host: str, port: int | None, params: dict[str, str | None]
) -> None:
    tail = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params.items())
    text = f"sip:{user + '@' if user is not None else ''}{host}{f':{port}' if port is not None else ''}{tail}"
    uri = SipUri.parse(text)
    assert str(uri) == text
    assert (uri.user, uri.host, uri.port) == (user, host, port)
    assert uri.matches(SipUri.parse(text))


@given(st.binary(max_size=60).map(lambda octets: octets.decode("utf-8", "surrogateescape")))
def test_any_text_is_read_or_refused(text: str) -> None:
    for attempt in (text, f"sip:{text}", f"sip:a@{text}"):
        with contextlib.suppress(ParseError):
            uri = parse_uri(attempt)
            assert uri.matches(parse_uri(str(uri)))
