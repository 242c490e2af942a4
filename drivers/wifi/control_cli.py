"""The control interface of a daemon on another machine: through hostapd_cli or wpa_cli there.

Each command is a process over there, some tens of milliseconds over SSH.  Events come from the same program, which runs
a script of ours for each (option -a).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from drivers.host.errors import CommandFailed, TimeUp
from drivers.protocols import Host
from drivers.wifi.control import ANSWER_S, check_ok, checked, said
from drivers.wifi.daemon import Daemon
from drivers.wifi.errors import DaemonGone, DaemonSilent

Program = Literal["hostapd_cli", "wpa_cli"]
MARK = "event: "
# It is called with the device and the event's words; what else the program prints is none.
ACTION = f"#!/bin/sh\nshift\nprintf '%s\\n' \"{MARK}$*\"\n"


class CliControl:
    """The interface of a daemon on `host`; `folder` holds its socket, which has the device's name."""

    def __init__(self, program: Program, host: Host, folder: str, device: str, where: str) -> None:
        self.where = where
        self._program, self._host, self._folder, self._device = program, host, folder, device
        self._action = f"{folder}.{device}.event"
        self._turn = asyncio.Lock()
        self._events: Daemon | None = None
        self._ending: asyncio.Task[None] | None = None
        self._on_event: Callable[[str], None] | None = None

    async def open(self) -> None:
        await self.request("PING")
        await asyncio.to_thread(self._host.write, self._action, ACTION.encode(), mode=0o755)
        argv = [*self._argv(), "-a", self._action]
        self._events = Daemon(self._host, argv, f"events of {self.where}", on_line=self._heard)
        # It says nothing once it listens: it is taken at its word that it runs.
        await self._events.start(lambda: True, ANSWER_S, "start")

    def watch(self, on_event: Callable[[str], None]) -> None:
        self._on_event = on_event

    async def request(self, command: str, *, timeout_s: float = ANSWER_S) -> str:
        async with self._turn:
            argv = [*self._argv(), "raw", command]
            try:
                answer = await asyncio.to_thread(self._host.run, argv, timeout_s=timeout_s)
            except CommandFailed as failed:
                what = f"is not there to take {said(command)}: {failed.completed.stderr.strip() or 'no socket'}"
                raise DaemonGone(what, where=self.where, mend="look at its log, and start it again") from failed
            except TimeUp as silent:
                raise DaemonSilent(f"no answer to {said(command)} within {timeout_s:g} s", where=self.where) from silent
        return checked(answer, command, self.where)

    async def order(self, command: str, *, timeout_s: float = ANSWER_S) -> None:
        check_ok(await self.request(command, timeout_s=timeout_s), command, self.where)

    def close(self) -> None:
        if self._events:
            self._ending = asyncio.ensure_future(self._end(self._events))
            self._events = None

    async def closed(self) -> None:
        """Wait until nothing of ours is left over there."""
        if self._ending:
            await self._ending

    async def _end(self, events: Daemon) -> None:
        await events.end()
        await asyncio.to_thread(self._host.remove, self._action)

    def _argv(self) -> list[str]:
        return [self._program, "-p", self._folder, "-i", self._device]

    def _heard(self, line: str) -> None:
        if self._on_event and line.startswith(MARK):
            self._on_event(line.removeprefix(MARK))
