"""Every packet of a capture but the media, one at a time: fragments put together, ESP opened, UDP and TCP told apart.

Signalling is a few hundred packets, so this is plain Python, where the columns of `testbed.measure.packets` are not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from testbed.measure.esp import EspKeys
from testbed.measure.packets import ESP, TCP, UDP, Packets, address_text

Address = tuple[int, int]


@dataclass(frozen=True)
class Segment:
    """A UDP datagram or a TCP segment; `protected` says that it came in ESP."""

    time_ns: int
    row: int
    protocol: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes
    outgoing: bool
    protected: bool = False
    spi: int | None = None
    icv_ok: bool | None = None
    sequence: int = 0  # TCP
    syn: bool = False


@dataclass
class _Datagram:
    """A whole IP datagram."""

    row: int
    source: Address
    destination: Address
    protocol: int
    payload: bytes


def segments(packets: Packets, keys: EspKeys, media_rows: np.ndarray | None = None) -> Iterator[Segment]:
    """Every UDP and TCP packet but those in `media_rows`, in the order of capture, out of ESP where `keys` open it."""
    wanted = packets.family != 0
    if media_rows is not None:
        wanted[media_rows] = False
    for datagram in _datagrams(packets, np.flatnonzero(wanted)):
        protocol, payload, opened = datagram.protocol, datagram.payload, None
        if protocol == ESP:
            opened = keys.open(datagram.destination, payload)
            if opened is None:
                continue
            protocol, payload = opened.next_header, opened.payload
        parsed = _transport(protocol, payload)
        if parsed is None:
            continue
        source_port, destination_port, sequence, syn, body = parsed
        yield Segment(
            time_ns=int(packets.time_ns[datagram.row]),
            row=datagram.row,
            protocol=protocol,
            source=address_text(*datagram.source),
            source_port=source_port,
            destination=address_text(*datagram.destination),
            destination_port=destination_port,
            payload=body,
            outgoing=bool(packets.outgoing[datagram.row]),
            protected=opened is not None,
            spi=opened.spi if opened else None,
            icv_ok=opened.icv_ok if opened else None,
            sequence=sequence,
            syn=syn,
        )


def _transport(protocol: int, payload: bytes) -> tuple[int, int, int, bool, bytes] | None:
    """Ports, TCP's sequence number and SYN, and what is inside."""
    if protocol == UDP and len(payload) >= 8:
        source, destination, length = struct.unpack_from(">HHH", payload)
        return source, destination, 0, False, payload[8 : max(8, length)]
    if protocol == TCP and len(payload) >= 20:
        source, destination, sequence = struct.unpack_from(">HHI", payload)
        return source, destination, sequence, bool(payload[13] & 2), payload[(payload[12] >> 4) * 4 :]
    return None


def _datagrams(packets: Packets, rows: np.ndarray) -> Iterator[_Datagram]:
    """IP datagrams, those in fragments when their last piece comes (RFC 791 3.2, RFC 8200 4.5)."""
    pieces: dict[tuple[Address, Address, int, int], dict[int, tuple[bytes, bool, int]]] = {}
    for row in map(int, rows):
        source: Address = (int(packets.source[row, 0]), int(packets.source[row, 1]))
        destination: Address = (int(packets.destination[row, 0]), int(packets.destination[row, 1]))
        raw = packets.ip_packet(row)
        if not packets.fragment[row]:
            begin = int(packets.transport[row] - packets.ip[row])
            yield _Datagram(row, source, destination, int(packets.protocol[row]), raw[begin:])
            continue
        piece = _fragment(raw, int(packets.family[row]))
        if piece is None:
            continue
        protocol, identity, offset, more, payload = piece
        key = (source, destination, protocol, identity)
        pieces.setdefault(key, {})[offset] = (payload, more, row)
        whole = _joined(pieces[key])
        if whole is not None:
            del pieces[key]
            yield _Datagram(row, source, destination, protocol, whole)


def _fragment(raw: bytes, family: int) -> tuple[int, int, int, bool, bytes] | None:
    """Protocol, identification, offset in bytes, whether more follow, and the piece itself; None: a broken header."""
    if len(raw) < (20 if family == 4 else 48):
        return None
    if family == 4:
        field = struct.unpack_from(">H", raw, 6)[0]
        identity = struct.unpack_from(">H", raw, 4)[0]
        return raw[9], identity, (field & 0x1FFF) * 8, bool(field & 0x2000), raw[(raw[0] & 15) * 4 :]
    field, identity = struct.unpack_from(">HI", raw, 42)
    return raw[40], identity, field & 0xFFF8, bool(field & 1), raw[48:]


def _joined(pieces: dict[int, tuple[bytes, bool, int]]) -> bytes | None:
    """The payload, when no piece is missing."""
    whole = b""
    while len(whole) in pieces:
        payload, more, _ = pieces[len(whole)]
        whole += payload
        if not more:
            return whole
        if not payload:
            return None
    return None
