"""A machine reached by SSH: an access point, a host of the bench.

The connection is made when it is first needed, kept, and made again when it has broken.  A command that was under way
when it broke is not repeated: nobody knows what it did.  A long process is tied to the connection that started it and
ends with it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import paramiko

from drivers.errors import DriverError
from drivers.host import ssh_scripts
from drivers.host.errors import CommandFailed, ConnectionLost, FileTrouble, TimeUp
from drivers.host.lines import Follower
from drivers.host.processes import VARIABLE
from drivers.host.ssh_connection import SshConnection, SshTarget
from drivers.protocols import Completed

PATIENCE_S = 2.0  # from SIGTERM to SIGKILL for a command whose time is up, or whose connection broke
LOOK_S = 0.2  # so often we look whether a command has ended that says nothing
# Its status may come before the last of its output (RFC 4254 does not order them).  Where something that it left behind
# holds its output open no end of it comes at all; so long we wait for more.
LEFT_OPEN_S = 2.0
BEGUN_S = 3.0  # a command that the far side has accepted is running after that
CHUNK = 65536


class SshHost:
    """A host by SSH; safe to use from several threads.

    `environment` is for all that is started there, as the token of a rig; it shows in that host's list of processes.
    """

    def __init__(self, target: SshTarget, environment: Mapping[str, str] = {}) -> None:
        self.name = str(target)
        self._target, self._environment = target, dict(environment)
        self._connection: SshConnection | None = None
        self._making = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        timeout_s: float = 30.0,
    ) -> Completed:
        token = secrets.token_hex(8)
        line = ssh_scripts.command(argv, token, {**self._environment, **environment})
        completed = self._finish(line, stdin, timeout_s)
        if completed is None:
            self.end_begun(token, PATIENCE_S, lambda: False)
            raise TimeUp(f"`{' '.join(argv)}` took longer than {timeout_s:g} s and was ended", where=self.name)
        return completed

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        timeout_s: float = 30.0,
    ) -> str:
        completed = self.execute(argv, stdin=stdin, environment=environment, timeout_s=timeout_s)
        if completed.status != 0:
            raise CommandFailed(list(argv), completed, where=self.name)
        return completed.stdout

    def start(
        self,
        argv: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] = {},
    ) -> SshProcess:
        token = secrets.token_hex(8)
        line = ssh_scripts.tied(argv, token, {**self._environment, **environment}, PATIENCE_S)
        connection, channel = self._begin(line, combined=True)
        follower = Follower(lambda size: _received(channel, size), on_line, log)
        follower.start()
        return SshProcess(self, connection, channel, follower, token)

    def read(self, path: str, *, timeout_s: float = 30.0) -> bytes:
        return self._file("read", path, ["cat", "--", path], timeout_s=timeout_s)

    def write(self, path: str, data: bytes, *, mode: int = 0o644, timeout_s: float = 30.0) -> None:
        new = f"{path}.{secrets.token_hex(4)}.new"
        argv = ["sh", "-c", ssh_scripts.WRITE, "sh", new, f"{mode:o}", path, str(len(data))]
        self._file("written", path, argv, data, timeout_s)

    def mode(self, path: str, *, timeout_s: float = 30.0) -> int:
        listed = self._file("looked at", path, ["ls", "-ldL", "--", path], timeout_s=timeout_s)
        return ssh_scripts.mode(_text(listed))

    def remove(self, path: str, *, timeout_s: float = 30.0) -> None:
        self._file("removed", path, ["rm", "-f", "--", path], timeout_s=timeout_s)

    def end_all(self, token: str, patience_s: float = 5.0, variable: str = VARIABLE) -> list[str]:
        """End all processes there with this token in their environment; returns what was ended.

        For a journal: after a crash of ours the token is enough to leave nothing behind.
        """
        line = ssh_scripts.end(token, patience_s, variable)
        completed = self._finish(line, b"", patience_s + 2 * self._target.silence_s)
        if completed is None or completed.status != 0:
            raise DriverError(f"not all processes with {variable}={token} ended", where=self.name)
        return completed.stdout.splitlines()

    def end_begun(self, token: str, patience_s: float, over: Callable[[], bool]) -> list[str]:
        """End what was begun under a token.

        A shell has to start before anything there bears it: as long as nothing does, and it is not `over`, look again.
        """
        deadline = time.monotonic() + BEGUN_S
        while True:
            ended = self.end_all(token, patience_s, ssh_scripts.PART)
            if ended or over() or time.monotonic() >= deadline:
                return ended
            time.sleep(LOOK_S)

    def close(self) -> None:
        with self._making:
            if self._connection:
                self._connection.close()
            self._connection = None

    def _file(self, what: str, path: str, argv: list[str], data: bytes = b"", timeout_s: float = 30.0) -> bytes:
        """A command that handles a file; returns what it printed as bytes."""
        result = self._bytes(ssh_scripts.command(argv, secrets.token_hex(8)), data, timeout_s)
        if result is None:
            raise TimeUp(f"{path} could not be {what} within {timeout_s:g} s", where=self.name)
        status, out, errors = result
        if status != 0:
            raise FileTrouble(f"{path} cannot be {what}: {_text(errors).strip()}", where=self.name)
        return out

    def _finish(self, line: str, stdin: bytes, timeout_s: float) -> Completed | None:
        result = self._bytes(line, stdin, timeout_s)
        return Completed(result[0], _text(result[1]), _text(result[2])) if result else None

    def _bytes(self, line: str, stdin: bytes, timeout_s: float) -> tuple[int, bytes, bytes] | None:
        """Status, output and errors of a command line; None when its time was up."""
        deadline = time.monotonic() + timeout_s
        connection, channel = self._begin(line)
        channel.settimeout(LOOK_S)
        errors: list[bytes] = []
        helpers = [threading.Thread(target=_feed, args=(channel, stdin), daemon=True)]
        helpers.append(threading.Thread(target=_drain, args=(channel, errors, deadline), daemon=True))
        for helper in helpers:
            helper.start()
        try:
            out = _until_end(channel, channel.recv, deadline)
            if out is None or not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
                return None
            if channel.exit_status < 0:
                raise connection.trouble()
            helpers[1].join(max(LEFT_OPEN_S, deadline - time.monotonic()))
            return channel.exit_status, out, b"".join(errors)
        finally:
            channel.close()

    def _begin(self, line: str, combined: bool = False) -> tuple[SshConnection, paramiko.Channel]:
        """Have the far side begin a command."""
        connection, channel = self._channel()
        channel.set_combine_stderr(combined)
        try:
            channel.exec_command(line)
        except (paramiko.SSHException, EOFError, OSError) as failed:
            raise connection.trouble() from failed
        return connection, channel

    def _channel(self) -> tuple[SshConnection, paramiko.Channel]:
        """A channel of a connection that stands.

        One that was kept may turn out to be broken: nothing has begun then, so it is made anew.
        """
        connection = self._connected(None)
        try:
            return connection, connection.channel()
        except ConnectionLost:
            connection = self._connected(connection)
            return connection, connection.channel()

    def _connected(self, broken: SshConnection | None) -> SshConnection:
        """The connection, made now unless one is there that stands and is not the `broken` one."""
        with self._making:
            if self._connection and (self._connection is broken or not self._connection.stands):
                self._connection.close()
                self._connection = None
            if self._connection is None:
                self._connection = SshConnection(self._target)
            return self._connection


class SshProcess:
    """A long process on a host by SSH; see :class:`drivers.protocols.LongProcess`."""

    def __init__(
        self, host: SshHost, connection: SshConnection, channel: paramiko.Channel, follower: Follower, token: str
    ) -> None:
        self._host, self._connection, self._channel = host, connection, channel
        self._follower, self._token = follower, token

    @property
    def status(self) -> int | None:
        """Raises ConnectionTrouble when the connection broke: the far side has ended the process, or will."""
        if not self._channel.status_event.is_set():
            return None
        if self._channel.exit_status < 0:
            raise self._connection.trouble()
        return self._channel.exit_status

    def wait(self, timeout_s: float) -> int:
        self._channel.status_event.wait(timeout_s)
        status = self.status
        if status is None:
            raise TimeUp(f"a process still runs after {timeout_s:g} s", where=self._host.name)
        self._follower.join(LEFT_OPEN_S)
        return status

    def end(self, patience_s: float = 5.0) -> list[str]:
        ended = self._host.end_begun(self._token, patience_s, self._channel.status_event.is_set)
        self._channel.status_event.wait(PATIENCE_S)
        self._channel.close()
        self._follower.join(PATIENCE_S)
        return ended


def _received(channel: paramiko.Channel, size: int) -> bytes:
    try:
        return channel.recv(size)
    except OSError:
        return b""


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    """Give a command its standard input; it may end without reading it."""
    left = memoryview(data)
    try:
        while left and not channel.exit_status_ready():
            with suppress(TimeoutError):
                left = left[channel.send(bytes(left[:CHUNK])) :]
        channel.shutdown_write()
    except OSError:
        pass


def _drain(channel: paramiko.Channel, into: list[bytes], deadline: float) -> None:
    into.append(_until_end(channel, channel.recv_stderr, deadline) or b"")


def _until_end(channel: paramiko.Channel, receive: Callable[[int], bytes], deadline: float) -> bytes | None:
    """All that comes; None when the time is up before the command has ended."""
    found: list[bytes] = []
    enough_s = None
    while True:
        if enough_s is None and channel.exit_status_ready():
            enough_s = time.monotonic() + LEFT_OPEN_S
        try:
            chunk = receive(CHUNK)
        except TimeoutError:
            now_s = time.monotonic()
            if enough_s is not None and now_s >= enough_s:
                return b"".join(found)
            if enough_s is None and now_s >= deadline:
                return None
            continue
        if not chunk:
            return b"".join(found)
        found.append(chunk)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
