"""A netlink socket for use in the middle of a handoff: plain, blocking, a request is answered within microseconds.

pyroute2's own sockets run an event loop of their own, which neither fits into the UE's nor is as quick; its message
classes are used to encode and decode.  They are passed in, not imported here: pyroute2's import takes half a second in
a guest, and not every user of a socket needs it.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from drivers.errors import DriverError

if TYPE_CHECKING:
    from pyroute2.netlink import nlmsg

NLMSG_ERROR, NLMSG_DONE, HEADER = 2, 3, 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_DUMP = 0x1, 0x4, 0x100, 0x200, 0x400, 0x300
ANSWER_DEADLINE_S = 2.0
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 1, 10, 11
EXT_ACK_TEXT = 1  # NLMSGERR_ATTR_MSG: why the kernel refused, in its own words
BATCH = 64  # requests in one datagram: all their acknowledgements fit into the socket's buffer


@dataclass(frozen=True)
class Request:
    """One change asked of the kernel; `what` names it in an error, errors in `fine` (errno) are none."""

    kind: int
    body: bytes
    what: str
    flags: int = 0
    fine: tuple[int, ...] = ()
    mend: str | None = None


class Netlink:
    """One netlink protocol in the network namespace in which this object was made."""

    def __init__(self, protocol: int, where: str, groups: tuple[int, ...] = ()) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
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
        self._socket.send(self._message(kind, body, flags))
        while True:
            for answer, sequence, payload in messages(self._receive(what)):
                if sequence != self._sequence:
                    continue
                if answer == NLMSG_ERROR:
                    self._judge(payload, what, fine, mend)
                    return
                if answer == NLMSG_DONE:
                    return
                yield answer, payload
                if not flags:  # a plain request has one answer and no acknowledgement
                    return

    def batch(self, requests: Sequence[Request]) -> None:
        """Ask for many changes, in this order, and wait until they are made: two system calls for up to 64 of them.

        Where one is refused those behind it are tried all the same; DriverError tells of the first.
        """
        for start in range(0, len(requests), BATCH):
            part = requests[start : start + BATCH]
            first = self._sequence + 1
            self._socket.send(b"".join(self._message(one.kind, one.body, NLM_F_ACK | one.flags) for one in part))
            refused: list[DriverError] = []
            awaited = len(part)
            while awaited:
                for answer, sequence, payload in messages(self._receive(part[-1].what)):
                    if answer != NLMSG_ERROR or sequence < first:
                        continue
                    awaited -= 1
                    one = part[sequence - first]
                    try:
                        self._judge(payload, one.what, one.fine, one.mend)
                    except DriverError as error:
                        refused.append(error)
            if refused:
                raise refused[0]

    def _message(self, kind: int, body: bytes, flags: int) -> bytes:
        self._sequence += 1
        padding = bytes(-len(body) % 4)
        return struct.pack("IHHII", HEADER + len(body), kind, NLM_F_REQUEST | flags, self._sequence, 0) + body + padding

    def _receive(self, what: str) -> bytes:
        try:
            return self._socket.recv(1 << 17)
        except TimeoutError as silent:
            raise DriverError(f"{what}: no answer within {ANSWER_DEADLINE_S:g} s", where=self._where) from silent

    def _judge(self, payload: bytes, what: str, fine: tuple[int, ...], mend: str | None) -> None:
        """Read an acknowledgement: nothing, or the kernel's refusal as a DriverError."""
        code = -struct.unpack_from("i", payload)[0]
        if not code or code in fine:
            return
        words = attributes(payload[4 + HEADER :]).get(EXT_ACK_TEXT, b"").rstrip(b"\0").decode(errors="replace")
        text = f"{what}: {os.strerror(code)}" + (f" ({words})" if words else "")
        raise DriverError(text, where=self._where, mend=_mend(code, mend))

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
    if not attributes:
        # pyroute2 does the same in ten times as long, and a handoff has twenty such messages in its way.
        return b"".join(
            form.pack() if empty is None else form.pack(values.get(name, empty))
            for name, form, empty in _forms(tuple(kind.fields))
        )
    message = kind()
    for name, form in kind.fields:
        message[name] = values.get(name, b"" if form.endswith("s") else 0)
    if attributes:
        message["attrs"] = attributes
    message.encode()
    return bytes(message.data[HEADER:])


@functools.cache
def _forms(fields: tuple[tuple[str, str], ...]) -> tuple[tuple[str, struct.Struct, bytes | int | None], ...]:
    """How each field is packed, and what stands for one that is not given; None where it only fills up."""
    forms = []
    for name, form in fields:
        packing = form if form[0] in "<>!=@" else f"={form}"
        empty = {"s": b"", "x": None}.get(form[-1], 0)
        forms.append((name, struct.Struct(packing), empty))
    return tuple(forms)


def decode(kind: type[nlmsg], payload: bytes) -> nlmsg:
    """A message as pyroute2 reads it."""
    message = kind(struct.pack("IHHII", HEADER + len(payload), 0, 0, 0, 0) + payload)
    message.decode()
    return message


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by their number; of several with one number the last."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _mend(code: int, mend: str | None) -> str | None:
    return "it needs CAP_NET_ADMIN: run as root or with --kernel uml" if code == errno.EPERM else mend
