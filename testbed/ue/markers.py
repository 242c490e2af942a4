"""Says what happens as datagrams that the capture in this namespace stamps with the kernel's clock."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from typing import Any

from testbed.measure.markers import MARKER_ADDRESS, encode_marker

REMEMBERED = 64


class Markers:
    """Sends markers from the namespace in which it was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._said: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)

    def mark(self, event: str, **detail: Any) -> None:
        """Send one; nobody listening is no error."""
        self._said.append((time.monotonic(), event))
        with contextlib.suppress(OSError):
            self._socket.sendto(encode_marker(event, **detail), MARKER_ADDRESS)

    def since(self, event: str) -> list[tuple[str, float]]:
        """What was said from the last `event` on, with milliseconds since it: for the live view, not for results."""
        found: list[tuple[float, str]] = []
        for moment, said in self._said:
            found = [(moment, said)] if said == event else [*found, (moment, said)] if found else []
        return [(said, (moment - found[0][0]) * 1000) for moment, said in found]

    def close(self) -> None:
        self._socket.close()
