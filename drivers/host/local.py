"""The machine we run on as a host, and a network namespace of it."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO

from drivers.errors import DriverError
from drivers.host import netns, processes
from drivers.host.errors import CommandFailed, FileTrouble, TimeUp
from drivers.host.lines import Follower
from drivers.protocols import Completed

PATIENCE_S = 2.0  # from SIGTERM to SIGKILL for a command whose time is up


class LocalHost:
    """This machine.

    `environment` is for all that is started here: with a rig's token in it `testbed clean` finds what is left.
    """

    def __init__(self, environment: Mapping[str, str] = {}, name: str = "this machine") -> None:
        self.name = name
        self._environment = dict(environment)

    def execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        timeout_s: float = 30.0,
    ) -> Completed:
        # Files, not pipes: a daemon that the command leaves behind may hold a pipe open for ever.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            given.write(stdin)
            given.seek(0)
            process, token = self._spawn(argv, given, out, errors, environment)
            status = _wait(process, timeout_s)
            if status is None:
                processes.end(token, PATIENCE_S, processes.PART)
                process.wait()
            out.seek(0)
            errors.seek(0)
            completed = Completed(status or 0, _text(out.read()), _text(errors.read()))
        if status is None:
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
    ) -> LocalProcess:
        read, write = os.pipe()
        try:
            process, token = self._spawn(argv, subprocess.DEVNULL, write, write, environment)
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        Follower(_reader(read), on_line, log).start()
        return LocalProcess(process, token, self.name)

    def read(self, path: str, *, timeout_s: float = 30.0) -> bytes:
        try:
            return Path(path).read_bytes()
        except OSError as failed:
            raise self._file_trouble("read", path, failed) from failed

    def write(self, path: str, data: bytes, *, mode: int = 0o644, timeout_s: float = 30.0) -> None:
        new = Path(f"{path}.{secrets.token_hex(4)}.new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                    os.fchmod(descriptor, mode)
                new.replace(path)
            except BaseException:
                new.unlink(missing_ok=True)
                raise
        except OSError as failed:
            raise self._file_trouble("written", path, failed) from failed

    def mode(self, path: str, *, timeout_s: float = 30.0) -> int:
        try:
            return Path(path).stat().st_mode & 0o7777
        except OSError as failed:
            raise self._file_trouble("looked at", path, failed) from failed

    def remove(self, path: str, *, timeout_s: float = 30.0) -> None:
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as failed:
            raise self._file_trouble("removed", path, failed) from failed

    def close(self) -> None:
        """There is no connection."""

    def _place(self) -> AbstractContextManager[None]:
        """Where processes are started."""
        return nullcontext()

    def _spawn(
        self,
        argv: Sequence[str],
        stdin: IO[bytes] | int,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
        environment: Mapping[str, str],
    ) -> tuple[subprocess.Popen[bytes], str]:
        """Start a process and give it a token, by which it and its children are found."""
        token = secrets.token_hex(8)
        whole = {**os.environ, **self._environment, **environment, processes.PART: token}
        try:
            with self._place():
                process = subprocess.Popen(
                    list(argv), stdin=stdin, stdout=stdout, stderr=stderr, env=whole, start_new_session=True
                )
        except OSError as failed:
            mend = f"install the program that has `{argv[0]}`" if isinstance(failed, FileNotFoundError) else None
            raise DriverError(f"cannot start `{argv[0]}`: {failed.strerror}", where=self.name, mend=mend) from failed
        return process, token

    def _file_trouble(self, what: str, path: str, failed: OSError) -> FileTrouble:
        return FileTrouble(f"{path} cannot be {what}: {failed.strerror}", where=self.name)


class NamespaceHost(LocalHost):
    """A network namespace of this machine: processes live in it, files are the machine's."""

    def __init__(self, namespace: str, environment: Mapping[str, str] = {}) -> None:
        super().__init__(environment, f"network namespace {namespace}")
        self._namespace = namespace

    def _place(self) -> AbstractContextManager[None]:
        return netns.inside(self._namespace)


class LocalProcess:
    """A long process on this machine; see :class:`drivers.protocols.LongProcess`."""

    def __init__(self, process: subprocess.Popen[bytes], token: str, where: str) -> None:
        self._process, self._token, self._where = process, token, where

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        returned = self._process.poll()
        return None if returned is None else _as_shell(returned)

    def wait(self, timeout_s: float) -> int:
        status = _wait(self._process, timeout_s)
        if status is None:
            raise TimeUp(f"process {self.pid} still runs after {timeout_s:g} s", where=self._where)
        return status

    def end(self, patience_s: float = 5.0) -> list[str]:
        ended = processes.end(self._token, patience_s, processes.PART)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)
        return ended


def _reader(descriptor: int) -> Callable[[int], bytes]:
    """Read from a descriptor, and close it at its end."""

    def read(size: int) -> bytes:
        if not (chunk := os.read(descriptor, size)):
            os.close(descriptor)
        return chunk

    return read


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    """The status, at once when it is there; None when the time is up.  (Popen.wait looks again and again.)"""
    if process.poll() is None:
        descriptor = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(timeout_s * 1000):
                return None
        finally:
            os.close(descriptor)
    return _as_shell(process.wait())


def _as_shell(returned: int) -> int:
    return 128 - returned if returned < 0 else returned


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
