"""A stand-in for a MongoDB server: `python -m drivers.virtual.mongodb.server ADDRESS PORT`, without disk or users.

It serves what an HSS and a PCRF ask of one, and nothing else.  A rig that uses it says so in its results.
"""

from __future__ import annotations

import asyncio
import sys

from drivers.errors import DriverError
from drivers.virtual.mongodb.commands import Store
from drivers.virtual.mongodb.wire import Conversation

CHUNK = 65536
READY = "stand-in for MongoDB: waiting for connections"


class Server:
    """Serves a store, in memory."""

    def __init__(self) -> None:
        self.store = Store()

    async def start(self, address: str, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._serve, address, port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(self.store.run)
        try:
            while data := await reader.read(CHUNK):
                writer.write(conversation.receive(data))
                await writer.drain()
        except DriverError as fault:
            print(fault, file=sys.stderr, flush=True)
        except ConnectionError:
            pass  # a client that is gone needs no answer
        finally:
            writer.close()


async def _main(address: str, port: int) -> None:
    server = await Server().start(address, port)
    place = server.sockets[0].getsockname()
    print(f"{READY} on {place[0]}:{place[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
