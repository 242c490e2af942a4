"""Which program controls a radio: hostapd and wpa_supplicant are found by their control sockets, wherever these lie.

A control socket is a datagram socket whose file has the device's name (wpa_ctrl.h); the kernel lists those of this
network namespace in /proc/net/unix (unix(7), proc(5)).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers.wifi.control import Control
from drivers.wifi.errors import DaemonGone
from testbed.errors import RigError

SOCKETS = Path("/proc/thread-self/net/unix")
DATAGRAM = "0002"
KNOWN = ("hostapd", "wpa_supplicant")


@dataclass(frozen=True)
class ControlSocket:
    """`program` and `pid` are None where this user may not look who it is."""

    path: str
    program: str | None = None
    pid: int | None = None

    def __str__(self) -> str:
        who = self.program or "a program of another user"
        return f"{who} ({self.pid})" if self.pid else who


def control_sockets(device: str) -> list[ControlSocket]:
    """Those of a device, best first."""
    found = []
    for inode, path in named_sockets(SOCKETS.read_text(), device):
        program, pid = _owner(inode)
        folder = Path(path).parent.name
        found.append(ControlSocket(path, program or (folder if folder in KNOWN else None), pid))
    return sorted(found, key=lambda one: one.program not in KNOWN)


def named_sockets(listed: str, device: str) -> list[tuple[str, str]]:
    """Inode and path of each datagram socket whose file is called like the device."""
    rows = (line.split(maxsplit=7) for line in listed.splitlines()[1:])
    wanted = (row for row in rows if len(row) == 8 and row[4] == DATAGRAM)
    return [(row[6], row[7]) for row in wanted if row[7].startswith("/") and Path(row[7]).name == device]


def _owner(inode: str) -> tuple[str | None, int | None]:
    """Who has it open: the programs that one expects are looked at first, for others may have 100,000 descriptors."""
    for process, name in sorted(_processes(), key=lambda one: one[1] not in KNOWN):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            if _has(process, f"socket:[{inode}]"):
                return name, int(process.name)
    return None, None


def _processes() -> Iterator[tuple[Path, str]]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield process, (process / "comm").read_text().strip()


def _has(process: Path, wanted: str) -> bool:
    for entry in os.scandir(process / "fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(entry.path) == wanted:  # noqa: PTH115 - five times as quick
                return True
    return False


@asynccontextmanager
async def attached(
    control: ControlSocket, device: str, on_event: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Control]:
    """Its interface, open, with events told.  Raises DaemonGone, DaemonSilent, or RigError where we may not."""
    with tempfile.TemporaryDirectory(prefix="testbed-wifi-") as folder:
        where = f"{control.program or 'control socket'} of {device}"
        opened = Control(Path(control.path), Path(folder), where)
        opened.watch(on_event)
        try:
            await opened.open()
        except DaemonGone as gone:
            if isinstance(gone.__cause__, PermissionError):
                mend = f"be root, or in the group that {Path(control.path).parent} belongs to (netdev on Debian)"
                raise RigError(f"{control.path} may not be used", where=where, mend=mend) from gone
            raise
        try:
            yield opened
        finally:
            opened.close()
