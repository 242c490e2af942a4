"""The controller's handle on a UE process: orders as coroutines, events as calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from testbed.errors import DriverError, MeasurementInvalid, ProductFailure, RigError, TestbedError, UsageError
from testbed.ue.setup import MAX_ORDER, HandoffOrder, UeSetup

KINDS = {kind.__name__: kind for kind in (DriverError, MeasurementInvalid, ProductFailure, RigError, UsageError)}
ORDER_DEADLINE_S = 40.0  # longer than any procedure of a UE should take on a bench
QUIT_DEADLINE_S = 3.0


class Spawn(Protocol):
    """Starts a process in a host's namespace; it is journalled by whoever provides this."""

    def __call__(
        self, host: str, argv: Sequence[str], *, log: Path | None, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]: ...


class UeHandle:
    """One UE process.  `told(event)` hears of everything that the UE says by itself."""

    def __init__(self, name: str, log: Path, told: Callable[[dict[str, Any]], None]) -> None:
        self.name, self._log, self._told = name, log, told
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self, spawn: Spawn) -> None:
        """Start the process in the namespace of the host that bears the UE's name."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-m", "testbed.ue.agent", str(theirs.fileno())]
            self._process = spawn(self.name, argv, log=self._log, pass_fds=(theirs.fileno(),))
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._heard)

    @property
    def pid(self) -> int:
        """Of its process; 0 where it is not running."""
        return self._process.pid if self._process is not None else 0

    async def setup(self, setup: UeSetup) -> None:
        """Tell the UE who it is."""
        await self.order("setup", setup=setup.to_json())

    async def order(self, verb: str, *, deadline_s: float = ORDER_DEADLINE_S, **arguments: Any) -> Any:
        """Give an order and return its result.  Raises what the UE raised, or RigError when it does not answer."""
        if self._control is None:
            raise RigError("its process is not running", where=f"UE {self.name}", mend=f"see {self._log}")
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._control.send(json.dumps({"id": number, "do": verb, **arguments}).encode())
        except OSError:  # it has just ended; the future holds why
            self._lost()
        try:
            async with asyncio.timeout(deadline_s):
                return await future
        except TimeoutError as late:
            what = f"no answer to {verb!r} within {deadline_s:g} s"
            raise RigError(what, where=f"UE {self.name}", mend=f"see {self._log}") from late
        finally:
            self._waiting.pop(number, None)

    async def arm(self, old: str, order: HandoffOrder) -> None:
        await self.order("arm", old=old, order=asdict(order))

    async def handoff(self, old: str, order: HandoffOrder) -> dict[str, Any]:
        result: dict[str, Any] = await self.order("handoff", old=old, order=asdict(order))
        return result

    async def stop(self) -> None:
        """Let the process end; it is killed when it does not."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, QUIT_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
            self._process = None

    def _heard(self) -> None:
        assert self._control is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = self._control.recv(MAX_ORDER)
                except ConnectionError:
                    data = b""
                if not data:
                    self._lost()
                    return
                self._take(json.loads(data))

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._told({"ue": self.name, **message})
            return
        future = self._waiting.get(message["id"])
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(_error(message["error"]))
        else:
            future.set_result(message["result"])

    def _lost(self) -> None:
        """The process ended by itself: whoever waits for it learns of it with its last words."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        said = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        what = "its process ended by itself" + (f": {said[-1]}" if said else "")
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(RigError(what, where=f"UE {self.name}", mend=f"see {self._log}"))


def _error(fault: dict[str, Any]) -> TestbedError:
    return KINDS.get(fault["kind"], RigError)(fault["what"], where=fault["where"], mend=fault["mend"])
