"""Writes small pcapng files: the inputs of the benchmark and of tests, in the shape dumpcap gives them."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.measure.pcapng import BYTE_ORDER_MAGIC, IF_NAME, IF_TSRESOL, INTERFACE, PACKET, SECTION_HEADER

LINUX_SLL2 = 276
UNICAST, SENT = 0, 4


class PcapngWriter:
    """`write` appends a frame; times are nanoseconds since 1970."""

    def __init__(self, path: Path, link_type: int = LINUX_SLL2) -> None:
        self._stream = path.open("wb")
        self._block(SECTION_HEADER, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1))
        options = _option(IF_NAME, b"any") + _option(IF_TSRESOL, b"\x09") + bytes(4)
        self._block(INTERFACE, struct.pack("<HHI", link_type, 0, 262144) + options)

    def write(self, time_ns: int, frame: bytes) -> None:
        head = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(frame), len(frame))
        self._block(PACKET, head + frame)

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _block(self, kind: int, body: bytes) -> None:
        body += bytes(-len(body) % 4)
        length = struct.pack("<I", len(body) + 12)
        self._stream.write(struct.pack("<I", kind) + length + body + length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def sll2(ip_packet: bytes, *, interface: int = 1, outgoing: bool = False) -> bytes:
    """A LINUX_SLL2 frame around an IP packet."""
    ethertype = 0x0800 if ip_packet[0] >> 4 == 4 else 0x86DD
    return struct.pack(">HHIHBB8s", ethertype, 0, interface, 1, SENT if outgoing else UNICAST, 6, bytes(8)) + ip_packet


def ip_packet(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """An IPv4 or IPv6 packet without options."""
    left, right = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if left.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + left.packed + right.packed + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0) + left.packed + right.packed
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_packet(source: str, source_port: int, destination: str, port: int, payload: bytes) -> bytes:
    """An IP packet with a UDP datagram, checksum and all."""
    left, right = ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed
    datagram = struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload
    value = checksum(left + right + struct.pack(">HH", 17, len(datagram)) + datagram) or 0xFFFF
    return ip_packet(source, destination, 17, datagram[:6] + struct.pack(">H", value) + datagram[8:])


def rtp(sequence: int, timestamp: int, ssrc: int, payload: bytes = bytes(160), payload_type: int = 8) -> bytes:
    """An RTP packet (RFC 3550 5.1); G.711 A-law of 20 ms unless told otherwise."""
    return struct.pack(">BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload
