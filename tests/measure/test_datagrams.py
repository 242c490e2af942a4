"""Fragments put together, TCP and UDP told apart; what is broken is passed over."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.measure.datagrams import Segment, segments
from testbed.measure.esp import EspKeys
from testbed.measure.packets import TCP, read_packets
from testbed.measure.pcapng_writer import PcapngWriter, ip_packet, sll2, udp_packet

BODY = bytes(range(256)) * 12


def fragments(packet: bytes, size: int = 800, identity: int = 77) -> list[bytes]:
    """The packet in pieces, as RFC 791 and RFC 8200 cut it."""
    six = packet[0] >> 4 == 6
    head, body = (packet[:40], packet[40:]) if six else (packet[:20], packet[20:])
    pieces = []
    for at in range(0, len(body), size):
        piece, more = body[at : at + size], at + size < len(body)
        if six:
            extension = struct.pack(">BBHI", head[6], 0, at | more, identity)
            new = head[:4] + struct.pack(">HB", len(piece) + 8, 44) + head[7:]
            pieces.append(new + extension + piece)
        else:
            field = struct.pack(">HHH", len(piece) + 20, identity, at // 8 | (0x2000 if more else 0))
            pieces.append(head[:2] + field + head[8:] + piece)
    return pieces


def read(tmp_path: Path, packets: list[bytes]) -> list[Segment]:
    path = tmp_path / "capture.pcapng"
    with PcapngWriter(path) as writer:
        for number, packet in enumerate(packets):
            writer.write(1000 + number, sll2(packet))
    return list(segments(read_packets(path), EspKeys()))


@pytest.mark.parametrize(("left", "right"), [("10.1.0.2", "10.3.0.2"), ("fd01::2", "fd03::2")])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_a_datagram_in_fragments_is_whole_in_whatever_order_they_come(
    tmp_path: Path, left: str, right: str, order: tuple[int, ...]
) -> None:
    pieces = fragments(udp_packet(left, 5060, right, 5062, BODY))
    (found,) = read(tmp_path, [pieces[number] for number in order])
    assert found.payload == BODY
    assert (found.source, found.source_port, found.destination_port) == (left, 5060, 5062)
    assert found.time_ns == 1003, "it is there when its last piece is"


def test_fragments_of_two_datagrams_are_not_mixed(tmp_path: Path) -> None:
    first = fragments(udp_packet("10.1.0.2", 1, "10.3.0.2", 2, BODY), identity=1)
    second = fragments(udp_packet("10.1.0.2", 1, "10.3.0.2", 2, BODY[::-1]), identity=2)
    mixed = [piece for pair in zip(first, second, strict=True) for piece in pair]
    assert [found.payload for found in read(tmp_path, mixed)] == [BODY, BODY[::-1]]


def test_a_missing_fragment_leaves_nothing(tmp_path: Path) -> None:
    pieces = fragments(udp_packet("10.1.0.2", 1, "10.3.0.2", 2, BODY))
    assert read(tmp_path, pieces[:1] + pieces[2:]) == []


def test_a_tcp_segment_tells_its_sequence_number_and_syn(tmp_path: Path) -> None:
    head = struct.pack(">HHIIBBHHH", 5060, 6000, 4_000_000_000, 0, 6 << 4, 2, 9, 0, 0) + bytes(4)
    (found,) = read(tmp_path, [ip_packet("10.1.0.2", "10.3.0.2", TCP, head + b"body")])
    assert (found.protocol, found.sequence, found.syn, found.payload) == (TCP, 4_000_000_000, True, b"body")


def test_media_rows_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    with PcapngWriter(path) as writer:
        for number in range(3):
            writer.write(number, sll2(udp_packet("10.1.0.2", 1, "10.3.0.2", 2, b"%d" % number)))
    found = segments(read_packets(path), EspKeys(), np.array([1]))
    assert [segment.payload for segment in found] == [b"0", b"2"]


@given(packets=st.lists(st.binary(min_size=20, max_size=120), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
def test_no_packet_brings_the_reading_down(tmp_path: Path, packets: list[bytes]) -> None:
    shaped = []
    for number, packet in enumerate(packets):  # so that most of them are taken for IP, many for fragments
        shaped.append(
            bytes([(0x45, 0x60)[number % 2]]) + packet[1:6] + bytes([44 if number % 2 else packet[6]]) + packet[7:]
        )
    read(tmp_path, shaped)
