"""Processes found and ended by a token in their environment, never by a name.

Children inherit the token, so daemons that fork are found whole.  Between looking and signalling a process may end and
its number be given to another; a pidfd names the process itself (pidfd_open(2)).
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import DriverError

VARIABLE = "TESTBED_TOKEN"
PART = "TESTBED_PROCESS"  # the token of one long process and its children, where they are ended by themselves
KILL_DEADLINE_S = 5.0
EXEC_DEADLINE_S = 1.0  # a program is loaded within that, on a busy machine too


@dataclass(frozen=True)
class Process:
    """A living process and an open descriptor of it."""

    pid: int
    parent: int
    command: str
    descriptor: int

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


@contextmanager
def bearing(token: str, variable: str = VARIABLE) -> Iterator[list[Process]]:
    """All processes but ourselves whose environment has exactly this token; their descriptors are open inside."""
    found: list[Process] = []
    try:
        # A process may start another and end while we look: it was listed and is gone, the other one was not yet.  That
        # one is there when we look again.
        for _ in range(2):
            for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208 - names are wanted
                if pid != os.getpid() and _bears(pid, token, variable):
                    found += _opened(pid, token, variable)
            if found:
                break
        yield found
    finally:
        for process in found:
            os.close(process.descriptor)


def end(token: str, patience_s: float, variable: str = VARIABLE) -> list[str]:
    """SIGTERM, and SIGKILL for those that are still there after `patience_s`.  Returns what was ended.

    Of a family only the eldest are asked: a daemon ends its own children in its own order.
    """
    ended: dict[int, str] = {}
    asked: set[int] = set()
    deadline = time.monotonic() + patience_s
    while (left := deadline - time.monotonic()) > 0:
        with bearing(token, variable) as found:
            if not found:
                return list(ended.values())
            ended.update((process.pid, str(process)) for process in found)
            pids = {process.pid for process in found}
            eldest = [process for process in found if process.parent not in pids]
            for process in eldest:
                if process.pid not in asked:
                    process.signal(signal.SIGTERM)
                    asked.add(process.pid)
            _wait_for_any(eldest, left)
    ended.update(_kill(token, variable))
    return list(ended.values())


def _kill(token: str, variable: str) -> dict[int, str]:
    killed: dict[int, str] = {}
    deadline = time.monotonic() + KILL_DEADLINE_S
    while True:
        with bearing(token, variable) as found:
            if not found:
                return killed
            if time.monotonic() > deadline:
                names = ", ".join(str(process) for process in found)
                raise DriverError(f"cannot be killed: {names}", where="processes of the rig")
            for process in found:
                process.signal(signal.SIGKILL)
                killed[process.pid] = f"{process}, by force"
            _wait_for_any(found, KILL_DEADLINE_S)


def _wait_for_any(processes: list[Process], seconds: float) -> None:
    poll = select.poll()
    for process in processes:
        poll.register(process.descriptor, select.POLLIN)
    poll.poll(seconds * 1000)


def _opened(pid: int, token: str, variable: str) -> list[Process]:
    """The process with a descriptor, or nothing when it has ended (and its number is perhaps another's by now)."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return []
    if not _bears(pid, token, variable):
        os.close(descriptor)
        return []
    return [Process(pid, *_parent_and_command(pid), descriptor)]


def _bears(pid: int, token: str, variable: str) -> bool:
    return f"{variable}={token}".encode() in _environment(pid).split(b"\0")


def _environment(pid: int) -> bytes:
    """The environment a program was started with.

    In the middle of an execve(2) a process seems to have none.  It is at work then, and has a program, which kernel
    threads and zombies do not.
    """
    path = Path(f"/proc/{pid}/environ")
    deadline = time.monotonic() + EXEC_DEADLINE_S
    try:
        while not (environment := path.read_bytes()) and time.monotonic() < deadline:
            if _stat(pid)[1][0] not in "RD":
                return path.read_bytes()
            Path(f"/proc/{pid}/exe").readlink()
            os.sched_yield()
        return environment
    except OSError:  # gone, without a program, or another user's
        return b""


def _parent_and_command(pid: int) -> tuple[int, str]:
    try:
        command, rest = _stat(pid)
    except OSError:
        return 0, "ended"
    return int(rest[1]), command


def _stat(pid: int) -> tuple[str, list[str]]:
    """The command's name, and what follows it: state, parent, ... (proc(5), stat)."""
    head, _, tail = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")  # a name may contain some
    return head.partition("(")[2], tail.split()
