"""A virtual RCDAT: serves the attenuator's real dialect by HTTP and telnet, and moves whatever listens.

    python -m drivers.virtual.attenuator --address 10.9.0.1 --http 80 --telnet 23 --model RC4DAT-6000-95 --moves /run/x

What moves is told as datagrams, `{"channel": 1, "db": 12.25}`, to the UNIX socket `--moves` (a radio medium, a modem's
signal), first how each channel is at the start.  Orders come to the UNIX datagram socket `--orders`:
`{"fault": "slow", "seconds": 1.5}`, with a fault of :data:`FAULTS`, or `{"fault": "none"}`.

Written from the same sources as :mod:`drivers.rf.minicircuits`, and not from that module: two readings of one manual.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

FAULTS = {
    "none": "answers as it should",
    "slow": "answers after so many seconds",
    "silent": "takes the command and never answers",
    "garbage": "answers something else",
    "stuck": "says that it has done it, and has not",
    "failing": "says that it has not done it",
    "reset": "breaks the connection off",
    "refuse": "listens no longer",
}
UNKNOWN = "-99 Unrecognized Command"
GREETING = bytes((255, 251, 1, 255, 253, 3))  # a telnet server's IAC WILL ECHO, IAC DO SUPPRESS-GO-AHEAD
Moved = Callable[[int, float], None]


class AttenuatorState:
    """What the device knows: a command in, its answer out."""

    def __init__(self, model: str, moved: Moved, serial: str = "11701010001", start_db: float | None = None) -> None:
        digits = "".join(letter for letter in model.split("DAT")[0] if letter.isdigit())
        self.model, self.serial, self._moved = model, serial, moved
        self.maximum_db = float("".join(letter for letter in model.split("-")[-1].split("W")[0] if letter.isdigit()))
        start = self.maximum_db if start_db is None else start_db  # the factory's default at power-up
        self.db = [start] * int(digits or 1)
        self.stuck = self.failing = False

    def answer(self, command: str) -> str:
        """One command, as it comes without the end of its line.  Letters' case does not matter."""
        words = command.strip().upper().lstrip(":").replace("=", ":").split(":")
        match words:
            case ["MN?"]:
                return f"MN={self.model}"
            case ["SN?"]:
                return f"SN={self.serial}"
            case ["FIRMWARE?"]:
                return "FIRMWARE=B3"
            case ["ATT?"]:
                return "  ".join(f"{db:.2f}" for db in self.db)
            case ["CHAN", channel, "ATT?"]:
                found = self._channels([channel])
                return f"{self.db[found[0] - 1]:.2f}" if found else UNKNOWN
            case ["SETATT", value]:
                return self._set(list(range(1, len(self.db) + 1)), value)
            case ["CHAN", *channels, "SETATT", value]:
                return self._set(self._channels(channels), value)
            case _:
                return UNKNOWN

    def _channels(self, names: Sequence[str]) -> list[int]:
        """None at all when one of them is none of ours."""
        found = [int(name) if name.isdigit() else 0 for name in names]
        return found if all(1 <= channel <= len(self.db) for channel in found) else []

    def _set(self, channels: list[int], value: str) -> str:
        try:
            asked = float(value)
        except ValueError:
            return "0"
        if not channels or not asked >= 0 or self.failing:
            return "0"
        db = int(min(asked, self.maximum_db) / 0.25 + 0.5) * 0.25
        if not self.stuck:
            for channel in channels:
                self.db[channel - 1] = db
                self._moved(channel, db)
        return "2" if asked > self.maximum_db else "1"


class VirtualAttenuator:
    """The device on the network, in the running event loop."""

    def __init__(self, state: AttenuatorState, address: str, http: int, telnet: int) -> None:
        self.state = state
        self._address, self._ports = address, {"http": http, "telnet": telnet}
        self._serving: dict[str, asyncio.Server] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self._fault, self._seconds = "none", 0.0

    async def start(self) -> None:
        """Listen; the ports are known from now on (0 chooses one)."""
        for name, serve in (("http", self._http), ("telnet", self._telnet)):
            server = await asyncio.start_server(self._tracked(serve), self._address, self._ports[name])
            self._serving[name], self._ports[name] = server, server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for server in self._serving.values():
            server.close()
        for writer in list(self._open):
            _reset(writer)
        self._serving.clear()

    def port(self, name: str) -> int:
        return self._ports[name]

    async def order(self, fault: str, seconds: float = 0.0) -> None:
        """Have a fault from now on."""
        if fault not in FAULTS:
            raise ValueError(f"no fault {fault!r}; there are {', '.join(FAULTS)}")
        self._fault, self._seconds = fault, seconds
        self.state.stuck, self.state.failing = fault == "stuck", fault == "failing"
        if fault == "refuse":
            await self.stop()
        elif not self._serving:
            await self.start()

    def _tracked(
        self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open.add(writer)
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    await serve(reader, writer)
            finally:
                self._open.discard(writer)
                writer.close()

        return run

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection, as the device's small server does it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path = head.split(" ")[:2]
        if method != "GET" or not path.startswith("/"):
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        elif (answer := await self._answer(unquote(path[1:]), writer)) is not None:
            body = answer.encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()

    async def _telnet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING + b"\r\n")
        while line := await reader.readline():
            if line.strip() and (answer := await self._answer(line.decode("latin-1"), writer)) is not None:
                writer.write(f"{answer}\r\n".encode())
                await writer.drain()

    async def _answer(self, command: str, writer: asyncio.StreamWriter) -> str | None:
        """The answer, or what the fault makes of it; None when there is none."""
        if self._fault == "reset":
            _reset(writer)
            raise ConnectionResetError
        if self._fault == "silent":
            await asyncio.sleep(3600)
        if self._fault == "slow":
            await asyncio.sleep(self._seconds)
        answer = self.state.answer(command)
        return "\x07?{%" if self._fault == "garbage" else answer


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, as a device that loses its power and comes back does."""
    stream = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class _Orders(asyncio.DatagramProtocol):
    def __init__(self, device: VirtualAttenuator) -> None:
        self._device, self._under_way = device, set[asyncio.Task[None]]()

    def datagram_received(self, data: bytes, _: Any) -> None:
        try:
            order = json.loads(data)
            task = asyncio.ensure_future(self._device.order(order["fault"], float(order.get("seconds", 0))))
        except (ValueError, KeyError, TypeError) as unclear:
            print(f"not an order: {unclear}", file=sys.stderr, flush=True)
            return
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


class _Teller:
    """Tells by datagrams, in the running event loop; nobody has to listen yet, or still.

    Who listens slowly misses what is out of date, never the newest of a channel.
    """

    def __init__(self, path: str | None) -> None:
        self._path, self._socket = path or "", socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._untold: dict[int, float] = {}

    def __call__(self, channel: int, db: float) -> None:
        if self._path:
            self._untold.pop(channel, None)
            self._untold[channel] = db
            self._tell()

    def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._socket)
        try:
            self._socket.connect(self._path)
            while self._untold:
                channel = next(iter(self._untold))
                self._socket.send(json.dumps({"channel": channel, "db": self._untold[channel]}).encode())
                del self._untold[channel]
        except BlockingIOError:
            loop.add_writer(self._socket, self._tell)
        except OSError:
            self._untold.clear()  # nobody is there


async def _serve(arguments: argparse.Namespace) -> None:
    tell = _Teller(arguments.moves)
    state = AttenuatorState(arguments.model, tell, start_db=arguments.start_db)
    device = VirtualAttenuator(state, arguments.address, arguments.http, arguments.telnet)
    await device.start()
    if arguments.orders:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        stream.bind(arguments.orders)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Orders(device), sock=stream)
    for channel, db in enumerate(state.db, 1):
        tell(channel, db)
    ports = {name: device.port(name) for name in ("http", "telnet")}
    print(json.dumps({"ready": arguments.model, "address": arguments.address, **ports}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A virtual Mini-Circuits attenuator.")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--http", type=int, default=80)
    parser.add_argument("--telnet", type=int, default=23)
    parser.add_argument("--model", default="RCDAT-6000-110")
    parser.add_argument("--start-db", type=float, help="attenuation at power-up; the factory's default is the maximum")
    parser.add_argument("--moves", help="UNIX datagram socket that is told what changes")
    parser.add_argument("--orders", help="UNIX datagram socket that takes orders to misbehave")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(parser.parse_args()))
    except OSError as refused:  # a port or socket that somebody has
        parser.exit(3, f"error: virtual attenuator: {refused}\n  mend: give other ports, or end who has them\n")


if __name__ == "__main__":
    main()
