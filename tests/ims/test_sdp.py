"""Session descriptions: reading, writing, offers and answers (RFC 8866, RFC 3264)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testbed.ims.errors import ParseError
from testbed.ims.sdp import Direction, SessionDescription, answer, audio_offer

# RFC 8866 5, with the media of RFC 3264 10.1.
ALICE = b"""v=0\r
o=alice 2890844526 2890844526 IN IP4 host.anywhere.com\r
s=\r
c=IN IP4 192.0.2.7\r
t=0 0\r
m=audio 49170 RTP/AVP 0\r
a=rtpmap:0 PCMU/8000\r
m=video 51372 RTP/AVP 31\r
a=rtpmap:31 H261/90000\r
m=video 53000 RTP/AVP 32\r
a=rtpmap:32 MPV/90000\r
"""


@pytest.mark.parametrize(("address", "family"), [("192.0.2.3", b"IP4"), ("2001:db8::3", b"IP6")])
def test_an_offer_reads_as_it_was_written_in_both_families(address: str, family: bytes) -> None:
    offer = audio_offer(address, 4000, session_id=77, version=3)
    assert offer.encode() == (
        b"v=0\r\no=- 77 3 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
        b"a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n" % (family, address.encode(), family, address.encode())
    )
    assert SessionDescription.parse(offer.encode()) == offer
    assert offer.audio_destination() == (address, 4000)


def test_the_answer_takes_the_audio_stream_and_refuses_the_others_in_their_order() -> None:
    reply = answer(SessionDescription.parse(ALICE), "192.0.2.9", 3456, session_id=5)
    assert [(media.kind, media.port) for media in reply.media] == [("audio", 3456), ("video", 0), ("video", 0)]
    assert [media.formats for media in reply.media] == [("0",), ("31",), ("32",)]
    assert reply.audio_destination() == ("192.0.2.9", 3456)
    assert SessionDescription.parse(reply.encode()) == reply


@pytest.mark.parametrize(
    ("offered", "wanted", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
    ],
)
def test_the_answers_direction_is_what_both_ends_want(offered: str, wanted: str, answered: str) -> None:
    offer = audio_offer("192.0.2.3", 4000, 1, direction=Direction(offered))
    reply = answer(offer, "192.0.2.9", 3456, direction=Direction(wanted))
    assert SessionDescription.parse(reply.encode()).direction is Direction(answered)


def test_a_session_direction_holds_where_the_stream_says_nothing() -> None:
    assert SessionDescription.parse(ALICE).direction is Direction.SENDRECV
    held = ALICE.replace(b"t=0 0\r\n", b"t=0 0\r\na=inactive\r\n")
    assert SessionDescription.parse(held).direction is Direction.INACTIVE
    woken = held.replace(b"PCMU/8000\r\n", b"PCMU/8000\r\na=sendonly\r\n")
    assert SessionDescription.parse(woken).direction is Direction.SENDONLY


def test_the_unspecified_address_is_a_hold() -> None:
    held = SessionDescription.parse(ALICE.replace(b"192.0.2.7", b"0.0.0.0"))
    assert held.direction is Direction.SENDONLY
    assert answer(held, "192.0.2.9", 3456).direction is Direction.RECVONLY


def test_the_version_grows_by_one_with_a_change_and_only_then() -> None:
    first = audio_offer("192.0.2.3", 4000, session_id=77, version=1)
    assert audio_offer("192.0.2.3", 4000, session_id=9).after(first) == first
    moved = audio_offer("2001:db8::3", 4000, session_id=9).after(first)
    assert (moved.origin.session_id, moved.origin.version, moved.origin.address) == ("77", 2, "2001:db8::3")
    held = moved.with_direction(Direction.SENDONLY).after(moved)
    assert (held.origin.version, held.direction) == (3, Direction.SENDONLY)
    assert audio_offer("192.0.2.3", 4000, 1).after(None).origin.version == 1


def test_an_address_of_the_stream_goes_before_the_sessions() -> None:
    text = ALICE.replace(b"RTP/AVP 0\r\n", b"RTP/AVP 0\r\ni=mine\r\nc=IN IP6 2001:DB8::A\r\nb=AS:80\r\n")
    description = SessionDescription.parse(text)
    assert description.audio_destination() == ("2001:db8::a", 49170)
    assert b"i=mine\r\nc=IN IP6 2001:DB8::A\r\nb=AS:80\r\na=rtpmap:0" in description.encode()


def test_pcmu_is_found_under_a_dynamic_payload_type_and_not_under_a_stolen_static_one() -> None:
    dynamic = ALICE.replace(b"RTP/AVP 0\r\na=rtpmap:0 PCMU", b"RTP/AVP 8 96\r\na=rtpmap:96 pcmu")
    reply = answer(SessionDescription.parse(dynamic), "192.0.2.9", 3456)
    assert reply.media[0].formats == ("96",)
    stolen = SessionDescription.parse(ALICE.replace(b"PCMU", b"G726-32"))
    with pytest.raises(ParseError, match="PCMU") as caught:
        answer(stolen, "192.0.2.9", 3456)
    assert caught.value.status == 488


@pytest.mark.parametrize(
    "text",
    [
        ALICE.replace(b"\r\n", b"\n"),
        ALICE.replace(b"s=\r\n", b""),
        ALICE.replace(b"t=0 0\r\n", b""),
        ALICE + b"\r\n\r\n",
        ALICE.replace(b"49170", b"49170/2"),
        ALICE.replace(b"192.0.2.7", b"192.0.2.7/127"),
        ALICE.replace(b"t=0 0", b"k=clear:x\r\na=tool:\xff\xfe\r\nt=0 0\r\nr=7d 1h 0 25h"),
    ],
)
def test_reading_is_lenient(text: bytes) -> None:
    description = SessionDescription.parse(text)
    assert description.audio_destination() == ("192.0.2.7", 49170)
    assert SessionDescription.parse(description.encode()) == description


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"v=0\r\n",
        ALICE.replace(b"2890844526 IN", b"x IN"),
        ALICE.replace(b"49170", b"65536"),
        ALICE.replace(b"m=audio 49170 RTP/AVP 0", b"m=audio"),
        ALICE.replace(b"c=IN IP4 192.0.2.7", b"c=IN"),
        b"v=0\r\n" * 20000,
    ],
)
def test_what_is_no_description_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        SessionDescription.parse(text)


@pytest.mark.parametrize("address", [b"host.example", b"224.2.1.1/127", b"fe80::1%eth0"])
def test_a_destination_that_no_packet_can_be_sent_to_is_refused(address: bytes) -> None:
    description = SessionDescription.parse(ALICE.replace(b"192.0.2.7", address))
    with pytest.raises(ParseError) as caught:
        description.audio_destination()
    assert caught.value.status == 488


@given(st.binary(max_size=200) | st.lists(st.sampled_from(ALICE.splitlines(keepends=True))).map(b"".join))
@example(b"v=0\r\no=a 1 1 IN IP4 b\r\nm=audio 9 RTP/AVP 0\r\na= x : y \r\n")
def test_any_octets_are_read_or_refused_and_what_was_read_is_written_back(body: bytes) -> None:
    try:
        description = SessionDescription.parse(body)
    except ParseError:
        return
    assert SessionDescription.parse(description.encode()) == description


@given(st.data())
def test_a_description_with_octets_changed_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(ALICE)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        description = SessionDescription.parse(bytes(body))
        assert SessionDescription.parse(description.encode()) == description
        answer(description, "192.0.2.9", 3456).audio_destination()
        description.audio_destination()
    except ParseError:
        pass
