"""The control interface of hostapd and wpa_supplicant: UNIX datagrams, as their wpa_ctrl.c speaks them.

Commands and events have a socket each, so that an answer is never looked for among events.  Both are bound to files of
ours, which the daemon must be able to reach: it may live in another network namespace, but sees the same files.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from drivers.wifi.errors import CommandRefused, DaemonGone, DaemonSilent
from drivers.wifi.events import is_event

ANSWER_S = 5.0  # an answer comes within milliseconds, unless the daemon waits for its driver
LONGEST_PATH = 107  # bytes in a sockaddr_un, without its zero
LARGEST = 1 << 16
SHOWN = 200

logger = logging.getLogger(__name__)
_numbers = itertools.count(1)


class ControlInterface(Protocol):
    """One daemon's interface, however it is reached."""

    where: str

    async def open(self) -> None:
        """Connect, and have events told.  Raises DaemonGone when nobody is there, DaemonSilent when nobody answers."""

    def watch(self, on_event: Callable[[str], None]) -> None:
        """Call back with each event, as the daemon wrote it."""

    async def request(self, command: str, *, timeout_s: float = ANSWER_S) -> str:
        """Give a command and return the answer.  Raises CommandRefused with the daemon's words when it says no."""

    async def order(self, command: str, *, timeout_s: float = ANSWER_S) -> None:
        """Give a command that is answered with OK."""

    def close(self) -> None:
        """Leave; the daemon goes on."""


class Control:
    """The interface of a daemon that sees the same files, in the running event loop.

    `path` is the daemon's socket, `folder` where ours are made, `where` names the daemon in errors.
    """

    def __init__(self, path: Path, folder: Path, where: str) -> None:
        self.where = where
        self._path, self._folder = path, folder
        self._commands: _Socket | None = None
        self._events: _Socket | None = None
        self._turn = asyncio.Lock()  # one command at a time: answers bear no number
        self._on_event: Callable[[str], None] | None = None

    async def open(self) -> None:
        try:
            self._commands = self._made()
            self._events = self._made()
            await self._exchange(self._events, "ATTACH", ANSWER_S)
        except BaseException:
            self.close()
            raise
        self._events.take(self._heard)

    def watch(self, on_event: Callable[[str], None]) -> None:
        self._on_event = on_event

    async def request(self, command: str, *, timeout_s: float = ANSWER_S) -> str:
        async with self._turn:
            if self._commands is None:
                raise self._gone(said(command))
            try:
                answer = await self._exchange(self._commands, command, timeout_s)
            except (DaemonSilent, asyncio.CancelledError):
                # The answer may still come, and would be taken for that to the next command.
                self._commands.close()
                self._commands = None
                with contextlib.suppress(DaemonGone):
                    self._commands = self._made()
                raise
        return checked(answer, command, self.where)

    async def order(self, command: str, *, timeout_s: float = ANSWER_S) -> None:
        check_ok(await self.request(command, timeout_s=timeout_s), command, self.where)

    def close(self) -> None:
        if self._events:
            with contextlib.suppress(OSError):
                self._events.send(b"DETACH")
        for each in (self._events, self._commands):
            if each:
                each.close()
        self._events = self._commands = None

    def _made(self) -> _Socket:
        try:
            return _Socket(self._path, self._folder)
        except (FileNotFoundError, ConnectionRefusedError) as gone:
            raise self._gone("a connection") from gone
        except OSError as failed:
            raise DaemonGone(f"{self._path} cannot be used: {failed.strerror or failed}", where=self.where) from failed

    async def _exchange(self, through: _Socket, command: str, timeout_s: float) -> str:
        try:
            through.send(command.encode())
            return await asyncio.wait_for(through.answer(), timeout_s)
        except TimeoutError as silent:
            what = f"no answer to {said(command)} within {timeout_s:g} s"
            raise DaemonSilent(what, where=self.where, mend="look at its log; it may hang in its driver") from silent
        except OSError as lost:
            raise self._gone(said(command)) from lost

    def _heard(self, datagram: str) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(datagram)
        except Exception:  # who listens must not keep the next event from being read
            logger.exception("%s: who listens to its events has failed", self.where)

    def _gone(self, what_for: str) -> DaemonGone:
        what = f"is not there to take {what_for}: nobody listens at {self._path}"
        return DaemonGone(what, where=self.where, mend="look at the end of its log, and start it again")


class _Socket:
    """One datagram socket to the daemon, bound to a file of its own."""

    def __init__(self, path: Path, folder: Path) -> None:
        own = folder / f"ctrl-{os.getpid()}-{next(_numbers)}"
        for each in (own, path):
            if len(os.fsencode(each)) > LONGEST_PATH:
                raise OSError(f"its path is longer than {LONGEST_PATH} bytes: {each}")
        self._own = own
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._awaited: asyncio.Future[str] | None = None
        self._taker: Callable[[str], None] | None = None
        try:
            own.unlink(missing_ok=True)  # of a process that had our number
            self._socket.bind(str(own))
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            own.unlink(missing_ok=True)
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    async def answer(self) -> str:
        """The next datagram that is no event."""
        self._awaited = asyncio.get_running_loop().create_future()
        return await self._awaited

    def take(self, taker: Callable[[str], None]) -> None:
        """Have all events handed over from now on."""
        self._taker = taker

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._own.unlink(missing_ok=True)

    def _read(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(LARGEST).decode(errors="replace")
            except BlockingIOError:
                return
            except OSError as lost:
                if self._awaited and not self._awaited.done():
                    self._awaited.set_exception(lost)
                return
            if is_event(datagram):
                if self._taker:
                    self._taker(datagram)
            elif self._awaited and not self._awaited.done():
                self._awaited.set_result(datagram)


def checked(answer: str, command: str, where: str) -> str:
    """An answer that is no refusal."""
    if answer.startswith(("FAIL", "UNKNOWN COMMAND")):
        raise CommandRefused(f"it answers {answer.strip()!r} to {said(command)}", where=where)
    return answer


def check_ok(answer: str, command: str, where: str) -> None:
    if answer.strip() != "OK":
        raise CommandRefused(f"it answers {answer.strip()[:SHOWN]!r} to {said(command)}", where=where)


def said(command: str) -> str:
    """A command as an error may show it: the value of a setting may be a passphrase."""
    words = command.split()
    return " ".join(words[:3] if words[:1] == ["SET_NETWORK"] else words[:2] if words[:1] == ["SET"] else words)
