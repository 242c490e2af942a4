"""Mounts: made, found and taken away by their place."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

MS_BIND, MS_REC, MS_SHARED, MNT_DETACH = 0x1000, 0x4000, 0x100000, 0x2
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, flags: int, kind: str = "none") -> None:
    """mount(2); raises OSError."""
    if _libc.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), None) != 0:
        _raise_errno(f"mounting {source or kind}", target)


def unmount(target: Path, *, lazily: bool = True) -> None:
    """umount2(2), at once even where it is in use if `lazily`; raises OSError."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH if lazily else 0) != 0:
        _raise_errno("unmounting", target)


def is_mounted(target: Path) -> bool:
    """Whether something is mounted there, be it a part of the same file system."""
    return os.fsencode(target) in mounted()


def mounted() -> list[bytes]:
    """Where something is mounted in our mount namespace (proc(5), mountinfo)."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return [re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), line.split(b" ")[4]) for line in lines]


def _raise_errno(what: str, target: Path) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}", str(target))
