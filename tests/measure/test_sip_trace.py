"""SIP read off the wire: messages cut out of TCP in whatever pieces they came, and read leniently."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st
from synthetic_call import sip

from testbed.measure.datagrams import Segment
from testbed.measure.packets import TCP, UDP
from testbed.measure.sip_trace import sip_messages


def segment(
    payload: bytes, at: int = 0, *, sequence: int = 0, syn: bool = False, protocol: int = TCP, port: int = 5060
) -> Segment:
    return Segment(at, 0, protocol, "10.1.0.2", port, "10.9.0.1", 5060, payload, True, sequence=sequence, syn=syn)


def stream(data: bytes, cuts: list[int], first: int = 1000) -> list[Segment]:
    """The data in segments after a SYN, each a nanosecond later."""
    places = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(data)), len(data)]
    pieces = [(begin, data[begin:end]) for begin, end in itertools.pairwise(places)]
    found = [segment(b"", 0, sequence=first - 1, syn=True)]
    return found + [
        segment(piece, number, sequence=(first + begin) & 0xFFFFFFFF) for number, (begin, piece) in enumerate(pieces, 1)
    ]


BODY = b"v=0\r\no=- 1 1 IN IP4 10.1.0.2\r\n"
INVITE = sip("INVITE", 7).replace(b"Content-Length: 0", b"l : %d" % len(BODY)) + BODY
MESSAGES = sip("REGISTER", 1) + b"\r\n\r\n" + INVITE + sip("INVITE", 7, 200)


def test_a_datagram_is_a_message() -> None:
    (found,) = sip_messages([segment(sip("REGISTER", 3, 401), 5, protocol=UDP)])
    assert (found.time_ns, found.status, found.reason, found.method, found.cseq) == (
        5,
        401,
        "Unauthorized",
        "REGISTER",
        3,
    )
    assert (found.title, found.transport, found.call_id) == ("401 Unauthorized", "udp", "reg")


@given(st.lists(st.integers(0, len(MESSAGES))), st.sampled_from([1000, 0xFFFFFFF0]))
def test_a_stream_gives_its_messages_however_it_is_cut(cuts: list[int], first: int) -> None:
    found = sip_messages(stream(MESSAGES, cuts, first))
    assert [message.title for message in found] == ["REGISTER", "INVITE", "200 OK"]
    assert found[1].text.endswith(BODY)


@given(st.lists(st.integers(0, len(MESSAGES)), min_size=1), st.integers(0, 2**32))
def test_retransmitted_and_reordered_segments_change_nothing(cuts: list[int], seed: int) -> None:
    first, *rest = stream(MESSAGES, cuts)
    shuffled = rest + rest[::2]
    random.Random(seed).shuffle(shuffled)
    assert [message.title for message in sip_messages([first, *shuffled])] == ["REGISTER", "INVITE", "200 OK"]


def test_a_message_is_there_when_its_last_byte_is() -> None:
    found = sip_messages(stream(MESSAGES, [10, 50]))
    assert found[0].time_ns == 3


def test_a_segment_that_overlaps_the_last_one_is_cut() -> None:
    data = sip("REGISTER", 1)
    begin = segment(b"", sequence=99, syn=True)
    pieces = [segment(data[:100], 1, sequence=100), segment(data[60:], 2, sequence=160)]
    assert [message.text for message in sip_messages([begin, *pieces])] == [data]


def test_a_stream_whose_beginning_was_not_captured_is_read_from_where_it_is() -> None:
    found = sip_messages([segment(b"ngth: 0\r\n\r\n" + sip("REGISTER", 1), sequence=77)])
    assert [message.title for message in found] == ["REGISTER"]


def test_a_new_connection_from_the_same_port_begins_anew() -> None:
    old = stream(MESSAGES[:40], [])
    assert [message.title for message in sip_messages(old + stream(MESSAGES, [90], first=5_000_000))] == [
        "REGISTER", "INVITE", "200 OK",
    ]  # fmt: skip


def test_compact_names_and_folded_lines_are_read() -> None:
    text = b"INVITE sip:a SIP/2.0\r\ni: abc\r\nCSeq: 4 INVITE\r\nm:\r\n <sip:ue@10.1.0.2>\r\n ;expires=0\r\n\r\n"
    (found,) = sip_messages([segment(text, protocol=UDP)])
    assert found.call_id == "abc"
    assert found.first("contact") == "<sip:ue@10.1.0.2> ;expires=0"


def test_absurd_numbers_are_no_numbers() -> None:
    text = sip("INVITE", 1).replace(b"CSeq: 1 ", b"CSeq: " + b"9" * 9000 + b" ")
    (found,) = sip_messages([segment(text, protocol=UDP)])
    assert found.cseq == 0
    sip_messages(stream(text.replace(b"Length: 0", b"Length: " + b"9" * 9000), []))


@given(st.binary(max_size=200))
def test_what_is_not_sip_is_passed_over(data: bytes) -> None:
    sip_messages([segment(data, protocol=UDP), segment(data, 1, sequence=9)])


@given(st.integers(0, 300), st.binary(min_size=1, max_size=6))
def test_a_damaged_message_is_in_the_trace_or_not_and_brings_nothing_down(at: int, noise: bytes) -> None:
    text = INVITE[:at] + noise + INVITE[at + len(noise) :]
    sip_messages([segment(text, protocol=UDP), *stream(text + MESSAGES, [at])])
