"""The gadget's end of an ACM port, the kernel's /dev/ttyGS*: a terminal that hangs up with each unplug."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable
from pathlib import Path

READ = 1 << 16


class AcmPort:
    """Open while the stick is plugged in.  Whether a program on the host has the port open is not told."""

    def __init__(self, node: Path, on_data: Callable[[bytes], None]) -> None:
        self._node, self._on_data = node, on_data
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = None

    def plugged(self) -> None:
        """Open our end, raw from the first byte on."""
        if self._descriptor is None:
            self._descriptor = os.open(self._node, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            tty.setraw(self._descriptor)
            self._loop.add_reader(self._descriptor, self._readable)

    def unplugged(self) -> None:
        """Close it; it may have hung up already."""
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    close = unplugged

    def write(self, data: bytes) -> None:
        """Send to the host.  What does not fit into the kernel's buffer, since nobody reads, is lost."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, data)

    def _readable(self) -> None:
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_data(data)
        else:
            self.unplugged()
