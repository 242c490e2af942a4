"""RTP columns and a stream's figures, the latter beside tshark's."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.measure.packets import read_packets
from testbed.measure.pcapng_writer import PcapngWriter, rtp, sll2, udp_packet
from testbed.measure.rtp import extended, figures, first_copies, read_rtp

START = 1_700_000_000_000_000_000


def packet(sequence: int, *, ssrc: int = 0x1111, payload_type: int = 8, source: str = "10.1.0.2") -> bytes:
    body = rtp(sequence, sequence * 160, ssrc, payload_type=payload_type)
    return sll2(udp_packet(source, 40000, "10.3.0.2", 40000, body))


def capture(path: Path, packets: list[tuple[float, bytes]]) -> Path:
    with PcapngWriter(path) as writer:
        for ms, frame in packets:
            writer.write(START + round(ms * 1e6), frame)
    return path


@given(first=st.integers(0, 65535), steps=st.lists(st.integers(-300, 3000), max_size=200))
def test_sequence_numbers_lose_their_wrap_and_nothing_else(first: int, steps: list[int]) -> None:
    whole = np.cumsum([first, *steps])
    assert list(extended((whole & 0xFFFF).astype(np.uint16))) == list(whole)


def test_the_far_ends_numbers_are_extended_beside_the_senders() -> None:
    arrived = np.array([1, 2], np.uint16)
    assert list(extended(arrived, near=65530)) == [65537, 65538]
    assert list(extended(arrived, near=0)) == [1, 2]


@given(st.lists(st.integers(0, 20)))
def test_the_first_copy_of_each_number_is_marked(numbers: list[int]) -> None:
    marked = first_copies(np.array(numbers, np.int64))
    seen: set[int] = set()
    for number, first in zip(numbers, marked, strict=True):
        assert first == (number not in seen)
        seen.add(number)


def test_rtcp_other_versions_and_short_datagrams_are_not_rtp(tmp_path: Path) -> None:
    report = sll2(udp_packet("10.1.0.2", 40001, "10.3.0.2", 40001, b"\x80\xc8" + bytes(26)))
    version1 = sll2(udp_packet("10.1.0.2", 40000, "10.3.0.2", 40000, b"\x40\x08" + bytes(26)))
    short = sll2(udp_packet("10.1.0.2", 40000, "10.3.0.2", 40000, b"\x80\x08" + bytes(9)))
    path = capture(tmp_path / "c.pcapng", [(0, packet(1)), (1, report), (2, version1), (3, short), (4, packet(2))])
    assert list(read_rtp(read_packets(path)).sequence) == [1, 2]


def test_only_the_addresses_asked_for_are_read(tmp_path: Path) -> None:
    path = capture(
        tmp_path / "c.pcapng", [(0, packet(1)), (1, packet(9, source="10.2.0.2")), (2, packet(5, source="10.5.0.2"))]
    )
    read = read_rtp(read_packets(path), ["10.1.0.2", "10.2.0.2"], ["10.3.0.2"])
    assert list(read.sequence) == [1, 9]


def test_streams_come_in_the_order_in_which_they_appear(tmp_path: Path) -> None:
    path = capture(tmp_path / "c.pcapng", [(0, packet(1, ssrc=9)), (1, packet(1, ssrc=3)), (2, packet(2, ssrc=9))])
    assert [(ssrc, len(stream)) for ssrc, stream in read_rtp(read_packets(path)).by_ssrc().items()] == [(9, 2), (3, 1)]


@pytest.mark.parametrize("first", [0, 65500])
def test_packets_losses_and_the_largest_gap_are_tsharks(tmp_path: Path, first: int) -> None:
    chance = random.Random(7)
    sent = [number for number in range(200) if number not in (20, 21, 90)]
    packets = [(number * 20 + chance.uniform(0, 6), packet(first + number)) for number in sent]
    path = capture(tmp_path / "c.pcapng", packets)
    command = ["tshark", "-n", "-q", "-r", str(path), "-d", "udp.port==40000,rtp", "-z", "rtp,streams"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # SSRC, payload, packets, lost (share), then the deltas: smallest, mean, largest
    pattern = r"0x00001111\s+g711A\s+(\d+)\s+(\d+) \([\d.]+%\)\s+[\d.]+\s+[\d.]+\s+([\d.]+)"
    packets_said, lost_said, largest_said = re.search(pattern, said).groups()  # type: ignore[union-attr]
    ours = figures(read_rtp(read_packets(path)))
    assert (ours.packets, ours.lost) == (int(packets_said), int(lost_said)) == (197, 3)
    assert ours.max_gap_ms == pytest.approx(float(largest_said), abs=0.001)


def test_duplicates_and_reordering_are_counted_once_each(tmp_path: Path) -> None:
    order = [0, 1, 1, 3, 2, 4, 5, 5, 5]
    path = capture(tmp_path / "c.pcapng", [(at * 20.0, packet(number)) for at, number in enumerate(order)])
    ours = figures(read_rtp(read_packets(path)))
    assert (ours.packets, ours.lost, ours.duplicates, ours.reordered) == (9, 0, 3, 1)
