"""Says what happens as datagrams that the capture in this namespace stamps with the kernel's clock."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from testbed.measure.markers import MARKER_ADDRESS, encode_marker


class Markers:
    """Sends markers from the namespace in which it was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def mark(self, event: str, **detail: Any) -> None:
        """Send one; nobody listening is no error."""
        with contextlib.suppress(OSError):
            self._socket.sendto(encode_marker(event, **detail), MARKER_ADDRESS)

    def close(self) -> None:
        self._socket.close()
