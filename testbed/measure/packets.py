"""The packets of a capture as columns: time, interface, addresses, protocol, ports.

Every column is a numpy array with one element for each packet, so that finding the media among half a million packets
is a handful of comparisons.  An address of either family is two 64-bit numbers; IPv4 is mapped as in RFC 4291 2.5.5.2.
Packets that need more than a look at fixed places (fragments, IPv4 options) are for `testbed.measure.datagrams`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.measure.pcapng import Blocks, Ints, read_blocks

UDP, TCP, ESP, FRAGMENT_V6 = 17, 6, 50, 44
ETHERTYPE = {0x0800: 4, 0x86DD: 6}
VLAN = 0x8100
OUTGOING = 4  # LINUX_SLL's packet type: sent by this host
CHUNK = 1 << 14  # packets worked on at once: their heads stay in the processor's cache
HEAD = 96  # bytes of each packet that the columns are read from: link header, IPv6 header, ports, and RTP's header
V4_PREFIX = np.uint64(0xFFFF << 32)

# link type (tcpdump.org) -> (place of the ethertype, place of the IP header, place of the packet type, of the index)
LINKS: dict[int, tuple[int, int, int | None, int | None]] = {
    1: (12, 14, None, None),  # Ethernet
    113: (14, 16, 1, None),  # LINUX_SLL: two bytes of packet type, the second tells
    276: (0, 20, 10, 4),  # LINUX_SLL2
}
Bools = NDArray[np.bool_]


@dataclass
class Packets:
    """One capture file."""

    blocks: Blocks
    interface: NDArray[np.int32]  # the kernel's interface index, where the link type tells it, else -1
    outgoing: Bools  # sent by this host, where the link type tells it
    family: NDArray[np.uint8]  # 4, 6, or 0 for what is not IP
    protocol: NDArray[np.uint8]  # UDP, TCP, ESP; FRAGMENT_V6 for IPv6 fragments
    fragment: Bools
    ip: Ints  # byte of the file at which the IP header begins
    transport: Ints  # byte of the file at which the transport header begins
    source: NDArray[np.uint64]  # two columns
    destination: NDArray[np.uint64]
    source_port: NDArray[np.uint16]  # of whole UDP and TCP packets, else 0
    destination_port: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def time_ns(self) -> Ints:
        return self.blocks.time_ns

    def frame_end(self, index: int) -> int:
        """Byte of the file after the packet's last captured byte."""
        return int(self.blocks.start[index] + self.blocks.captured[index])

    def ip_packet(self, index: int) -> bytes:
        """The packet from its IP header on, without link-layer padding."""
        begin, end = int(self.ip[index]), self.frame_end(index)
        data = self.blocks.data
        total = (
            int(data[begin + 2]) << 8 | int(data[begin + 3])
            if self.family[index] == 4
            else 40 + (int(data[begin + 4]) << 8 | int(data[begin + 5]))
        )
        return data[begin : min(end, begin + total)].tobytes()

    def sent_by(self, addresses: Iterable[str]) -> Bools:
        """Which packets have one of these source addresses."""
        return _matches(self.source, addresses)

    def sent_to(self, addresses: Iterable[str]) -> Bools:
        """Which packets have one of these destination addresses."""
        return _matches(self.destination, addresses)


def read_packets(path: Path) -> Packets:
    """The columns of a capture.  MeasurementInvalid when the file is not a capture."""
    blocks = read_blocks(path)
    packets = _empty(blocks)
    links = np.array([interface.link_type for interface in blocks.interfaces] or [0], np.int64)[blocks.interface]
    for link_type, places in LINKS.items():
        rows = np.flatnonzero(links == link_type)
        for begin in range(0, len(rows), CHUNK):
            chunk = rows[begin : begin + CHUNK]
            consecutive = len(chunk) == int(chunk[-1]) - int(chunk[0]) + 1
            where = slice(int(chunk[0]), int(chunk[-1]) + 1) if consecutive else chunk
            _fill(packets, where, places)
    return packets


def no_packets() -> Packets:
    """The columns of a capture that is not there."""
    nothing = np.empty(0, np.int64)
    return _empty(Blocks(np.empty(0, np.uint8), nothing, nothing, nothing, nothing))


def address_key(address: str) -> tuple[int, int]:
    """The two columns of an address."""
    parsed = ipaddress.ip_address(address.split("%")[0])
    number = int(parsed) | (0xFFFF << 32 if parsed.version == 4 else 0)
    return number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF


def address_text(high: int, low: int) -> str:
    """The address as text: what `address_key` took."""
    if high == 0 and low >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(low & 0xFFFF_FFFF))
    return str(ipaddress.IPv6Address(high << 64 | low))


def _matches(column: NDArray[np.uint64], addresses: Iterable[str]) -> Bools:
    found = np.zeros(len(column), np.bool_)
    for address in addresses:
        high, low = address_key(address)
        found |= (column[:, 1] == np.uint64(low)) & (column[:, 0] == np.uint64(high))
    return found


def _empty(blocks: Blocks) -> Packets:
    count = len(blocks.start)
    flags = np.zeros(count, np.bool_)
    return Packets(
        blocks=blocks,
        interface=np.full(count, -1, np.int32),
        outgoing=flags,
        family=np.zeros(count, np.uint8),
        protocol=np.zeros(count, np.uint8),
        fragment=flags.copy(),
        ip=np.zeros(count, np.int64),
        transport=np.zeros(count, np.int64),
        source=np.zeros((count, 2), np.uint64),
        destination=np.zeros((count, 2), np.uint64),
        source_port=np.zeros(count, np.uint16),
        destination_port=np.zeros(count, np.uint16),
    )


def heads(blocks: Blocks, start: Ints, width: int = HEAD) -> NDArray[np.uint8]:
    """The first `width` bytes from each place of the file on, one row each, zeros past the file's end."""
    data = blocks.data
    if len(start) and int(start.max()) + width > len(data):
        base = int(start.min())
        data = np.concatenate([data[base:], np.zeros(width, np.uint8)])
        start = start - base
    rows: NDArray[np.uint8] = np.lib.stride_tricks.sliding_window_view(data, width)[start]
    return rows


def _fill(packets: Packets, where: slice | Ints, places: tuple[int, int, int | None, int | None]) -> None:
    """Read the columns of some packets of one link type from their first bytes."""
    type_at, ip_at, direction_at, index_at = places
    start, captured = packets.blocks.start[where], packets.blocks.captured[where]
    head = heads(packets.blocks, start)
    if direction_at is not None:
        packets.outgoing[where] = head[:, direction_at] == OUTGOING
    if index_at is not None:
        packets.interface[where] = _number(head, index_at, ">u4")
    ethertype = _number(head, type_at, ">u2")
    tagged = ethertype == VLAN
    if tagged.any():  # the tag moves everything by four bytes; read those rows once more from there
        head[tagged] = heads(packets.blocks, start[tagged] + 4)
        ethertype = _number(head, type_at, ">u2")
    link = ip_at + 4 * tagged.astype(np.int64)
    packets.ip[where] = start + link
    ip = np.ascontiguousarray(head[:, ip_at:])
    for value, family in ETHERTYPE.items():
        rows = np.flatnonzero((ethertype == value) & (captured >= link + (20 if family == 4 else 40)))
        if len(rows):
            numbers = rows + where.start if isinstance(where, slice) else where[rows]
            whole = len(rows) == len(ip)
            _fill_ip(packets, numbers if not whole else where, ip if whole else ip[rows], family)


def _fill_ip(packets: Packets, where: slice | Ints, ip: NDArray[np.uint8], family: int) -> None:
    """Read the columns of some packets of one family; `ip` holds their bytes from the IP header on."""
    packets.family[where] = family
    if family == 4:
        for column, at in ((packets.source, 12), (packets.destination, 16)):
            column[where, 1] = _number(ip, at, ">u4") | V4_PREFIX
        protocol = ip[:, 9]
        length = (ip[:, 0] & 15).astype(np.int64) * 4
        fragment = (_number(ip, 6, ">u2") & 0x3FFF) != 0  # more fragments, or not the first
        ports_at = 20
    else:
        for column, at in ((packets.source, 8), (packets.destination, 24)):
            column[where, 0] = _number(ip, at, ">u8")
            column[where, 1] = _number(ip, at + 8, ">u8")
        protocol = ip[:, 6]
        length = np.full(len(ip), 40, np.int64)
        fragment = protocol == FRAGMENT_V6
        ports_at = 40
    packets.protocol[where] = protocol
    packets.fragment[where] = fragment
    transport = packets.ip[where] + length
    packets.transport[where] = transport
    room = packets.blocks.start[where] + packets.blocks.captured[where] - transport
    ported = ((protocol == UDP) | (protocol == TCP)) & ~fragment & (room >= 8)
    ports = ip[:, ports_at : ports_at + 4]
    shifted = np.flatnonzero(length != ports_at)  # IPv4 options
    if len(shifted):
        ports = ports.copy()
        ports[shifted] = heads(packets.blocks, transport[shifted], 4)
    packets.source_port[where] = np.where(ported, _number(ports, 0, ">u2"), 0)
    packets.destination_port[where] = np.where(ported, _number(ports, 2, ">u2"), 0)


def _number(rows: NDArray[np.uint8], at: int, kind: str) -> NDArray[np.uint64]:
    """A big-endian number that stands at the same place of every row."""
    width = np.dtype(kind).itemsize
    column: NDArray[np.uint64] = np.ascontiguousarray(rows[:, at : at + width]).view(kind)[:, 0].astype(np.uint64)
    return column
