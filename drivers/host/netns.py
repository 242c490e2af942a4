"""Named network namespaces: the hosts of a virtual rig (`ip netns` sees them too).

A namespace that we make bears a mark, the alias of its loopback device, before it has a name.  So one of the same name
that somebody else made is never taken for ours, whatever happened in between.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.errors import DriverError
from drivers.host import mounts
from drivers.link.netlink import NLM_F_ACK, Netlink, Request, attribute, attributes

FOLDER = Path("/run/netns")
OWN = "/proc/thread-self/ns/net"
CLONE_NEWNET = 0x40000000
RTM_NEWLINK, RTM_GETLINK, IFLA_IFALIAS, IFF_UP, LOOPBACK = 16, 18, 20, 0x1, 1
_libc = ctypes.CDLL(None, use_errno=True)


def folder_is_shared() -> bool:
    """Whether namespaces can get names already, as after anybody's `ip netns add`."""
    return mounts.is_mounted(FOLDER)


def share_folder() -> None:
    """Prepare the folder of names as `ip netns` does: a mount of its own, whose changes other mount namespaces see."""
    with _as_driver_error(str(FOLDER)):
        FOLDER.mkdir(exist_ok=True)
        if not folder_is_shared():
            mounts.mount(str(FOLDER), FOLDER, mounts.MS_BIND | mounts.MS_REC)
        mounts.mount("", FOLDER, mounts.MS_SHARED | mounts.MS_REC)


def unshare_folder(made: bool) -> bool:
    """Undo :func:`share_folder`, unless somebody has a namespace there; the folder goes too where it was `made`.

    True when something was undone.
    """
    if not FOLDER.exists() or any(FOLDER.iterdir()):
        return False
    shared = folder_is_shared()
    try:
        if shared:
            mounts.unmount(FOLDER, lazily=False)
        if made:
            FOLDER.rmdir()
    except OSError as used:
        if used.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
        return False
    return shared or made


@contextmanager
def making(name: str, mark: str) -> Iterator[Netlink]:
    """A new namespace.  The calling thread is inside for the time of the `with` block, to arrange it.

    Its loopback device is up.  It gets its name at the end, when it is complete; until then it vanishes with us.
    Yields a netlink socket inside.  Raises DriverError when the name is taken or namespaces may not be made.
    """
    where = f"network namespace {name}"
    with _as_driver_error(where), staying_at_home():
        if _libc.unshare(CLONE_NEWNET) != 0:
            _raise_errno("unshare")
        netlink = Netlink(socket.NETLINK_ROUTE, where)
        try:
            alias = attribute(IFLA_IFALIAS, mark.encode())
            netlink.batch([Request(RTM_NEWLINK, _loopback(IFF_UP) + alias, "lo up")])
            yield netlink
            (FOLDER / name).touch(mode=0o444, exist_ok=False)
            try:
                mounts.mount(OWN, FOLDER / name, mounts.MS_BIND)
            except BaseException:
                (FOLDER / name).unlink()
                raise
        except BaseException:
            netlink.close()
            raise


def remove(name: str, mark: str) -> bool:
    """Take the name from a namespace that bears our mark; True when there was one.

    It lives on while a process or a socket is inside.  What an interrupted :func:`making` left, an empty file without
    a namespace, goes too.
    """
    path = FOLDER / name
    if is_namespace(name):
        if read_mark(name) != mark:
            return False
        mounts.unmount(path)
    elif not path.is_file() or path.stat().st_size:
        return False
    path.unlink(missing_ok=True)
    return True


def exists(name: str) -> bool:
    """Whether the name is taken."""
    return os.path.lexists(FOLDER / name)


def is_namespace(name: str) -> bool:
    """Whether the name leads to a namespace; a file without one may lie there."""
    try:
        return (FOLDER / name).stat().st_dev == Path(OWN).stat().st_dev
    except FileNotFoundError:
        return False


def read_mark(name: str) -> str | None:
    """The mark of a namespace, if it bears any."""
    with inside(name), Netlink(socket.NETLINK_ROUTE, f"network namespace {name}") as netlink:
        for _, payload in netlink.exchange(RTM_GETLINK, _loopback(0), "mark", NLM_F_ACK):
            alias = attributes(payload[16:]).get(IFLA_IFALIAS)
            if alias is not None:
                return alias.rstrip(b"\0").decode(errors="replace")
    return None


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Be inside a namespace for the time of a `with` block: sockets and processes made there belong there.

    It moves only the calling thread; call it where no other code of that thread may run meanwhile.
    """
    with staying_at_home():
        enter(name)
        yield


@contextmanager
def staying_at_home() -> Iterator[None]:
    """Bring the calling thread back to its namespace at the end."""
    home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        try:
            setns(home)
        finally:
            os.close(home)


def enter(name: str) -> None:
    """Move the calling thread into a namespace for good: the first act of a process that lives there."""
    descriptor = open_descriptor(name)
    try:
        setns(descriptor)
    finally:
        os.close(descriptor)


def open_descriptor(name: str) -> int:
    """A namespace as an open file; it lives at least as long as that."""
    try:
        return os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as gone:
        raise DriverError("does not exist", where=f"network namespace {name}") from gone


def setns(descriptor: int) -> None:
    """setns(2) for network namespaces; Python has it only from 3.12 on."""
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        _raise_errno("setns")


def argv(name: str, command: list[str]) -> list[str]:
    """The argument list that runs a command inside a namespace."""
    return ["ip", "netns", "exec", name, *command]


def _loopback(flags: int) -> bytes:
    """An ifinfomsg for the loopback device, by hand: pyroute2's import would take longer than all of the rest."""
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, LOOPBACK, flags, flags)


def _raise_errno(call: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


@contextmanager
def _as_driver_error(where: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exists_already:
        mend: str | None = "run `testbed clean`, or choose another name for the rig"
        raise DriverError("exists already", where=where, mend=mend) from exists_already
    except OSError as refused:
        mend = "run as root, or with --kernel uml" if refused.errno in (errno.EPERM, errno.EACCES) else None
        raise DriverError(f"cannot be made: {refused.strerror}", where=where, mend=mend) from refused
