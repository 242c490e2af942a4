"""A pseudo-terminal that stands for an AT port: our end is the modem, the other end is what a program opens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable
from typing import Self

from drivers.modem.errors import PortGone


class PseudoPort:
    """`on_data` gets what the program writes, in the event loop in which this object was made."""

    def __init__(self, on_data: Callable[[bytes], None]) -> None:
        # With the program's end held open by us too, ours is readable only when the program has written something.
        self._modem, self._program = os.openpty()
        tty.setraw(self._program)
        os.set_blocking(self._modem, False)
        self.path = os.ttyname(self._program)
        self._on_data = on_data
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._modem, self._readable)
        self.is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        """Send to the program.  What it does not read soon enough is lost, as with a UART."""
        if not self.is_open:
            raise PortGone("the pseudo-terminal is closed", where=self.path)
        with contextlib.suppress(BlockingIOError):
            os.write(self._modem, data)

    def close(self) -> None:
        """Pull it out: the program's reads end, its writes fail, and the node goes once the program has closed it."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._modem)
        os.close(self._modem)
        os.close(self._program)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if data := os.read(self._modem, 1 << 16):
                self._on_data(data)
