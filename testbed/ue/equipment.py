"""The UE: its accesses, its IMS connections, its calls, and the requests that reach it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

from drivers.link.wired import WiredAccess
from drivers.link.xfrm import Xfrm
from drivers.protocols import AccessEvent
from testbed.errors import ProductFailure, TestbedError, UsageError
from testbed.ims.aka import SoftwareSim
from testbed.ims.headers import NameAddr
from testbed.ims.message import Request
from testbed.ims.timers import Timers
from testbed.ims.transaction import ServerKey
from testbed.ue.calls import ALLOW, Calls
from testbed.ue.config import AccessPoint
from testbed.ue.connection import ConnectionState, ImsConnection, Move
from testbed.ue.markers import Markers
from testbed.ue.media import Media
from testbed.ue.registration import Registrar
from testbed.ue.security import SecuritySet
from testbed.ue.session import Session
from testbed.ue.setup import AccessSetup, UeSetup
from testbed.ue.stack import SipStack
from testbed.ue.subscription import RegEvents
from testbed.ue.transport import Flow

log = logging.getLogger(__name__)
ABOUT_KEYS = "# SECRET: the keys of this run's security associations, for Wireshark's ESP preferences"
REFRESH_BEFORE_S = 600
Told = Callable[[str, dict[str, Any]], None]


class UserEquipment:
    """One UE in one namespace.  `told(event, detail)` hears of what happens by itself."""

    def __init__(self, setup: UeSetup, told: Told) -> None:
        self.setup, self._told = setup, told
        rng = random.Random(setup.config.seed)
        self.markers = Markers()
        self.media = Media(self._on_silence, seed=setup.config.seed)
        self.stack = SipStack(Timers.ims() if setup.radio_timers else Timers.rfc3261(), rng)
        self.stack.handler = self
        self.calls = Calls(self.stack, self.media, rng, self._on_call)
        self.reg_events = RegEvents(self.stack, rng, told)
        subscription = setup.config.subscription
        usim = SoftwareSim(subscription.k, subscription.opc, subscription.sqn)
        self.registrar = Registrar(self.stack, usim, rng, self._on_keys)
        self.connections: list[ImsConnection] = []
        self.on_access_event: Callable[[AccessEvent], None] | None = None
        self.on_media_silence: Callable[[float], None] | None = None
        self._xfrm = Xfrm()
        self._accesses: dict[str, WiredAccess] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.unprotected = 0  # requests that reached us outside any SA and were not answered

    def start(self) -> None:
        """Open the devices and start the media process."""
        for access in self.setup.accesses:
            wired = WiredAccess(access.name, access.device, access.table, access.addresses)
            wired.watch(self._on_access_event)
            self._accesses[access.name] = wired
        self.media.start()

    async def stop(self) -> None:
        """End everything; the network is not told."""
        for connection in self.connections:
            self._end(connection)
        await self.media.stop()
        for access in self._accesses.values():
            access.close()
        self._xfrm.close()
        self.markers.close()

    # Accesses and connections

    async def attach(self, access: str) -> None:
        """Get on an access network."""
        await self._access(access).attach()
        self.markers.mark("access-up", access=access)

    async def detach(self, access: str) -> None:
        """Leave an access network."""
        await self._access(access).detach()

    async def register(self, access: str, move: Move) -> ImsConnection:
        """Make an IMS connection over an access that is up; the others lose what `move` takes from them."""
        connection = self._open(self._setup(access))
        old = [each for each in self.connections if each is not connection and each.state is ConnectionState.ACTIVE]
        self.markers.mark("register-start", access=access, move=move.value)
        try:
            await self.registrar.register(connection, move, self._old_contacts(old, move))
        except BaseException:
            self._end(connection)
            raise
        self.markers.mark("registered", access=access)
        self._refresh_in_time(connection)
        if move is not Move.ADD:
            for each in old:
                self._bereave(each)
        return connection

    def _refresh_in_time(self, connection: ImsConnection) -> None:
        """Ask for a refresh 600 s before the registration ends, or at half of it if that is short (5.1.1.4.1)."""
        expires = connection.expires_s
        wait = expires - REFRESH_BEFORE_S if expires > 2 * REFRESH_BEFORE_S else expires / 2
        if connection.refresh_timer is not None:
            connection.refresh_timer.cancel()
        connection.refresh_timer = asyncio.get_running_loop().call_later(wait, self._refresh_soon, connection)

    def _refresh_soon(self, connection: ImsConnection) -> None:
        if connection.state is ConnectionState.ACTIVE:
            task = asyncio.get_running_loop().create_task(self.refresh(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def refresh(self, connection: ImsConnection) -> None:
        """Re-register, and renew the subscription that goes with the registration; what fails is told."""
        try:
            await self.registrar.refresh(connection)
            await self.reg_events.refresh(connection)
        except TestbedError as failed:
            log.error("refresh over %s: %s", connection.name, failed)
            self._told("refresh-failed", {"access": connection.name, "why": str(failed)})
            return
        self.markers.mark("refreshed", access=connection.name)
        self._told("refreshed", {"access": connection.name, "expires_s": connection.expires_s})
        self._refresh_in_time(connection)

    def connection(self, access: str) -> ImsConnection:
        """The connection over an access that is not ended.  Raises UsageError when there is none."""
        for connection in reversed(self.connections):
            if connection.name == access and connection.state is not ConnectionState.ENDED:
                return connection
        raise UsageError(f"no IMS connection over {access}", where=f"UE {self.setup.config.name}")

    def end_connection(self, connection: ImsConnection) -> None:
        """Terminate a connection at this end (figure 5: nothing left on it)."""
        self._end(connection)
        self.markers.mark("connection-ended", access=connection.name)

    def _open(self, access: AccessSetup) -> ImsConnection:
        address = access.address(self.setup.family)
        point = AccessPoint(access.name, address.address, address.pcscf, access.info)
        for former in self.connections:
            if former.name == access.name and former.state is not ConnectionState.ENDED:
                self._end(former)
        transport = self.stack.transport(access.name, address.address)
        connection = ImsConnection(point, self.setup.config, transport, self._xfrm)
        self.connections = [each for each in self.connections if each.name != access.name] + [connection]
        return connection

    @staticmethod
    def _old_contacts(old: Sequence[ImsConnection], move: Move) -> list[NameAddr]:
        return [each.contact for each in old] if move is Move.EXPLICIT else []

    def _bereave(self, connection: ImsConnection) -> None:
        """A connection lost its bindings: with sessions it is inactive, without any it is of no use."""
        connection.bereave(ConnectionState.INACTIVE)

    def _end(self, connection: ImsConnection) -> None:
        if connection.state is ConnectionState.ENDED:
            return
        self.reg_events.forget(connection)
        connection.end()
        self.stack.access_lost(connection.name)
        self.stack.detach(connection.transport)

    def _access(self, name: str) -> WiredAccess:
        self._setup(name)
        return self._accesses[name]

    def _setup(self, name: str) -> AccessSetup:
        for access in self.setup.accesses:
            if access.name == name:
                return access
        known = ", ".join(access.name for access in self.setup.accesses)
        raise UsageError(f"no access {name!r}", where=f"UE {self.setup.config.name}", mend=f"one of {known}")

    def _on_access_event(self, event: AccessEvent) -> None:
        self._told("access", {"access": event.access, "what": event.what})
        if self.on_access_event:
            self.on_access_event(event)

    def _on_silence(self, after_ms: float) -> None:
        self._told("silence", {"after_ms": after_ms})
        if self.on_media_silence:
            self.on_media_silence(after_ms)

    def _on_keys(self, security: SecuritySet) -> None:
        """Note the keys for whoever reads the captures: appended, and readable for the owner alone."""
        if self.setup.esp_sa is None:
            return
        descriptor = os.open(self.setup.esp_sa, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            about = [] if os.fstat(descriptor).st_size else [ABOUT_KEYS]
            stream.write("".join(line + "\n" for line in [*about, *security.esp_sa_lines()]))

    # Calls

    async def call(self, access: str, to: str) -> Session:
        """Call an identity over a connection."""
        session = await self.calls.call(self.connection(access), to)
        self.markers.mark("call-up", access=access)
        return session

    async def hang_up(self) -> None:
        """End all calls."""
        for session in self.calls.live:
            await self.calls.hang_up(session)
        self.markers.mark("call-end")

    def _on_call(self, event: str, detail: dict[str, Any]) -> None:
        self.markers.mark(event, **detail)
        self._told(event, detail)

    # Requests that reach us

    def on_request(self, key: ServerKey, request: Request, flow: Flow) -> None:
        """Route a request to whom it concerns.  Outside an SA only the P-CSCF's answers are expected (TS 33.203 7)."""
        if not flow.protected:
            self.unprotected += 1
            log.warning("%s from %s came unprotected and is not answered", request.method, flow.remote)
            return
        log.info("%s over %s", request.method, flow.connection)
        match request.method:
            case "INVITE":
                self._on_invite(key, request, flow)
            case "BYE":
                self.calls.on_bye(key, request)
            case "NOTIFY":
                self.reg_events.on_notify(key, request)
            case "OPTIONS":
                response = request.response(200)
                response.headers.add("Allow", ALLOW)
                self.stack.respond(key, response)
            case _:
                response = request.response(405)
                response.headers.add("Allow", ALLOW)
                self.stack.respond(key, response)

    def _on_invite(self, key: ServerKey, request: Request, flow: Flow) -> None:
        try:
            self.calls.on_invite(key, request, self.connection(flow.connection))
        except ProductFailure as fault:
            log.warning("INVITE: %s", fault)
            self.stack.respond(key, request.response(500))

    def on_ack(self, request: Request, flow: Flow) -> None:
        """The ACK of a 200 of ours: the transaction layer has stopped repeating it."""

    def on_cancel(self, key: ServerKey, request: Request) -> None:
        self.calls.on_cancel(key, request)
