"""Single requests made by hand, for tests of what a core refuses (TS 33.203 7, TS 24.229 5.2): whatever comes back is
told, and the UE's own state is not touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping

from testbed.errors import UsageError
from testbed.ims.dialog import Dialog
from testbed.ims.errors import PeerFault
from testbed.ims.message import Request, Response
from testbed.ue.connection import ImsConnection
from testbed.ue.registration import Registrar, Wish
from testbed.ue.requests import falsify, initial_request
from testbed.ue.stack import SipStack
from testbed.ue.transport import Flow

PATIENCE_S = 5.0
FLOWS = "protected, open, to-protected-port or of:<access>"


class HandMade:
    """Builds a request for one connection and sends it by the flow that is wanted."""

    def __init__(self, stack: SipStack, registrar: Registrar, rng: random.Random) -> None:
        self._stack, self._registrar, self._rng = stack, registrar, rng

    async def send(
        self,
        connection: ImsConnection,
        method: str,
        to: str | None,
        flow: str,
        other: ImsConnection | None,
        changes: Mapping[str, str | None],
    ) -> Response | None:
        """The final response, or None when nobody answers in 5 s.

        `flow`: `protected` is the connection's own; `of:` that of `other`, with associations that are not this
        request's; `open` an unprotected port of ours, to the P-CSCF's unprotected one; `to-protected-port`, in the
        clear, to its protected one.
        """
        protected = flow == "protected" or flow.startswith("of:")
        request = self._build(connection, method, to, protected=protected)
        falsify(request, changes)
        if protected:
            return await self._ask(request, await (other or connection).flow(protected=True), other or connection)
        if flow not in ("open", "to-protected-port"):
            raise UsageError(f"flow {flow!r} is not known", where="request", mend=f"one of {FLOWS}")
        return await self._in_the_open(connection, request, to_protected=flow == "to-protected-port")

    def _build(self, connection: ImsConnection, method: str, to: str | None, *, protected: bool) -> Request:
        if method == "REGISTER":
            last, authorization = connection.last_register, connection.authorization
            wish = Wish(to or connection.config.subscription.impus[0], connection.move)
            request = self._registrar.build(connection, wish, protected=protected)
            connection.last_register, connection.authorization = last, authorization
            return request
        request = initial_request(connection, method, to or connection.config.subscription.impus[0], self._rng)
        if not protected:
            request.headers.set("Via", connection.via(protected=False))
        return request

    async def _in_the_open(self, connection: ImsConnection, request: Request, *, to_protected: bool) -> Response | None:
        """From a port of its own, so that no association and no policy of ours has a say."""
        security, access = connection.security, connection.access
        port = security.server.port_s if to_protected and security and security.server else access.pcscf_port
        transport = self._stack.transport(f"{connection.id} by hand", access.address)
        try:
            own = transport.bind("open")
            remote = (access.pcscf, port or 0)
            if connection.config.transport == "tcp":
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        flow = await transport.connect("open", 0, remote)
                except TimeoutError:
                    return None
            else:
                flow = transport.flow("open", own, remote)
            return await self._ask(request, flow, connection)
        finally:
            self._stack.access_lost(transport.connection)
            self._stack.detach(transport)
            transport.close()

    async def _ask(self, request: Request, flow: Flow, connection: ImsConnection) -> Response | None:
        key, answered = self._stack.start(request, flow)
        try:
            async with asyncio.timeout(PATIENCE_S):
                response = await answered
        except TimeoutError:
            self._stack.abandon(key)
            return None
        if request.method == "INVITE" and response.status < 300:
            with contextlib.suppress(PeerFault, TimeoutError):
                dialog = Dialog.uac(request, response)
                ack = dialog.create_ack(request, via=connection.via(protected=True))
                bye = dialog.create_request("BYE", via=connection.via(protected=True))
                for each in (ack, bye):
                    connection.protect(each)
                self._stack.acknowledge(key, ack, flow)
                async with asyncio.timeout(PATIENCE_S):
                    await self._stack.request(bye, flow)
        return response
