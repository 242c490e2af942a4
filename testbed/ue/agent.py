"""The process of one UE: `python -m testbed.ue.agent FD`, in the UE's network namespace.

It takes orders as JSON objects from a SOCK_SEQPACKET socket (its only argument), `{"id": N, "do": VERB, ...}`, and says
`{"id": N, "result": ...}`, `{"id": N, "error": {...}}`, and by itself `{"event": NAME, ...}`.  The first order is
`setup`.  When the socket closes, the UE ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import socket
import sys
from collections.abc import Callable
from logging.handlers import MemoryHandler
from typing import Any

from testbed.errors import TestbedError, UsageError
from testbed.ims.errors import SipError
from testbed.ue.connection import ImsConnection, Move
from testbed.ue.equipment import UserEquipment
from testbed.ue.handoff import Handoff
from testbed.ue.setup import MAX_ORDER, HandoffOrder, UeSetup

log = logging.getLogger(__name__)
MOST_KEPT = 1000  # lines of the log that wait to be written


class Agent:
    """Orders in, results and events out."""

    def __init__(self, control: socket.socket, quiet: Callable[[], None] = lambda: None) -> None:
        self._control, self._quiet = control, quiet
        self._ue: UserEquipment | None = None
        self._handoff: Handoff | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Until the controller closes its end."""
        asyncio.get_running_loop().add_reader(self._control, self._read)
        await self._over.wait()
        for task in self._tasks:
            task.cancel()
        if self._ue:
            await self._ue.stop()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                data = self._control.recv(MAX_ORDER)
            except ConnectionError:
                data = b""
            if not data:
                asyncio.get_running_loop().remove_reader(self._control)
                self._over.set()
                return
            task = asyncio.get_running_loop().create_task(self._obey(json.loads(data)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _obey(self, order: dict[str, Any]) -> None:
        number, verb = order.pop("id"), order.pop("do")
        try:
            result = await getattr(self, f"do_{verb.replace('-', '_')}")(**order)
        except TestbedError as error:
            fault = {"kind": type(error).__name__, "what": error.what, "where": error.where, "mend": error.mend}
            self._say_result(number, error=fault)
        except SipError as error:
            fault = {"kind": "ProductFailure", "what": error.what, "where": error.where, "mend": error.mend}
            self._say_result(number, error=fault)
        except Exception as bug:
            log.exception("order %s", verb)
            fault = {"kind": "RigError", "what": f"{verb}: {bug!r}", "where": "UE process", "mend": None}
            self._say_result(number, error=fault)
        else:
            self._say_result(number, result=result)

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the controller has gone; the next read says so
            self._control.send(json.dumps(message).encode())

    def _told(self, event: str, detail: dict[str, Any]) -> None:
        self._say({"event": event, **detail})

    def _say_result(self, number: int, **result: Any) -> None:
        self._say({"id": number, **result})
        self._quiet()

    @property
    def ue(self) -> UserEquipment:
        if self._ue is None:
            raise UsageError("the first order must be setup", where="UE process")
        return self._ue

    @property
    def handoff(self) -> Handoff:
        if self._handoff is None:
            raise UsageError("the first order must be setup", where="UE process")
        return self._handoff

    async def do_setup(self, setup: dict[str, Any]) -> None:
        self._ue = UserEquipment(UeSetup.from_json(setup), self._told)
        self._ue.start()
        self._handoff = Handoff(self._ue)

    async def do_attach(self, access: str) -> None:
        await self.ue.attach(access)

    async def do_detach(self, access: str) -> None:
        await self.ue.detach(access)

    async def do_register(self, access: str, move: str = "none") -> dict[str, Any]:
        return describe(await self.ue.register(access, Move(move)))

    async def do_refresh(self, access: str) -> dict[str, Any]:
        connection = self.ue.connection(access)
        await self.ue.registrar.refresh(connection)
        await self.ue.reg_events.refresh(connection)
        return describe(connection)

    async def do_deregister(self, access: str) -> None:
        connection = self.ue.connection(access)
        await self.ue.registrar.deregister(connection)
        self.ue.end_connection(connection)

    async def do_subscribe(self, access: str) -> None:
        await self.ue.reg_events.subscribe(self.ue.connection(access))

    async def do_call(self, access: str, to: str) -> dict[str, Any]:
        session = await self.ue.call(access, to)
        return {"call_id": session.call_id}

    async def do_hang_up(self) -> None:
        await self.ue.hang_up()

    async def do_arm(self, old: str, order: dict[str, Any]) -> None:
        self.handoff.arm(old, HandoffOrder(**order))

    async def do_wait_handoff(self) -> dict[str, Any]:
        return await self.handoff.wait()

    async def do_handoff(self, old: str, order: dict[str, Any]) -> dict[str, Any]:
        return await self.handoff.now(old, HandoffOrder(**order))

    async def do_mark(self, event: str, detail: dict[str, Any] | None = None) -> None:
        self.ue.markers.mark(event, **(detail or {}))

    async def do_state(self) -> dict[str, Any]:
        """Connections, sessions, associations, and what went wrong without stopping anything."""
        return {
            "connections": [describe(connection) for connection in self.ue.connections],
            "sessions": [
                {"call_id": s.call_id, "peer": s.peer, "over": s.connection.name, "ended": s.ended, "reason": s.reason}
                for s in self.ue.calls.sessions
            ],
            "associations": [dataclasses.asdict(sa) for sa in self.ue.connections[0].xfrm.associations()]
            if self.ue.connections
            else [],
            "alive": {  # what this process keeps: over many handoffs none of it may grow
                "connections": len(self.ue.connections),
                "sessions": len(self.ue.calls.sessions),
                "subscriptions": len(self.ue.reg_events),
                "transactions": self.ue.stack.transactions,
            },
            "garbage": self.ue.stack.garbage,
            "unprotected": self.ue.unprotected,
        }

    async def do_media(self) -> dict[str, Any]:
        return await self.ue.media.report()


def describe(connection: ImsConnection) -> dict[str, Any]:
    """A connection as the result of a run has it."""
    return {
        "access": connection.name,
        "address": connection.access.address,
        "pcscf": connection.access.pcscf,
        "state": connection.state.value,
        "contact": str(connection.contact.uri),
        "bindings": connection.bindings,
        "spi": connection.security.spis if connection.security else [],
        "service_route": [str(route) for route in connection.service_route],
        "expires_s": connection.expires_s,
    }


def main() -> None:
    written = logging.StreamHandler(sys.stderr)
    written.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", datefmt="%H:%M:%S"))
    # Lines wait for a quiet moment: each is a write to a disk, and some fall into a handoff.
    kept = MemoryHandler(MOST_KEPT, flushLevel=logging.WARNING, target=written)
    logging.basicConfig(handlers=[kept], level=logging.INFO)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.setblocking(False)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(Agent(control, kept.flush).run())


if __name__ == "__main__":
    main()
