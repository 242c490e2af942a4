"""The columns of a capture against tshark's reading of the same file."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from testbed.measure.packets import TCP, UDP, address_key, address_text, no_packets, read_packets
from testbed.measure.pcapng_writer import PcapngWriter, checksum, ip_packet, sll2, udp_packet
from testbed.measure.rtp import read_rtp

START = 1_700_000_000_000_000_000


def with_options(packet: bytes) -> bytes:
    """The same IPv4 packet with four bytes of options (RFC 791 3.1: no operation)."""
    head = bytearray(packet[:20] + b"\x01\x01\x01\x00")
    head[0] = 0x46
    struct.pack_into(">H", head, 2, len(packet) + 4)
    struct.pack_into(">H", head, 10, 0)
    struct.pack_into(">H", head, 10, checksum(bytes(head)))
    return bytes(head) + packet[20:]


def frames() -> list[bytes]:
    v4 = udp_packet("10.1.0.2", 40000, "10.3.0.2", 40002, b"x" * 30)
    v6 = udp_packet("fd01::2", 40000, "fd03::2", 40002, b"y" * 31)
    tcp = ip_packet("10.1.0.2", "10.3.0.2", TCP, struct.pack(">HHIIBBHHH", 5060, 6000, 1, 0, 5 << 4, 2, 9, 0, 0))
    return [v4, v6, with_options(v4), tcp, v6, v4]


def tshark(path: Path) -> list[list[str]]:
    names = (
        "frame.time_epoch",
        "ip.src",
        "ipv6.src",
        "ip.dst",
        "ipv6.dst",
        "udp.srcport",
        "udp.dstport",
        "tcp.srcport",
    )
    fields = [part for name in names for part in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=|", *fields]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("|") for line in said.splitlines()]


@pytest.mark.parametrize("link", ["sll2", "ethernet", "vlan", "sll"])
def test_every_link_type_gives_the_addresses_and_ports_that_tshark_gives(tmp_path: Path, link: str) -> None:
    number = {"sll2": 276, "ethernet": 1, "vlan": 1, "sll": 113}[link]
    path = tmp_path / "capture.pcapng"
    with PcapngWriter(path, number) as writer:
        for index, packet in enumerate(frames()):
            kind = struct.pack(">H", 0x0800 if packet[0] >> 4 == 4 else 0x86DD)
            head = {
                "ethernet": bytes(12) + kind,
                "vlan": bytes(12) + b"\x81\x00\x00\x07" + kind,
                "sll": struct.pack(">HHH8s", 4, 1, 6, bytes(8)) + kind,
            }
            frame = sll2(packet, interface=7, outgoing=True) if link == "sll2" else head[link] + packet
            writer.write(START + index, frame)
    ours = read_packets(path)
    for row, (time, v4s, v6s, v4d, v6d, source_port, port, tcp_port) in enumerate(tshark(path)):
        assert ours.time_ns[row] == int(time.replace(".", ""))
        assert address_text(*map(int, ours.source[row])) == (v4s or v6s)
        assert address_text(*map(int, ours.destination[row])) == (v4d or v6d)
        assert ours.source_port[row] == int(source_port or tcp_port)
        assert ours.protocol[row] == (TCP if tcp_port else UDP)
        assert port == "" or ours.destination_port[row] == int(port)
    if link.startswith("sll"):
        assert ours.outgoing.all()
    assert link != "sll2" or (ours.interface == 7).all()


def test_an_address_is_the_same_after_both_ways() -> None:
    for text in ("10.1.0.2", "255.255.255.255", "fd01::2", "::1", "fe80::1:2:3:4"):
        assert address_text(*address_key(text)) == text
    assert address_key("fe80::1%eth0") == address_key("fe80::1")


def test_what_is_not_ip_and_what_is_cut_short_has_no_family(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    whole = sll2(udp_packet("10.1.0.2", 1, "10.3.0.2", 2, b"data"))
    with PcapngWriter(path) as writer:
        writer.write(1, b"\x08\x06" + whole[2:])
        writer.write(2, whole[:30])
        writer.write(3, b"")
        writer.write(4, whole[:44])
        writer.write(5, whole)
    packets = read_packets(path)
    assert list(packets.family) == [0, 0, 0, 4, 4]
    assert list(packets.source_port) == [0, 0, 0, 0, 1], "a datagram cut before its ports has none"


def test_an_unknown_link_type_holds_nothing_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    with PcapngWriter(path, 220) as writer:
        writer.write(1, bytes(80))
    assert not read_packets(path).family.any()


def test_link_layer_padding_is_not_part_of_the_packet(tmp_path: Path) -> None:
    path, packet = tmp_path / "capture.pcapng", udp_packet("10.1.0.2", 1, "10.3.0.2", 2, b"data")
    with PcapngWriter(path, 1) as writer:
        writer.write(1, bytes(12) + b"\x08\x00" + packet + bytes(14))
    assert read_packets(path).ip_packet(0) == packet


def test_a_capture_that_is_not_there_has_columns_all_the_same() -> None:
    packets = no_packets()
    assert len(packets) == 0
    assert len(read_rtp(packets)) == 0
    assert not np.any(packets.sent_by(["10.1.0.2"]))
