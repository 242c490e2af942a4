"""Named network namespaces: the hosts of a virtual rig (`ip netns` sees them too)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyroute2 import netns

from drivers.errors import DriverError

FOLDER = Path("/run/netns")
CLONE_NEWNET = 0x40000000


def create(name: str) -> None:
    """Make a namespace; raises DriverError when it exists or may not be made."""
    try:
        netns.create(name)
    except FileExistsError as exists:
        raise DriverError("exists already", where=f"network namespace {name}", mend="run `testbed clean`") from exists
    except OSError as refused:
        what, mend = f"cannot be made: {refused.strerror}", "run as root, or with --kernel uml"
        raise DriverError(what, where=f"network namespace {name}", mend=mend) from refused


def remove(name: str) -> None:
    """Remove a namespace's name; one that is gone is no error.  It lives on while a process is inside."""
    if (FOLDER / name).exists():
        netns.remove(name)


def exists(name: str) -> bool:
    """Whether there is a namespace of this name."""
    return (FOLDER / name).exists()


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Be inside a namespace for the time of a `with` block: sockets made there stay there.

    It moves only the calling thread; call it where no other code of that thread may run meanwhile.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(name)
        try:
            yield
        finally:
            setns(home)
    finally:
        os.close(home)


def enter(name: str) -> None:
    """Move the calling thread into a namespace for good: the first act of a process that lives there."""
    try:
        descriptor = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as gone:
        raise DriverError("does not exist", where=f"network namespace {name}") from gone
    try:
        setns(descriptor)
    finally:
        os.close(descriptor)


def setns(descriptor: int) -> None:
    """setns(2) for network namespaces; Python has it only from 3.12 on."""
    if hasattr(os, "setns"):
        os.setns(descriptor, CLONE_NEWNET)
        return
    netns.setns(descriptor)


def argv(name: str, command: list[str]) -> list[str]:
    """The argument list that runs a command inside a namespace."""
    return ["ip", "netns", "exec", name, *command]
