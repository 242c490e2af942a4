"""The kernel's own news of devices that come and go (NETLINK_KOBJECT_UEVENT): "look again", nothing more.

Only what wakes us is taken from it; what there is now is read from /dev and /sys by whoever was woken.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from drivers.waiting import within

NETLINK_KOBJECT_UEVENT, KERNEL_GROUP = 15, 1


class DeviceNews:
    """Wakes whoever waits when a device comes or goes; where the socket is refused it just never does."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._socket: socket.socket | None = None
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with contextlib.suppress(OSError):
            self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_KOBJECT_UEVENT)
            self._socket.bind((0, KERNEL_GROUP))
            asyncio.get_running_loop().add_reader(self._socket, self._told)

    def __enter__(self) -> DeviceNews:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def wait(self, timeout_s: float) -> None:
        """Return when a device came or went since the last call, at the latest after `timeout_s`."""
        await within(self._news, timeout_s)
        self._news.clear()

    def close(self) -> None:
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _told(self) -> None:
        assert self._socket
        with contextlib.suppress(OSError):  # ENOBUFS: so much news that some was dropped; that is news as well
            while self._socket.recv(1 << 16):
                self._news.set()
        self._news.set()
