"""A modem on a pseudo-terminal that answers by a table; it can be pulled out at any byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from drivers.modem.pty import PseudoPort

OK = "\r\nOK\r\n"
Reply = str | None | Callable[[str], str | None]


def said(*lines: str) -> str:
    """An answer of these lines, then OK."""
    return "".join(f"\r\n{line}\r\n" for line in lines) + OK


class ScriptedModem:
    """`script`: command -> answer, a function of the command, or None for silence.  Others are answered ERROR.

    With `link` the port has a name that stays when the modem is pulled out and plugged in again.
    """

    def __init__(self, script: Mapping[str, Reply], *, link: Path | None = None, echo: bool = False) -> None:
        self.script = dict(script)
        self.heard: list[str] = []
        self.echo, self._link = echo, link
        self.bytes_left: int | None = None  # until it is pulled out, counting both directions
        self._typed = b""
        self.plug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    @property
    def path(self) -> str:
        return str(self._link) if self._link else self.port.path

    def plug(self) -> None:
        self.port = PseudoPort(self._written)
        self._typed = b""
        if self._link:
            new = self._link.with_suffix(".new")
            new.symlink_to(self.port.path)
            new.rename(self._link)

    def unplug(self) -> None:
        self.port.close()
        if self._link:
            self._link.unlink(missing_ok=True)

    def send(self, text: str | bytes) -> None:
        """Send as much as may still be sent before the modem is pulled out."""
        data = text if isinstance(text, bytes) else text.encode("latin-1")
        if self.port.is_open and (allowed := self._count(data)):
            self.port.write(allowed)
        if self.bytes_left == 0:
            # What was written is read before the end is seen, as with a USB device's buffered bytes.
            asyncio.get_running_loop().call_soon(self.unplug)

    def _count(self, data: bytes) -> bytes:
        if self.bytes_left is None:
            return data
        data = data[: self.bytes_left]
        self.bytes_left -= len(data)
        return data

    def _written(self, data: bytes) -> None:
        data = self._count(data)
        if self.echo:
            self.send(data)
        self._typed += data
        while b"\r" in self._typed:
            line, _, self._typed = self._typed.partition(b"\r")
            self._answer(line.decode().lstrip("\x1b"))
        if self.bytes_left == 0:
            self.unplug()

    def _answer(self, command: str) -> None:
        self.heard.append(command)
        reply = self.script.get(command, "\r\nOK\r\n" if command == "AT" else "\r\nERROR\r\n")
        answer = reply(command) if callable(reply) else reply
        if answer is not None:
            self.send(answer)
