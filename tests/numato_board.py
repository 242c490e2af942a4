"""A Numato relay board at the far end of a pseudo terminal: echoes, answers and prompts as the user guide says."""

from __future__ import annotations

import os
import threading
import tty
from typing import Self


class NumatoBoard:
    """`port` is what the driver opens.  `fault`: stuck, silent, garbage, gone."""

    def __init__(self, relays: int = 16) -> None:
        self.closed = [False] * relays
        self.fault = ""
        self._line = b""
        self._near, far = os.openpty()
        tty.setraw(far)
        self.port = os.ttyname(far)
        self._far = far
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def type(self, text: bytes) -> None:
        """What somebody has typed before us, without an end."""
        self._line += text

    def unplug(self) -> None:
        if self._near >= 0:
            near, self._near = self._near, -1
            os.close(self._far)
            os.close(near)

    def _serve(self) -> None:
        try:
            while byte := os.read(self._near, 1):
                if self.fault == "silent":
                    continue
                os.write(self._near, byte)
                if byte != b"\r":
                    self._line += byte
                    continue
                line, self._line = self._line.decode(), b""
                os.write(self._near, b"\n" + self._answer(line) + b">")
        except OSError:
            return

    def _answer(self, line: str) -> bytes:
        words = line.split()
        if self.fault == "garbage":
            return b"what?\n\r"
        if len(words) == 3 and words[0] == "relay":
            relay = int(words[2], 36)
            if words[1] == "read":
                return b"on\n\r" if self.closed[relay] else b"off\n\r"
            if self.fault != "stuck":
                self.closed[relay] = words[1] == "on"
        return b"\r"
