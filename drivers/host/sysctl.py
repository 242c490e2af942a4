"""Kernel settings of the network namespace that the calling thread is in."""

from __future__ import annotations

import os
from collections.abc import Mapping

from drivers.errors import DriverError

FOLDER = "/proc/sys/net/"


def write(settings: Mapping[str, int], where: str) -> None:
    """Put settings (name below /proc/sys/net -> value) in force."""
    for name, value in settings.items():
        try:
            descriptor = os.open(FOLDER + name, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, str(value).encode())
            finally:
                os.close(descriptor)
        except OSError as refused:
            mend = "the kernel lacks IPv6, or it is switched off" if name.startswith("ipv6") else None
            raise DriverError(f"{name} = {value} was refused: {refused.strerror}", where=where, mend=mend) from refused
