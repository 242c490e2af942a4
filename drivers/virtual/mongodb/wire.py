"""MongoDB's wire protocol: OP_MSG, and the OP_QUERY with which older drivers say hello; bytes in, bytes out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import bson

from drivers.errors import DriverError
from drivers.virtual.mongodb.documents import WHERE, Document

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
MORE_TO_COME = 2
MAX_MESSAGE = 48_000_000
_HEADER = struct.Struct("<iiii")


class Conversation:
    """One connection: what has arrived and is not whole yet."""

    def __init__(self, run: Callable[[Document], Document]) -> None:
        self._run, self._buffer, self._number = run, bytearray(), 0

    def receive(self, data: bytes) -> bytes:
        """Answers to the messages that are whole.  Raises DriverError for what is none."""
        self._buffer += data
        out = bytearray()
        while len(self._buffer) >= _HEADER.size:
            length, number, _, operation = _HEADER.unpack_from(self._buffer)
            if not _HEADER.size <= length <= MAX_MESSAGE:
                raise DriverError(f"a message of {length} bytes", where=WHERE)
            if len(self._buffer) < length:
                break
            body = bytes(self._buffer[_HEADER.size : length])
            del self._buffer[:length]
            try:
                out += self._answer(operation, number, body)
            except (bson.errors.BSONError, struct.error, ValueError, KeyError, IndexError, TypeError) as unreadable:
                raise DriverError(f"a message cannot be read: {unreadable!r}", where=WHERE) from unreadable
        return bytes(out)

    def _answer(self, operation: int, number: int, body: bytes) -> bytes:
        if operation == OP_MSG:
            (flags,) = struct.unpack_from("<I", body)
            answer = self._run(_command(body[4:]))
            return b"" if flags & MORE_TO_COME else self._message(number, OP_MSG, bytes(5) + bson.encode(answer))
        if operation == OP_QUERY:
            at = body.index(0, 4) + 9  # after flags, the collection's name, and two numbers
            answer = self._run(_decode(body[at:]))
            return self._message(number, OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer))
        raise DriverError(f"does not know operation {operation}", where=WHERE)

    def _message(self, number: int, operation: int, body: bytes) -> bytes:
        self._number += 1
        return _HEADER.pack(_HEADER.size + len(body), self._number, number, operation) + body


def _command(sections: bytes) -> Document:
    """A command with its lists of documents, which may lie in sections of their own."""
    command: Document = {}
    lists: Document = {}
    at = 0
    while at < len(sections):
        kind = sections[at]
        (length,) = struct.unpack_from("<i", sections, at + 1)
        part = sections[at + 1 : at + 1 + length]
        if length < 5 or len(part) != length or kind not in (0, 1):
            break  # a checksum of four bytes may come last
        if kind == 0:
            command = _decode(part)
        else:
            end = part.index(0, 4)
            lists[part[4:end].decode()] = bson.decode_all(part[end + 1 :])
        at += 1 + length
    return {**command, **lists}


def _decode(data: bytes) -> dict[str, Any]:
    return dict(bson.decode(data[: struct.unpack_from("<i", data)[0]]))
