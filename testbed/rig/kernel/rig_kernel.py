"""Rig kernels that have been built: where they lie, which one is used, and how one gets there whole.

A kernel is a folder in the user's cache, named by its key (version of the source and fingerprint of the configuration):
`linux`, `config` and `kernel.json`, which says what it is.  The folder is made beside its place and renamed into it, so
whatever is there is complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.errors import RigError
from testbed.rig.kernel import rig_config

UNFINISHED = ".building-"
BINARY, CONFIGURATION, RECORD = "linux", "config", "kernel.json"


@dataclass(frozen=True)
class RigKernel:
    """One kernel of the cache."""

    folder: Path
    release: str  # as `uname -r` says inside
    source: str  # the version of Debian's package
    configuration: str  # fingerprint
    built: str  # UTC, ISO 8601
    seconds: float  # that the build took

    @property
    def binary(self) -> Path:
        return self.folder / BINARY

    @property
    def version(self) -> tuple[int, ...]:
        """(6, 12, 117) of 6.12.117-rig, for comparison."""
        return tuple(int(part) for part in self.release.partition("-")[0].split(".") if part.isdigit())


def cache() -> Path:
    """The folder of all rig kernels (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "testbed" / "kernels"


def key(source: str) -> str:
    """The name of the kernel that a source gives with the configuration of this checkout."""
    return f"{source}-{rig_config.fingerprint(rig_config.FRAGMENT.read_text())}"


def built() -> list[RigKernel]:
    """All kernels of the cache, those of other configurations too; the newest version comes first."""
    kernels = [kernel for folder in cache().glob("[!.]*") if (kernel := _read(folder))]
    return sorted(kernels, key=lambda kernel: (kernel.version, kernel.built), reverse=True)


def find() -> RigKernel | None:
    """The kernel to be used: the newest one that has the configuration of this checkout."""
    wanted = rig_config.fingerprint(rig_config.FRAGMENT.read_text())
    return next((kernel for kernel in built() if kernel.configuration == wanted), None)


def keep(folder: Path, kernel: RigKernel) -> RigKernel:
    """Put a finished kernel, whose files lie in `folder`, into its place at once."""
    record = {name: value for name, value in asdict(kernel).items() if name != "folder"}
    with (folder / RECORD).open("w") as stream:
        json.dump(record, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    shutil.rmtree(kernel.folder, ignore_errors=True)  # one that `_read` did not take for whole
    folder.rename(kernel.folder)
    return kernel


def remove() -> list[Path]:
    """Remove all kernels and what interrupted builds left; the folders removed.  RigError while one is being built."""
    removed: list[Path] = []
    if cache().is_dir():
        with _alone():
            for folder in sorted(cache().iterdir()):
                if folder.is_dir():
                    shutil.rmtree(folder)
                    removed.append(folder)
    return removed


@contextmanager
def building() -> Iterator[Path]:
    """A new folder to build in, beside the finished kernels; gone at the end unless it was renamed.

    Only one build at a time has it: RigError otherwise.  What dead builds left is removed.
    """
    with _alone():
        for left in cache().glob(f"{UNFINISHED}*"):
            shutil.rmtree(left)
        unfinished = cache() / f"{UNFINISHED}{os.getpid()}"
        unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else changes the cache for the time of a `with` block: RigError when somebody does already."""
    folder = cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as refused:
        mend = "set XDG_CACHE_HOME to a folder that you may write"
        raise RigError(f"cannot be made: {refused.strerror}", where=str(folder), mend=mend) from refused
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip()
            what = f"a kernel is being built there by process {holder}"
            raise RigError(what, where=str(folder), mend="wait until it is done") from None
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _read(folder: Path) -> RigKernel | None:
    try:
        kernel = RigKernel(folder=folder, **json.loads((folder / RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return kernel if os.access(kernel.binary, os.X_OK) else None
