"""The UE: its accesses, its IMS connections, its calls, and the requests that reach it."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

from drivers.protocols import AccessEvent
from testbed.errors import ProductFailure
from testbed.ims.aka import SoftwareSim
from testbed.ims.message import Request
from testbed.ims.timers import Timers
from testbed.ims.transaction import ServerKey
from testbed.ue.accesses import Accesses
from testbed.ue.calls import ALLOW, Calls
from testbed.ue.connection import ImsConnection, Move
from testbed.ue.connections import Connections
from testbed.ue.markers import Markers
from testbed.ue.media import Media
from testbed.ue.own_card import CardOrCopy
from testbed.ue.registration import Registrar, Wish
from testbed.ue.security import SecuritySet
from testbed.ue.setup import UeSetup
from testbed.ue.stack import SipStack
from testbed.ue.subscription import RegEvents
from testbed.ue.transport import Flow

log = logging.getLogger(__name__)
ABOUT_KEYS = "# SECRET: the keys of this run's security associations, for Wireshark's ESP preferences"
Told = Callable[[str, dict[str, Any]], None]


class UserEquipment:
    """One UE in one namespace.  `told(event, detail)` hears of what happens by itself."""

    def __init__(self, setup: UeSetup, told: Told) -> None:
        self.setup, self.told = setup, told
        self.rng = rng = random.Random(setup.config.seed)
        self.markers = Markers()
        self.media = Media(self._on_silence, seed=setup.config.seed)
        self.stack = SipStack(Timers.ims() if setup.radio_timers else Timers.rfc3261(), rng)
        self.stack.handler = self
        subscription = setup.config.subscription
        self.accesses = Accesses(setup, self._on_access_event)
        copy = SoftwareSim(subscription.k, subscription.opc, subscription.sqn)
        usim = CardOrCopy(self.accesses, setup.card, copy, told) if setup.card else copy
        self.registrar = Registrar(self.stack, usim, rng, self._on_keys)
        self.connections = Connections(setup, self.stack, self.registrar, self.markers, told, self._on_ended)
        self.calls = Calls(self.stack, self.media, rng, self._on_call, self._newest)
        self.reg_events = RegEvents(self.stack, rng, told, self.connections.on_reg_event, self._newest)
        self.on_access_event: Callable[[AccessEvent], None] | None = None
        self.on_media_silence: Callable[[float], None] | None = None
        self.unprotected = 0  # requests that reached us outside any SA and were not answered

    def start(self) -> None:
        """Open the devices and start the media process."""
        self.accesses.open()
        self.media.start()

    async def stop(self) -> None:
        """End everything; the network is not told."""
        self.connections.close()
        await self.media.stop()
        await self.accesses.close()
        self.markers.close()

    # Accesses and connections

    async def attach(self, access: str) -> None:
        """Get on an access network."""
        await self.accesses.attach(access)
        self.markers.mark("access-up", access=access)

    async def detach(self, access: str) -> None:
        """Leave an access network."""
        await self.accesses.detach(access)

    def has_carrier(self, access: str) -> bool:
        """Whether an access that we are on has a carrier."""
        return self.accesses.has_carrier(access)

    async def register(
        self,
        access: str,
        move: Move = Move.NONE,
        *,
        impu: str | None = None,
        drop: Sequence[str] | None = None,
        expires_s: int | None = None,
        changes: dict[str, str | None] | None = None,
        answer: bool = True,
        **how: Any,
    ) -> ImsConnection:
        """Make an IMS connection over an access that is up; the others lose what `move` takes from them.

        `drop` names the connections whose contacts are deregistered by the same REGISTER; with Move.EXPLICIT, all where
        none are named.
        """
        config = self.setup.config
        if drop is None and move is Move.EXPLICIT:
            drop = [each.name for each in self.connections.active]
        leaving = tuple(self.connections.find(name).contact for name in drop or ())
        expires = config.expires_s if expires_s is None else expires_s
        wish = Wish(impu or config.subscription.impus[0], move, leaving, expires, changes or {}, answer)
        return await self.connections.register(self.accesses.known(access), wish, **how)

    def leave(self, access: str) -> None:
        """End the connections over an access and close their media; the network is not told."""
        for connection in [each for each in self.connections.all if each.access.name == access]:
            self.connections.end(connection)

    def _newest(self) -> ImsConnection | None:
        return self.connections.newest

    def _on_ended(self, connection: ImsConnection) -> None:
        self.calls.sessions.close_flows(connection)
        self.reg_events.forget(connection)

    def _on_access_event(self, event: AccessEvent) -> None:
        self.told("access", {"access": event.access, "what": event.what, "detail": event.detail})
        if self.on_access_event:
            self.on_access_event(event)

    def _on_silence(self, after_ms: float) -> None:
        self.told("silence", {"after_ms": after_ms})
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

    def _on_call(self, event: str, detail: dict[str, Any]) -> None:
        self.markers.mark(event, **detail)
        self.told(event, detail)

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
            case "UPDATE":
                self.calls.theirs.on_update(key, request)
            case "BYE":
                self.calls.theirs.on_bye(key, request)
            case "NOTIFY":
                self.reg_events.on_notify(key, request)
            case method:
                response = request.response(200 if method == "OPTIONS" else 405)
                response.headers.add("Allow", ALLOW)
                self.stack.respond(key, response)

    def _on_invite(self, key: ServerKey, request: Request, flow: Flow) -> None:
        connection = self.connections.by_flow(flow.connection)
        if connection is None:
            self.stack.respond(key, request.response(480))
            return
        try:
            self.calls.theirs.on_invite(key, request, connection)
        except ProductFailure as fault:
            log.warning("INVITE: %s", fault)
            self.stack.respond(key, request.response(500))

    def on_ack(self, request: Request, flow: Flow) -> None:
        """The ACK of a 200 of ours: the transaction layer has stopped repeating it."""
        self.calls.theirs.on_ack(request)

    def on_cancel(self, key: ServerKey, request: Request) -> None:
        self.calls.theirs.on_cancel(key, request)

    def on_unanswered(self, key: ServerKey, request: Request) -> None:
        self.calls.theirs.on_unanswered(key)
