"""The process of one UE: `python -m testbed.ue.agent FD`, in the UE's network namespace.

It takes orders as JSON objects from a SOCK_SEQPACKET socket (its only argument), `{"id": N, "do": VERB, ...}`, and says
`{"id": N, "result": ...}`, `{"id": N, "error": {...}}`, and by itself `{"event": NAME, ...}`.  The first order is
`setup`; all are in :mod:`testbed.ue.orders`.  When the socket closes, the UE ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Callable
from logging.handlers import MemoryHandler
from typing import Any

from testbed.errors import TestbedError
from testbed.ims.errors import SipError
from testbed.ue.answers import Refused, told
from testbed.ue.orders import Orders
from testbed.ue.retreat import HandoffFailed
from testbed.ue.setup import MAX_ORDER

log = logging.getLogger(__name__)
MOST_KEPT = 1000  # lines of the log that wait to be written


class Agent:
    """Orders in, results and events out."""

    def __init__(self, control: socket.socket, quiet: Callable[[], None] = lambda: None) -> None:
        self._control, self._quiet = control, quiet
        self._orders = Orders(self._told)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Until the controller closes its end."""
        asyncio.get_running_loop().add_reader(self._control, self._read)
        await self._over.wait()
        for task in self._tasks:
            task.cancel()
        await self._orders.stop()

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
        allow_refusal = order.pop("allow_refusal", False)
        try:
            result = await getattr(self._orders, f"do_{verb.replace('-', '_')}")(**order)
        except (TestbedError, SipError) as error:
            outcome = _allowed(error) if allow_refusal else None
            if outcome is not None:
                self._say_result(number, result=outcome)
            else:
                fault = {"kind": _kind(error), "what": error.what, "where": error.where, "mend": error.mend}
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


def _allowed(error: Exception) -> dict[str, Any] | None:
    """What an order that may be refused results in; None for what is no refusal."""
    if isinstance(error, Refused):
        return told(error.response)
    if isinstance(error, HandoffFailed):
        return {"step": error.step.value, "outcome": error.outcome.value, "why": error.why}
    return None


def _kind(error: Exception) -> str:
    """The kind that the controller knows: a UE's own errors are special cases of it."""
    if isinstance(error, SipError):
        return "ProductFailure"
    known = ("testbed.errors", "drivers.errors")
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ in known)


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
