"""A daemon with a control interface, of which a test says what it answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = Callable[[str], str | None]


class FakeDaemon:
    """`answer` gets each command but ATTACH, DETACH and PING; None: it stays silent."""

    def __init__(self, path: Path, answer: Answer = lambda _: "OK\n") -> None:
        self.path, self._answer = path, answer
        self.commands: list[str] = []
        self._attached: list[Any] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def tell(self, event: str, level: int = 3) -> None:
        for address in self._attached:
            self._socket.sendto(f"<{level}>{event}".encode(), address)

    def say_late(self, answer: str) -> None:
        """An answer that nobody waits for any more."""
        self._socket.sendto(answer.encode(), self._last)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self.path.unlink()

    def _read(self) -> None:
        data, address = self._socket.recvfrom(4096)
        command, self._last = data.decode(), address
        if command == "ATTACH":
            self._attached.append(address)
            answer: str | None = "OK\n"
        elif command == "DETACH":
            self._attached.remove(address)
            answer = "OK\n"
        elif command == "PING":
            answer = "PONG\n"
        else:
            self.commands.append(command)
            answer = self._answer(command)
        if answer is not None:
            self._socket.sendto(answer.encode(), address)
