"""Calls that this UE makes (RFC 3261 13.2), cancels (9.1), or makes to take another one's place (RFC 3891)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from testbed.errors import ProductFailure, TestbedError
from testbed.ims.dialog import Dialog
from testbed.ims.errors import ParseError, PeerFault
from testbed.ims.message import Request, Response
from testbed.ims.replaces import Replaces
from testbed.ims.transaction import ClientKey
from testbed.ue.answers import Refused
from testbed.ue.connection import ImsConnection
from testbed.ue.requests import initial_request
from testbed.ue.session import Session
from testbed.ue.sessions import Sessions, methods
from testbed.ue.transport import Flow

log = logging.getLogger(__name__)
INTERVAL_TRIES = 2  # a 422 says what would do


class Outgoing:
    """INVITEs of ours outside a dialog."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def call(self, connection: ImsConnection, to: str, **how: Any) -> Session:
        """Call and wait.  Raises Refused, or ProductFailure when nobody answers."""
        return await self._conduct(self._begin(connection, to, **how))

    def dial(self, connection: ImsConnection, to: str, **how: Any) -> Session:
        """Call and go on: what becomes of it is told."""

        async def conduct() -> None:
            with contextlib.suppress(TestbedError):  # the session has ended with the reason
                await self._conduct(session)

        session = self._begin(connection, to, **how)
        self._sessions.soon(conduct())
        return session

    async def cancel(self, session: Session) -> None:
        """Give up a call that was not answered yet; when the answer crosses with that, the call is ended."""
        session.cancelled = True
        if isinstance(session.key, ClientKey):
            self._sessions.stack.cancel(session.key)
        await session.over.wait()

    async def replace(self, session: Session, connection: ImsConnection) -> Session:
        """Move a session by a new INVITE that takes its place at the other end (RFC 3891)."""
        header = ("Replaces", str(Replaces.of(session.talk)))
        moved = await self.call(
            connection, session.peer, impu=session.impu, extra=(header, ("Require", "replaces")), like=session
        )
        self._sessions.end(session, "replaced")
        return moved

    def _begin(
        self,
        connection: ImsConnection,
        to: str,
        *,
        impu: str | None = None,
        gruu: bool | str = False,
        extra: tuple[tuple[str, str], ...] = (),
        like: Session | None = None,
    ) -> Session:
        impu = impu or connection.config.subscription.impus[0]
        contact = connection.contact_of(impu, gruu=gruu)
        session = self._sessions.begin("", connection, to, impu, outgoing=True, like=like)
        session.description = self._sessions.offer(session, connection)
        session.media_flow = self._sessions.flow_name(session, connection)
        headers = (*self._sessions.capabilities(), *session.timer.request_headers(), *extra)
        body = session.description.encode()
        rng = self._sessions.rng
        request = initial_request(connection, "INVITE", to, rng, impu=impu, contact=contact, headers=headers, body=body)
        session.call_id = request.call_id
        session.request = request
        return session

    async def _conduct(self, session: Session) -> Session:
        """From the INVITE to its ACK, or to the reason why there is no call."""
        connection, what = session.connection, f"call to {session.peer} over {session.connection.name}"
        assert session.request is not None
        try:
            for _ in range(INTERVAL_TRIES):
                request = session.request
                key, flow, response = await self._ask(session, request)
                if response.status != 422:
                    break
                session.request = self._again(session, request, response)
        except (TestbedError, OSError, PeerFault) as failed:
            self._sessions.end(session, str(failed))
            raise
        session.answer = response
        if response.status >= 300:
            self._sessions.end(session, f"{response.status} {response.reason}")
            raise Refused(response, f"{what} was refused", where="SIP")
        self._up(session, request, key, flow, response)
        if session.cancelled:  # RFC 3261 15: the 200 crossed with our CANCEL
            await self._hang_up(session)
            raise ProductFailure("it was answered and cancelled at the same time", where=what)
        self._sessions.told("call-answered", {"call_id": session.call_id, "by": session.peer, "over": connection.name})
        return session

    async def _ask(self, session: Session, request: Request) -> tuple[ClientKey, Flow, Response]:
        flow = await session.connection.flow(protected=True)
        key, answered = self._sessions.stack.start(request, flow, lambda response: self._progress(session, response))
        session.key = key
        if session.cancelled:
            self._sessions.stack.cancel(key)
        return key, flow, await answered

    def _again(self, session: Session, request: Request, refusal: Response) -> Request:
        """The same call with the session interval that a 422 asks for (RFC 4028 7.3)."""
        session.timer = session.timer.longer(refusal)
        again = request.copy()
        again.headers.set("Via", session.connection.via(protected=True))
        again.headers.set("CSeq", f"{request.cseq.number + 1} INVITE")
        for name, value in session.timer.request_headers():
            again.headers.set(name, value)
        again.headers.set("Min-SE", refusal.headers.get("Min-SE") or "")
        return again

    def _progress(self, session: Session, response: Response) -> None:
        """A provisional response: with a tag it makes an early dialog (12.1.2)."""
        log.info("call: %s", response.start_line)
        if response.status == 100 or response.to.tag is None or session.request is None:
            return
        with contextlib.suppress(PeerFault):  # without a usable Contact there is no dialog, and the call goes on
            session.dialog = Dialog.uac(session.request, response)
        self._sessions.told("call-ringing", {"call_id": session.call_id, "status": response.status})

    def _up(self, session: Session, request: Request, key: ClientKey, flow: Flow, response: Response) -> None:
        try:
            session.dialog = Dialog.uac(request, response)
        except PeerFault as fault:
            self._sessions.end(session, fault.what)
            raise ProductFailure(fault.what, where=f"call to {session.peer}") from fault
        session.allowed = methods(response)
        try:
            self._sessions.hear(session, response)
        finally:
            self._sessions.acknowledge(session, request, key, flow, session.connection)
        with contextlib.suppress(ParseError):
            self._sessions.agree(session, session.timer.after_answer(response))

    async def _hang_up(self, session: Session) -> None:
        bye = session.talk.create_request("BYE", via=session.connection.via(protected=True))
        session.connection.protect(bye)
        self._sessions.end(session, "cancelled")
        with contextlib.suppress(ProductFailure, asyncio.TimeoutError):
            await self._sessions.stack.request(bye, await session.connection.flow(protected=True))
