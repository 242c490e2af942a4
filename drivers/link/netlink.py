"""A netlink socket for use in the middle of a handoff: plain, blocking, a request is answered within microseconds.

pyroute2's own sockets run an event loop of their own, which neither fits into the UE's nor is as quick; its message
classes are used to encode and decode.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any, Self

from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST, nlmsg

from drivers.errors import DriverError

NLMSG_ERROR, NLMSG_DONE, HEADER = 2, 3, 16
ANSWER_DEADLINE_S = 2.0
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1


class Netlink:
    """One netlink protocol in the network namespace in which this object was made."""

    def __init__(self, protocol: int, where: str, groups: tuple[int, ...] = ()) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        self._socket.settimeout(0 if groups else ANSWER_DEADLINE_S)  # one that listens is never waited for
        self._where = where
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def request(
        self, kind: int, body: bytes, what: str, *, flags: int = 0, fine: tuple[int, ...] = (), mend: str | None = None
    ) -> None:
        """Ask for a change and wait until it is made.  Errors in `fine` (errno) are none; others are DriverError."""
        for _ in self.exchange(kind, body, what, NLM_F_ACK | flags, fine=fine, mend=mend):
            pass

    def exchange(
        self, kind: int, body: bytes, what: str, flags: int = 0, *, fine: tuple[int, ...] = (), mend: str | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Send one request and yield its answers as (message type, payload) until the kernel is done."""
        self._sequence += 1
        header = struct.pack("IHHII", HEADER + len(body), kind, NLM_F_REQUEST | flags, self._sequence, 0)
        self._socket.send(header + body)
        while True:
            for answer, sequence, payload in messages(self._socket.recv(1 << 17)):
                if sequence != self._sequence:
                    continue
                if answer == NLMSG_ERROR:
                    code = -struct.unpack_from("i", payload)[0]
                    if code and code not in fine:
                        raise DriverError(f"{what}: {os.strerror(code)}", where=self._where, mend=_mend(code, mend))
                    return
                if answer == NLMSG_DONE:
                    return
                yield answer, payload
                if not flags:  # a plain request has one answer and no acknowledgement
                    return

    def notifications(self) -> Iterator[tuple[int, bytes]]:
        """What has arrived on the multicast groups and is waiting, as (message type, payload)."""
        while True:
            try:
                data = self._socket.recv(1 << 17)
            except BlockingIOError:
                return
            except OSError as lost:
                if lost.errno != errno.ENOBUFS:  # so many events that the kernel dropped some: the next ones tell
                    raise
                continue
            for kind, _, payload in messages(data):
                yield kind, payload


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The netlink messages in one datagram as (type, sequence, payload)."""
    offset = 0
    while offset + HEADER <= len(data):
        length, kind, _, sequence, _ = struct.unpack_from("IHHII", data, offset)
        if length < HEADER:
            return
        yield kind, sequence, data[offset + HEADER : offset + length]
        offset += (length + 3) & ~3


def encode(kind: type[nlmsg], *, attributes: list[tuple[str, Any]] | None = None, **values: Any) -> bytes:
    """A message's fields and attributes as the kernel reads them, without the netlink header."""
    message = kind()
    for name, form in kind.fields:
        message[name] = values.get(name, b"" if form.endswith("s") else 0)
    if attributes:
        message["attrs"] = attributes
    message.encode()
    return bytes(message.data[HEADER:])


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _mend(code: int, mend: str | None) -> str | None:
    return "it needs CAP_NET_ADMIN: run as root or with --kernel uml" if code == errno.EPERM else mend
