"""The two ways by which an attenuator on the network is asked: HTTP and telnet.

Each answers one command at a time, within a time limit.  A command whose connection turned out to be dead is sent once
more: setting an attenuation twice does no harm.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from typing import Protocol

from drivers.rf.errors import Garbled, LeverError, Silent, Unreachable

LONGEST = 4096  # of an answer; what is longer comes from something else
IAC, SB, SE, OPTION_VERBS = 255, 250, 240, range(251, 255)


class Wire(Protocol):
    """A way to ask a device."""

    where: str

    def ask(self, command: str) -> str:
        """Send a command and return the answer, without the ends of its line; raises LeverError."""

    def close(self) -> None:
        """Hang up."""


class HttpWire:
    """`GET /:COMMAND`, or `/PWD=...;:COMMAND` where the device has a password; the body is the answer."""

    def __init__(self, address: str, port: int = 80, password: str | None = None, timeout_s: float = 2.0) -> None:
        self.where = f"attenuator http://{address}:{port}"
        self._at, self._timeout_s = (address, port), timeout_s
        self._before = f"/PWD={password};:" if password else "/:"

    def ask(self, command: str) -> str:
        connection = http.client.HTTPConnection(*self._at, timeout=self._timeout_s)
        try:
            return self._answered(connection, command)
        except (http.client.HTTPException, ValueError) as unclear:
            what = f"answered no HTTP: {type(unclear).__name__} {unclear}".rstrip()
            raise Garbled(what, where=self.where, mend="look whether that is the attenuator's address") from unclear
        except OSError as failed:
            raise _trouble(failed, self.where, self._timeout_s) from failed
        finally:
            connection.close()

    def close(self) -> None:
        """Each command has a connection of its own: the device keeps none open."""

    def _answered(self, connection: http.client.HTTPConnection, command: str) -> str:
        connection.request("GET", self._before + command)
        response = connection.getresponse()
        body = response.read(LONGEST)
        if response.status != 200:
            mend = "look whether the device wants a password" if response.status in (401, 403) else None
            raise Garbled(f"answered HTTP status {response.status} to {command}", where=self.where, mend=mend)
        return body.decode("ascii", "replace").strip()


class TelnetWire:
    """Lines that end with CR LF, both ways.  Empty lines and telnet's own negotiation (RFC 854) are passed over."""

    def __init__(self, address: str, port: int = 23, timeout_s: float = 2.0) -> None:
        self.where = f"attenuator telnet {address}:{port}"
        self._at, self._timeout_s = (address, port), timeout_s
        self._socket: socket.socket | None = None

    def ask(self, command: str) -> str:
        kept = self._socket is not None
        try:
            return self._asked(command)
        except Unreachable:
            if not kept:
                raise
            return self._asked(command)  # the connection had died meanwhile

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def _asked(self, command: str) -> str:
        """Any trouble hangs up: an answer that comes late must not be taken for the next command's."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._at, self._timeout_s)
            self._socket.sendall(f"{command}\r\n".encode("ascii"))
            return self._line(self._socket)
        except OSError as failed:
            self.close()
            raise _trouble(failed, self.where, self._timeout_s) from failed
        except LeverError:
            self.close()
            raise

    def _line(self, stream: socket.socket) -> str:
        deadline = time.monotonic() + self._timeout_s
        read = _Bytes(stream, deadline)
        line = bytearray()
        while len(line) < LONGEST:
            byte = read()
            if byte == IAC:
                _pass_over(read, line)
            elif byte != ord("\n"):
                line.append(byte)
            elif line.strip():
                return line.decode("ascii", "replace").strip()
            else:
                line.clear()
        raise Garbled("talks without end", where=self.where, mend="look whether that is the attenuator's address")


class _Bytes:
    """A stream's bytes, one by one, until the deadline; raises OSError."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self._stream, self._deadline, self._there = stream, deadline, b""

    def __call__(self) -> int:
        if not self._there:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._stream.settimeout(left)
            self._there = self._stream.recv(LONGEST)
            if not self._there:
                raise ConnectionResetError("the device hung up")
        byte, self._there = self._there[0], self._there[1:]
        return byte


def _pass_over(read: Callable[[], int], line: bytearray) -> None:
    """What follows IAC: a doubled IAC is a byte of the line, everything else is telnet's own."""
    verb = read()
    if verb == IAC:
        line.append(IAC)
    elif verb in OPTION_VERBS:
        read()
    elif verb == SB:
        before = read()
        while (byte := read()) != SE or before != IAC:
            before = byte


def _trouble(failed: OSError, where: str, timeout_s: float) -> LeverError:
    mend = "look whether it is on and plugged in, and whether the address is right"
    if isinstance(failed, TimeoutError):
        return Silent(f"no answer within {timeout_s:g} s", where=where, mend=mend)
    return Unreachable(f"cannot be asked: {failed.strerror or failed}", where=where, mend=mend)
