"""The control socket of a virtual stick: JSON objects over SOCK_SEQPACKET, one a packet.

`{"id": N, "do": VERB, ...}` is answered with `{"id": N, "result": ...}` or `{"id": N, "error": {what, where, mend}}`;
`{"event": NAME, ...}` comes by itself.  The first order is `setup`.  When the socket closes, the stick is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import select
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from drivers.errors import DriverError, TestbedError
from drivers.virtual.stick import Stick, Told

MAX_ORDER = 1 << 16
ORDER_DEADLINE_S = 20.0
MakeStick = Callable[[Mapping[str, Any], Told], Stick]


class Server:
    """The stick's end."""

    def __init__(self, control: socket.socket, make: MakeStick) -> None:
        self._control, self._make = control, make
        self._stick: Stick | None = None
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Until the other end closes."""
        asyncio.get_running_loop().add_reader(self._control, self._read)
        try:
            await self._over.wait()
        finally:
            if self._stick:
                self._stick.close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                data = self._control.recv(MAX_ORDER)
            except ConnectionError:
                data = b""
            if data:
                self._obey(json.loads(data))
            else:
                asyncio.get_running_loop().remove_reader(self._control)
                self._over.set()

    def _obey(self, order: dict[str, Any]) -> None:
        number, verb = order.pop("id"), order.pop("do")
        try:
            result = self._do(verb, order)
        except TestbedError as error:
            self._say({"id": number, "error": {"what": error.what, "where": error.where, "mend": error.mend}})
        except (TypeError, ValueError, OSError) as error:
            where = f"order {verb} to a virtual stick"
            self._say({"id": number, "error": {"what": str(error), "where": where, "mend": None}})
        else:
            self._say({"id": number, "result": result})

    def _do(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        if verb == "setup":
            self._stick = self._make(arguments["plan"], self._say)
            return None
        if self._stick is None:
            raise DriverError("the first order must be setup", where="virtual stick")
        method = getattr(self._stick, f"do_{verb.replace('-', '_')}", None)
        if method is None:
            raise DriverError(f"there is no order {verb}", where="virtual stick")
        return method(**arguments)

    def _say(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the rig has gone, or does not listen; the next read says which
            self._control.send(json.dumps(message).encode())


class Client:
    """The rig's end: an order waits for its answer; what came by itself meanwhile is kept, and can be waited for."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def order(self, verb: str, **arguments: Any) -> Any:
        """Give an order and return its result; raises DriverError with the stick's own words."""
        number = next(self._numbers)
        self._control.send(json.dumps({"id": number, "do": verb, **arguments}).encode())
        deadline = time.monotonic() + ORDER_DEADLINE_S
        while True:
            message = self._message(deadline, f"an answer to {verb}")
            if "event" in message:
                self.events.append(message)
            elif message["id"] == number:
                break
        if "error" in message:
            fault = message["error"]
            raise DriverError(fault["what"], where=fault["where"], mend=fault["mend"])
        return message["result"]

    def wait_for(self, event: str, *, deadline_s: float = ORDER_DEADLINE_S, **values: Any) -> dict[str, Any]:
        """The next event of this name with these values; those before it are forgotten."""
        deadline = time.monotonic() + deadline_s
        while True:
            message = self.events.pop(0) if self.events else self._message(deadline, f"event {event} {values}")
            if message.get("event") == event and values.items() <= message.items():
                return message

    def close(self) -> None:
        """The stick goes, and its process ends."""
        self._control.close()

    def _message(self, deadline: float, what: str) -> dict[str, Any]:
        ready, _, _ = select.select([self._control], [], [], max(deadline - time.monotonic(), 0))
        data = self._control.recv(MAX_ORDER) if ready else None
        if not data:
            why = "its process ended" if data == b"" else "it says nothing"
            raise DriverError(f"{why} while {what} was waited for", where="virtual stick")
        message: dict[str, Any] = json.loads(data)
        return message
