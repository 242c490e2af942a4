"""A vendor-specific serial port on FunctionFS, as the `option` driver expects of a modem (Linux, functionfs.rst).

One interface with an interrupt and two bulk endpoints.  Real sticks have it as their third or so; the interfaces in
front of it are there without endpoints, since dummy_hcd has few, and no driver takes them.

Endpoints of FunctionFS cannot be polled, only read and written to by somebody who waits: a thread for each direction.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import queue
import struct
import threading
from collections.abc import Callable
from pathlib import Path

DESCRIPTORS_MAGIC_V2, STRINGS_MAGIC = 3, 2  # linux/usb/functionfs.h
HAS_FULL_SPEED, HAS_HIGH_SPEED = 1, 2
EVENT_SETUP, EVENT = 4, struct.Struct("<8sB3x")  # a control request, and what it is
VENDOR, PLACEHOLDER_PROTOCOL = 0xFF, 0x30  # no driver of the kernel takes ff/ff/30 of an EC25
BULK, INTERRUPT, IN, OUT = 2, 3, 0x80, 0x00
FULL_SPEED_PACKET, HIGH_SPEED_PACKET = 64, 512
REQUEST_TYPE_IN, SET_CONTROL_LINE_STATE, DTR = 0x80, 0x22, 0x01  # CDC PSTN 1.2, 6.3.12
LANGUAGE = 0x0409


def descriptors(interface: int) -> bytes:
    """The descriptors for FunctionFS; the port is the interface of that number, those before it are empty."""
    full, high = (_of_speed(interface, packet) for packet in (FULL_SPEED_PACKET, HIGH_SPEED_PACKET))
    count = interface + 1 + 3
    body = struct.pack("<II", count, count) + full + high
    return struct.pack("<III", DESCRIPTORS_MAGIC_V2, 12 + len(body), HAS_FULL_SPEED | HAS_HIGH_SPEED) + body


def strings() -> bytes:
    """The one string: the name of the interface."""
    body = struct.pack("<H", LANGUAGE) + b"AT port\0"
    return struct.pack("<IIII", STRINGS_MAGIC, 16 + len(body), 1, 1) + body


def _of_speed(interface: int, packet: int) -> bytes:
    placeholders = b"".join(
        _interface(number, 0, VENDOR, PLACEHOLDER_PROTOCOL, string=0) for number in range(interface)
    )
    port = _interface(interface, 3, 0x00, 0x00, string=1)
    notifications = _endpoint(1 | IN, INTERRUPT, 16, interval=9 if packet == HIGH_SPEED_PACKET else 10)
    return placeholders + port + notifications + _endpoint(2 | IN, BULK, packet) + _endpoint(3 | OUT, BULK, packet)


def _interface(number: int, endpoints: int, subclass: int, protocol: int, *, string: int) -> bytes:
    return struct.pack("<BBBBBBBBB", 9, 4, number, 0, endpoints, VENDOR, subclass, protocol, string)


def _endpoint(address: int, kind: int, packet: int, interval: int = 0) -> bytes:
    return struct.pack("<BBBBHB", 7, 5, address, kind, packet, interval)


class FunctionFsPort:
    """Serves the port, from before it is plugged in until `close`.  Belongs to the event loop it was made in.

    `on_data` gets what the host writes; `on_open` whether a program on the host has the port open.
    """

    def __init__(
        self, folder: Path, interface: int, on_data: Callable[[bytes], None], on_open: Callable[[bool], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_data, self._on_open = on_data, on_open
        self._closed, self._is_open = False, False
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._control = os.open(folder / "ep0", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.write(self._control, descriptors(interface))
            os.write(self._control, strings())
            self._to_host = os.open(folder / "ep2", os.O_RDWR | os.O_CLOEXEC)
            self._from_host = os.open(folder / "ep3", os.O_RDWR | os.O_CLOEXEC)
        except BaseException:
            os.close(self._control)
            raise
        self._loop.add_reader(self._control, self._controlled)
        for work in (self._read, self._write):
            threading.Thread(target=work, name=f"{folder.name} {work.__name__}", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Send to the host; nobody hears it while nobody has the port open, as with a real stick."""
        if self._is_open:
            self._outgoing.put(data)

    def close(self) -> None:
        """Stop serving.  A thread that waits for the host ends with the process, or with the gadget."""
        self._closed = True
        self._outgoing.put(None)
        self._loop.remove_reader(self._control)
        os.close(self._control)

    def unplugged(self) -> None:
        """Whoever had the port open has it no more."""
        self._set_open(False)

    def _controlled(self) -> None:
        """Events of the device, and control requests to the port, each of which wants to be answered."""
        try:
            news = os.read(self._control, 8 * EVENT.size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the gadget was taken away under us
            self._loop.remove_reader(self._control)
            return
        for setup, kind in EVENT.iter_unpack(news[: len(news) - len(news) % EVENT.size]):
            if kind == EVENT_SETUP:
                self._requested(setup)

    def _requested(self, setup: bytes) -> None:
        kind, request, value, _, length = struct.unpack("<BBHHH", setup)
        # ESHUTDOWN and the like: pulled out in the middle of it.
        with contextlib.suppress(OSError):
            if kind & REQUEST_TYPE_IN:
                os.read(self._control, 0)  # against its direction: a stall, "there is no such request"
                return
            os.read(self._control, length)
            if request == SET_CONTROL_LINE_STATE:
                self._set_open(bool(value & DTR))

    def _set_open(self, is_open: bool) -> None:
        if is_open != self._is_open:
            self._is_open = is_open
            self._on_open(is_open)

    # In threads of their own

    def _read(self) -> None:
        while True:
            try:
                # One packet at a time: the host ends nothing with an empty packet, so a longer read would wait.
                data = os.read(self._from_host, HIGH_SPEED_PACKET)
            except OSError as ended:
                if ended.errno == errno.ESHUTDOWN and not self._closed:
                    continue  # pulled out; the next read waits until it is plugged in again
                break
            self._hand_over(data)
        os.close(self._from_host)

    def _hand_over(self, data: bytes) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._on_data, data)

    def _write(self) -> None:
        while (data := self._outgoing.get()) is not None:
            if self._is_open:
                with contextlib.suppress(OSError):  # pulled out: the bytes are lost
                    os.write(self._to_host, data)
        os.close(self._to_host)
