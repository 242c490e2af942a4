"""The folder that a guest lives from: locked by the controller, removed with the guest.

It holds the job, the kernel's control socket and its log.  A controller that was killed leaves its folder, and on hosts
that allow no PID namespace helper processes of the guest as well; the next start removes both: a folder of ours
that nobody holds locked, and the processes that carry its name in their environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "testbed-guest-"
TOKEN = "TESTBED_GUEST_FOLDER"  # in the environment of every process of the guest, as the host sees them


@contextmanager
def guest_folder() -> Iterator[Path]:
    """A new folder, ours for the time of a `with` block.  What dead controllers left is removed first."""
    remove_leftovers()
    folder, lock = _make()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_leftovers() -> list[Path]:
    """Remove what guests of dead controllers of this user left behind, and only that; the folders removed."""
    removed = []
    for folder in leftovers():
        lock = _lock(folder)
        if lock is not None:
            _kill_carriers(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            removed.append(folder)
    return removed


def leftovers() -> list[Path]:
    """Folders of this user's guests whose controller is dead."""
    folders = [path for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if path.is_dir()]
    return [path for path in folders if path.lstat().st_uid == os.geteuid() and _free(path)]


def _make() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _lock(folder)
        if lock is not None and folder.exists():  # else somebody's cleaning came between the two
            return folder, lock


def _lock(folder: Path) -> int | None:
    """Hold a folder until the descriptor is closed, which our death does too; None where somebody else holds it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _free(folder: Path) -> bool:
    lock = _lock(folder)
    if lock is not None:
        os.close(lock)
    return lock is not None


def _kill_carriers(folder: Path) -> None:
    token = f"{TOKEN}={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if token in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
