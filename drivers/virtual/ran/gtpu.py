"""GTP-U (3GPP TS 29.281): the header before a UE's packets, and the path's own messages."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from drivers.virtual.ran.errors import PeerFault

PORT = 2152
ECHO_REQUEST, ECHO_RESPONSE, ERROR_INDICATION, END_MARKER, G_PDU = 1, 2, 26, 254, 255
_HEADER = struct.Struct(">BBHI")
_VERSION, _PROTOCOL, _EXTENSION, _SEQUENCE, _N_PDU = 0x20, 0x10, 0x04, 0x02, 0x01
_RECOVERY = b"\x0e\x00"  # 8.2: its value means nothing any more


@dataclass(frozen=True)
class Packet:
    kind: int
    teid: int
    payload: bytes
    sequence: int | None = None


def encode(teid: int, payload: bytes) -> bytes:
    """A UE's packet for its tunnel."""
    return _HEADER.pack(_VERSION | _PROTOCOL, G_PDU, len(payload), teid) + payload


def echo_response(request: Packet) -> bytes:
    """7.2.2; it bears the request's sequence number."""
    body = struct.pack(">HBB", request.sequence or 0, 0, 0) + _RECOVERY
    return _HEADER.pack(_VERSION | _PROTOCOL | _SEQUENCE, ECHO_RESPONSE, len(body), 0) + body


def decode(data: bytes) -> Packet:
    """Raises PeerFault for what is no GTP-U packet."""
    if len(data) < _HEADER.size:
        raise PeerFault(f"a GTP-U packet of {len(data)} octets", where="TS 29.281 5.1")
    flags, kind, length, teid = _HEADER.unpack_from(data)
    body = data[_HEADER.size : _HEADER.size + length]
    if flags & 0xF0 != _VERSION | _PROTOCOL or len(body) != length:
        raise PeerFault("the GTP-U header does not fit the packet", where="TS 29.281 5.1")
    if not flags & (_EXTENSION | _SEQUENCE | _N_PDU):
        return Packet(kind, teid, body)
    if length < 4:
        raise PeerFault("the optional GTP-U fields are missing", where="TS 29.281 5.1")
    sequence, extension = int.from_bytes(body[:2], "big"), body[3] if flags & _EXTENSION else 0
    at = 4
    while extension:  # 5.2: each header has its length in units of four octets, and the next one's type at its end
        size = body[at] * 4 if at < length else 0
        if not size or at + size > length:
            raise PeerFault("a GTP-U extension header goes beyond the end", where="TS 29.281 5.2")
        extension = body[at + size - 1]
        at += size
    return Packet(kind, teid, body[at:], sequence if flags & _SEQUENCE else None)
