"""Messages out of a TCP stream, wherever the segments end (RFC 3261 18.3, RFC 5626 3.5.1)."""

import contextlib

import pytest
import torture
from hypothesis import given
from hypothesis import strategies as st
from test_message import GLOBAL, MOVE
from torture import wire

from testbed.ims.errors import ParseError
from testbed.ims.message import Request, StreamParser

WITH_BODY = wire(torture.WSINV)
STREAM = MOVE + WITH_BODY + b"\r\n\r\n" + GLOBAL + b"\r\n" + wire(torture.NOREASON)
CALL_IDS = [
    "apb03a0s09dkjdfglkj49111",
    "wsinv.ndaksdj@192.0.2.1",
    "apb03a0s09dkjdfglkj49111",
    "noreason.asndj203insdf99223ndf",
]


def test_messages_are_whole_at_every_split_point() -> None:
    for split in range(len(STREAM) + 1):
        parser = StreamParser()
        messages = parser.feed(STREAM[:split]) + parser.feed(STREAM[split:])
        assert [message.call_id for message in messages] == CALL_IDS, split
        assert [len(message.body) for message in messages] == [0, 150, 0, 0], split
        assert parser.pings == 1, split


def test_messages_are_whole_octet_by_octet() -> None:
    parser = StreamParser()
    messages = [message for octet in STREAM for message in parser.feed(bytes([octet]))]
    assert [message.call_id for message in messages] == CALL_IDS
    assert parser.pings == 1


def test_a_message_comes_out_with_its_last_octet_and_not_before() -> None:
    parser = StreamParser()
    assert parser.feed(WITH_BODY[:-1]) == []
    (message,) = parser.feed(WITH_BODY[-1:])
    assert isinstance(message, Request)
    assert message.body.endswith(b"LPC\r\n")


def test_each_double_line_end_is_a_ping() -> None:
    parser = StreamParser()
    assert parser.feed(b"\r\n\r\n" * 3 + b"\r") == []
    assert parser.feed(b"\n\r\n") == []
    assert parser.pings == 4


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (GLOBAL.replace(b"Content-Length: 0\r\n", b""), 400),
        (GLOBAL.replace(b"Content-Length: 0", b"Content-Length: 9999999"), 513),
        (GLOBAL.replace(b"Content-Length: 0", b"Content-Length: -1"), 400),
        (b"x" * 70000, 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_a_stream_that_cannot_be_framed_is_refused(octets: bytes, status: int) -> None:
    with pytest.raises(ParseError) as caught:
        StreamParser().feed(octets)
    assert caught.value.status == status


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r\n\r\n", GLOBAL, WITH_BODY]), max_size=8))
def test_any_stream_is_read_or_refused(segments: list[bytes]) -> None:
    parser = StreamParser()
    with contextlib.suppress(ParseError):
        for segment in segments:
            parser.feed(segment)
