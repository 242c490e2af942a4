"""The walk over a capture's blocks: equal ones at a stride, others one by one, and no file that brings it down."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from testbed.errors import MeasurementInvalid
from testbed.measure.pcapng import INTERFACE, PACKET, SECTION_HEADER, STATISTICS, read_blocks
from testbed.measure.pcapng_writer import PcapngWriter

START = 1_700_000_000_123_456_789


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def section() -> bytes:
    return block(SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(link_type: int = 1, options: bytes = b"") -> bytes:
    return block(INTERFACE, struct.pack("<HHI", link_type, 0, 0) + options)


def packet(ticks: int, frame: bytes, number: int = 0) -> bytes:
    head = struct.pack("<IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(PACKET, head + frame)


def read(tmp_path: Path, data: bytes):  # type: ignore[no-untyped-def]
    path = tmp_path / "capture.pcapng"
    path.write_bytes(data)
    return read_blocks(path)


@given(lengths=st.lists(st.sampled_from([0, 1, 3, 40, 172, 173, 1400]), max_size=60))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example(lengths=[172] * 50 + [40] + [172] * 3)
def test_every_packet_is_found_at_its_place_whatever_lengths_follow_each_other(
    tmp_path: Path, lengths: list[int]
) -> None:
    frames = [bytes([number % 251]) * length for number, length in enumerate(lengths)]
    path = tmp_path / "capture.pcapng"
    with PcapngWriter(path) as writer:
        for number, frame in enumerate(frames):
            writer.write(START + number, frame)
    blocks = read_blocks(path)
    found = [blocks.data[at : at + size].tobytes() for at, size in zip(blocks.start, blocks.captured, strict=True)]
    assert found == frames
    assert list(blocks.time_ns) == [START + number for number in range(len(frames))]
    assert not blocks.truncated


def test_times_are_read_in_the_interfaces_own_resolution_and_offset(tmp_path: Path) -> None:
    micro = interface()  # no option: microseconds
    binary = interface(options=struct.pack("<HHB3x", 9, 1, 0x80 | 10))  # 2^-10 s
    offset = interface(options=struct.pack("<HHq", 14, 8, 1000))
    data = section() + micro + binary + offset
    data += packet(1_500_000, b"a", 0) + packet(1536, b"b", 1) + packet(1_500_000, b"c", 2)
    assert list(read(tmp_path, data).time_ns) == [1_500_000_000, 1_500_000_000, 1_001_500_000_000]


def test_interfaces_are_counted_anew_in_every_section(tmp_path: Path) -> None:
    data = section() + interface(1) + packet(1, b"a") + section() + interface(113) + packet(2, b"b")
    blocks = read(tmp_path, data)
    assert [blocks.interfaces[number].link_type for number in blocks.interface] == [1, 113]


def test_what_dumpcap_admits_to_have_dropped_is_summed(tmp_path: Path) -> None:
    statistics = block(STATISTICS, struct.pack("<IIIHHQ", 0, 0, 0, 5, 8, 7) + bytes(4))
    assert read(tmp_path, section() + interface() + statistics + statistics).dropped == 14


@pytest.mark.parametrize("cut", [1, 4, 30, 31])
def test_a_file_whose_writer_was_killed_keeps_all_whole_packets(tmp_path: Path, cut: int) -> None:
    data = section() + interface() + b"".join(packet(number, bytes(40)) for number in range(9))
    blocks = read(tmp_path, data[:-cut])
    assert len(blocks.start) == 8
    assert blocks.truncated


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\xd4\xc3\xb2\xa1" + bytes(60), "not a pcapng file"),
        (b"hello", "not a pcapng file"),
        (section().replace(b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d") + interface(), "not little-endian"),
        (section() + packet(0, b"a"), "interface that is not described"),
        (section() + interface() + struct.pack("<II", 9, 7) + bytes(40), "cannot be 7 bytes long"),
        (section() + interface() + block(PACKET, struct.pack("<IIIII", 0, 0, 0, 99, 99)), "longer than its block"),
    ],
)
def test_what_is_not_a_capture_is_a_sentence_that_names_file_and_byte(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(MeasurementInvalid, match=said) as raised:
        read(tmp_path, data)
    assert str(tmp_path / "capture.pcapng") in str(raised.value)


@given(
    noise=st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=8)), max_size=6),
    cut=st.integers(0, 2000),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path: Path, noise: list[tuple[int, bytes]], cut: int
) -> None:
    data = bytearray(section() + interface(276) + b"".join(packet(number, bytes(60)) for number in range(15)))
    for at, piece in noise:
        data[at : at + len(piece)] = piece
    try:
        blocks = read(tmp_path, bytes(data[: len(data) - cut]))
    except MeasurementInvalid:
        return
    assert (blocks.start + blocks.captured <= len(blocks.data)).all()
