"""The UE's handle on its media process: RTP streams, one for each session, that survive changes of address."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from testbed.errors import RigError

REPORT_DEADLINE_S = 5.0


class Media:
    """Media of one UE.  `on_silence(after_ms)` is called when the watched silence has passed."""

    def __init__(self, on_silence: Callable[[float], None], *, seed: int | None = None) -> None:
        self._on_silence = on_silence
        self._seed = seed
        self._flows: dict[str, int] = {}  # name -> local port
        self._report: asyncio.Future[dict[str, Any]] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self) -> None:
        """Start the process; it inherits the network namespace and the journal's token of this one."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [sys.executable, "-m", "testbed.ue.media_process", str(theirs.fileno())]
        if self._seed is not None:
            argv.append(str(self._seed))
        with theirs:
            self._process = subprocess.Popen(argv, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._heard)

    def open(self, flow: str, address: str) -> int:
        """Bind a UDP socket for the flow to an even port of `address`; returns the port."""
        sock = _even_port(address)
        port: int = sock.getsockname()[1]
        self._tell({"do": "open", "flow": flow}, sock)
        sock.close()
        self._flows[flow] = port
        return port

    def port(self, flow: str) -> int | None:
        """The local port of an open flow."""
        return self._flows.get(flow)

    def send(self, flow: str, address: str, port: int, stream: int = 0) -> None:
        """Send a stream over `flow` from now on, sequence and timestamps going on."""
        self._tell({"do": "send", "flow": flow, "to": [address, port], "stream": stream})

    def pause(self, stream: int = 0) -> None:
        """Stop sending a stream; receiving goes on."""
        self._tell({"do": "pause", "stream": stream})

    def close_flow(self, flow: str) -> None:
        """Forget a flow."""
        if self._flows.pop(flow, None) is not None:
            self._tell({"do": "close", "flow": flow})

    def watch(self, silence_ms: float) -> None:
        """Call `on_silence` once nothing has arrived for `silence_ms`; 0 ends the watch."""
        self._tell({"do": "watch", "silence_ms": silence_ms})

    async def report(self) -> dict[str, Any]:
        """What was sent, refused and received, and how late the sender was (milliseconds)."""
        self._report = asyncio.get_running_loop().create_future()
        self._tell({"do": "report"})
        try:
            async with asyncio.timeout(REPORT_DEADLINE_S):
                return await self._report
        except TimeoutError as late:
            raise RigError(f"the media process did not report within {REPORT_DEADLINE_S:g} s", where="media") from late

    async def stop(self) -> None:
        """End the process."""
        if self._control is None or self._process is None:
            return
        with contextlib.suppress(OSError):
            self._control.send(json.dumps({"do": "quit"}).encode())
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        try:
            await asyncio.to_thread(self._process.wait, 2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, command: dict[str, Any], passed: socket.socket | None = None) -> None:
        if self._control is None:
            raise RigError("the media process is not running", where="media")
        try:
            data = json.dumps(command).encode()
            socket.send_fds(self._control, [data], [passed.fileno()] if passed else [])
        except OSError as broken:
            raise RigError(f"the media process is gone: {broken}", where="media") from broken

    def _heard(self) -> None:
        assert self._control is not None
        data = self._control.recv(65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self._control)
            return
        message = json.loads(data)
        if message["event"] == "silence":
            self._on_silence(message["after_ms"])
        elif self._report is not None and not self._report.done():
            self._report.set_result(message)


def _even_port(address: str) -> socket.socket:
    """A UDP socket on a free even port (RFC 3550 11 wants RTP on an even one)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(64):
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        sock.bind((address, 0))
        if sock.getsockname()[1] % 2 == 0:
            return sock
        sock.close()
    raise RigError(f"no free even port on {address}", where="media")
