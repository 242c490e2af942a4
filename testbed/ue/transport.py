"""The sockets of one IMS connection: SIP over UDP and TCP, bound to the address of its access network.

A *flow* names the socket (and, over TCP, the stream) that a message came by or shall go by.  Roles follow TS 33.203
7.1: `open` is unprotected, `client` the protected client port (our requests leave here), `server` the protected server
port (requests to us arrive here).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from testbed.errors import ProductFailure, RigError
from testbed.ims.errors import ParseError
from testbed.ims.message import Request, Response, StreamParser, parse

log = logging.getLogger(__name__)
Role = Literal["open", "client", "server"]
Message = Request | Response
CONNECT_DEADLINE_S = 10.0
KEEP_ALIVE_S = 100.0  # RFC 5626 4.4.1: between 95 and 120 s where the edge proxy says nothing
PONG_DEADLINE_S = 10.0  # the same
PORTS = range(20000, 32768)  # below those that Linux gives to who names none
_stream_numbers = itertools.count(1)
# Kamailio's P-CSCF remembers for half a minute the ports that an offer came from or named, and takes a request from one
# of them for a matter of that offer.  So none of ours comes again soon, not even in the next process: a UE takes fewer
# than a hundred in a second.
_port_numbers = itertools.count(time.monotonic_ns() // 10_000_000)


class Flow(NamedTuple):
    """Where a message came from or goes to; hashable, so that transactions can remember it."""

    connection: str
    role: Role
    transport: Literal["udp", "tcp"]
    remote: tuple[str, int]
    port: int  # ours
    stream: int = 0  # which TCP stream; 0 over UDP

    @property
    def reliable(self) -> bool:
        return self.transport == "tcp"

    @property
    def protected(self) -> bool:
        return self.role != "open"


class Transport:
    """All sockets of one connection.  Messages that do not parse are counted and told, and stop nothing."""

    def __init__(
        self,
        connection: str,
        address: str,
        on_message: Callable[[Message, Flow], None],
        on_garbage: Callable[[ParseError, Flow], None],
        on_closed: Callable[[Flow], None] = lambda _: None,
    ) -> None:
        self.connection, self.address = connection, address
        self._on_message, self._on_garbage, self._on_closed = on_message, on_garbage, on_closed
        self._udp: dict[int, socket.socket] = {}
        self._listeners: dict[int, asyncio.Server] = {}
        self._streams: dict[int, _Stream] = {}
        self._loop = asyncio.get_running_loop()

    def bind(self, role: Role, port: int = 0) -> int:
        """Receive SIP over UDP on a port and return it; 0 takes any, for a protected one any that TCP has free too."""
        sock = self._socket(socket.SOCK_DGRAM, port) if port else self._any_socket(role)
        taken: int = sock.getsockname()[1]
        self._udp[taken] = sock
        self._loop.add_reader(sock, self._datagrams, sock, taken, role)
        return taken

    async def listen(self, role: Role, port: int) -> None:
        """Accept SIP over TCP on a port."""
        sock = self._socket(socket.SOCK_STREAM, port)
        self._listeners[port] = await self._loop.create_server(lambda: _Stream(self, role, port), sock=sock)

    def listens(self, port: int) -> bool:
        """Whether SIP over TCP is accepted on a port."""
        return port in self._listeners

    async def connect(self, role: Role, port: int, remote: tuple[str, int]) -> Flow:
        """Open a TCP stream from a port of ours (0: any) and return its flow."""
        sock = self._socket(socket.SOCK_STREAM, port)
        where = f"TCP {self.address} > {remote[0]}:{remote[1]}"
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                await self._loop.sock_connect(sock, remote)
        except (OSError, TimeoutError) as failed:
            sock.close()
            raise ProductFailure(f"no connection: {failed or 'nobody answered'}", where=where) from failed
        _, stream = await self._loop.create_connection(lambda: _Stream(self, role, port), sock=sock)
        return stream.flow

    def stream_to(self, role: Role, remote: tuple[str, int]) -> Flow | None:
        """The flow of an open TCP stream to a remote, if there is one."""
        for stream in self._streams.values():
            if stream.flow.role == role and stream.flow.remote == remote:
                return stream.flow
        return None

    def flow(self, role: Role, port: int, remote: tuple[str, int]) -> Flow:
        """The flow of a UDP socket that was bound."""
        return Flow(self.connection, role, "udp", remote, port)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message.  Raises OSError when the network refuses it, ProductFailure when the stream is closed."""
        if flow.transport == "udp":
            self._udp[flow.port].sendto(data, flow.remote)
            return
        stream = self._streams.get(flow.stream)
        if stream is None:
            raise ProductFailure("the TCP stream was closed by its other end", where=f"{flow.role} {flow.remote}")
        stream.write(data)

    def close_port(self, port: int) -> None:
        """Close everything on one port of ours."""
        if sock := self._udp.pop(port, None):
            self._loop.remove_reader(sock)
            sock.close()
        if listener := self._listeners.pop(port, None):
            listener.close()
        for stream in [s for s in self._streams.values() if s.flow.port == port]:
            stream.abort()

    def close(self) -> None:
        """Close all sockets."""
        for port in [*self._udp, *self._listeners]:
            self.close_port(port)
        for stream in list(self._streams.values()):
            stream.abort()

    def _socket(self, kind: socket.SocketKind, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.bind((self.address, port))
        except OSError as refused:
            sock.close()
            raise RigError(
                f"cannot use port {port or 'any'}: {refused.strerror}",
                where=f"UE {self.address}",
                mend="end the program that holds it, or check that the access has this address",
            ) from refused
        return sock

    def _any_socket(self, role: Role) -> socket.socket:
        for number in itertools.islice(_port_numbers, len(PORTS)):
            port = PORTS[number % len(PORTS)]
            try:
                sock = self._socket(socket.SOCK_DGRAM, port)
            except RigError as refused:
                if isinstance(refused.__cause__, OSError) and refused.__cause__.errno == errno.EADDRINUSE:
                    continue
                raise
            if role == "open" or self._tcp_free(port):
                return sock
            sock.close()
        raise RigError(f"no port free for both UDP and TCP on {self.address}", where="UE")

    def _tcp_free(self, port: int) -> bool:
        try:
            self._socket(socket.SOCK_STREAM, port).close()
        except RigError:
            return False
        return True

    def _datagrams(self, sock: socket.socket, port: int, role: Role) -> None:
        while True:
            try:
                data, remote = sock.recvfrom(65535)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier datagram; its transaction's timers deal with it
            flow = Flow(self.connection, role, "udp", remote[:2], port)
            if data.strip(b"\r\n\0"):  # keep-alives are empty (RFC 5626 3.5.1)
                self._take(partial(_one, data), flow)

    def _take(self, read: Callable[[], list[Message]], flow: Flow) -> None:
        try:
            messages = read()
        except ParseError as garbage:
            self._on_garbage(garbage, flow)
            return
        for message in messages:
            self._on_message(message, flow)


def _one(datagram: bytes) -> list[Message]:
    return [parse(datagram)]


class _Stream(asyncio.Protocol):
    """One TCP stream with SIP on it (RFC 3261 18.3), kept alive by CRLFs (RFC 5626 4.4.1).

    A stream that lies idle is closed by its other end; Kamailio then opens another one from a port that no association
    protects, and the UE's kernel drops it.  So a stream of ours never lies idle, and one whose ping is not answered is
    closed by us: the next request opens another one, from the same port, inside the association.
    """

    def __init__(self, owner: Transport, role: Role, port: int) -> None:
        self._owner, self._role, self._port = owner, role, port
        self._parser = StreamParser()
        self._timer: asyncio.TimerHandle | None = None
        self._pinged = False
        self._ponged = 0  # pings of the other end that we have answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        remote = transport.get_extra_info("peername")[:2]
        port = transport.get_extra_info("sockname")[1]
        self.flow = Flow(self._owner.connection, self._role, "tcp", remote, port, next(_stream_numbers))
        self._owner._streams[self.flow.stream] = self
        if self.flow.protected:
            self._wait(KEEP_ALIVE_S, self._ping)

    def data_received(self, data: bytes) -> None:
        if self._pinged:  # whatever comes is as good as the pong
            self._pinged = False
            self._wait(KEEP_ALIVE_S, self._ping)
        self._owner._take(lambda: self._parser.feed(data), self.flow)
        while self._ponged < self._parser.pings:
            self._ponged += 1
            self.write(b"\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if self._owner._streams.pop(self.flow.stream, None) is not None:
            self._owner._on_closed(self.flow)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._transport.abort()

    def _ping(self) -> None:
        self._pinged = True
        self.write(b"\r\n\r\n")
        self._wait(PONG_DEADLINE_S, self._dead)

    def _dead(self) -> None:
        log.warning("%s %s: no answer to a keep-alive, the stream is given up", self.flow.connection, self.flow.remote)
        self.abort()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)
