"""Calls of one UE: made, answered, moved to another IMS connection, ended (RFC 3261 13-15, RFC 3264, RFC 3891).

The party that did not move learns of it by the re-INVITE or the INVITE with Replaces: it sends its media to the new
address as soon as it has that request, and answers.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from testbed.errors import ProductFailure
from testbed.ims import sdp
from testbed.ims.dialog import Dialog
from testbed.ims.errors import ParseError, PeerFault
from testbed.ims.headers import Headers
from testbed.ims.message import Request, Response
from testbed.ims.replaces import Replaces
from testbed.ims.transaction import ServerKey
from testbed.ue.connection import ImsConnection
from testbed.ue.media import Media
from testbed.ue.session import Session, destination, initial_route, offer, open_media
from testbed.ue.stack import SipStack
from testbed.ue.transport import Flow

log = logging.getLogger(__name__)
ALLOW = "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, NOTIFY"
GLARE_TRIES = 4


class Calls:
    """`told(event, detail)` hears of calls that come, move and end."""

    def __init__(
        self, stack: SipStack, media: Media, rng: random.Random, told: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._stack, self._media, self._rng, self._told = stack, media, rng, told
        self.sessions: list[Session] = []

    @property
    def live(self) -> list[Session]:
        """The sessions that are up."""
        return [session for session in self.sessions if not session.ended]

    # Ours

    async def call(self, connection: ImsConnection, to: str) -> Session:
        """Call an identity; returns when it has answered.  Raises ProductFailure when it does not."""
        return await self._invite(connection, to, ())

    async def replace(self, session: Session, connection: ImsConnection) -> Session:
        """Move a session by a new INVITE that takes its place at the other end (RFC 3891)."""
        header = ("Replaces", str(Replaces.of(session.dialog)))
        moved = await self._invite(connection, session.peer, (header, ("Require", "replaces")))
        self._end(session, "replaced")
        return moved

    async def move(self, session: Session, connection: ImsConnection) -> None:
        """Move a session by re-INVITE over another connection.  Raises ProductFailure when that is refused."""
        name = connection.name
        description = offer(self._media, connection, name, 0).after(session.description)
        dialog = session.dialog
        dialog.contact = connection.contact
        dialog.route_set = initial_route(connection)
        for _ in range(GLARE_TRIES):
            request = dialog.create_request(
                "INVITE",
                via=connection.via(protected=True),
                headers=self._capabilities(connection),
                body=description.encode(),
            )
            connection.protect(request)
            flow = await connection.flow(protected=True)
            key, answered = self._stack.start(request, flow)
            response = await answered
            dialog.received_response(response)
            if response.status != 491:
                break
            await asyncio.sleep(dialog.glare_delay(self._rng))  # RFC 3261 14.1: the time is the standard's own
        if response.status >= 300:
            raise _refused(response, f"re-INVITE over {name}")
        session.description = description
        session.connection, session.media_flow = connection, name
        self._send_media(session, response)  # before the ACK: every millisecond here is one of silence
        self._acknowledge(dialog, request, key, flow, connection)

    async def hang_up(self, session: Session) -> None:
        """End a session by BYE over its connection."""
        if session.ended:
            return
        request = session.dialog.create_request("BYE", via=session.connection.via(protected=True))
        session.connection.protect(request)
        self._end(session, "hung up")
        response = await self._stack.request(request, await session.connection.flow(protected=True))
        session.dialog.received_response(response)
        if response.status >= 300 and response.status != 481:
            raise _refused(response, "BYE")

    def drop(self, session: Session, reason: str) -> None:
        """Forget a session whose network has given it up: there is nobody to send a BYE to."""
        self._end(session, reason)

    async def _invite(self, connection: ImsConnection, to: str, extra: tuple[tuple[str, str], ...]) -> Session:
        description = offer(self._media, connection, connection.name, self._rng.getrandbits(31))
        request = self._initial(connection, to, extra, description.encode())
        flow = await connection.flow(protected=True)
        key, answered = self._stack.start(request, flow, lambda response: log.info("call: %s", response.start_line))
        response = await answered
        if response.status >= 300:
            raise _refused(response, f"call to {to} over {connection.name}")
        try:
            dialog = Dialog.uac(request, response)
        except PeerFault as fault:
            raise ProductFailure(fault.what, where=f"call to {to}") from fault
        session = Session(dialog, connection, to, description, connection.name)
        self.sessions.append(session)
        try:
            self._send_media(session, response)
        finally:
            self._acknowledge(dialog, request, key, flow, connection)
        return session

    def _initial(self, connection: ImsConnection, to: str, extra: tuple[tuple[str, str], ...], body: bytes) -> Request:
        impu = connection.config.subscription.impus[0]
        headers = Headers([("Via", connection.via(protected=True)), ("Max-Forwards", "70")])
        for route in initial_route(connection):
            headers.add("Route", str(route))
        headers.add("From", f"<{impu}>;tag={self._rng.getrandbits(32):08x}")
        headers.add("To", f"<{to}>")
        headers.add("Call-ID", f"{self._rng.getrandbits(64):016x}@{connection.host}")
        headers.add("CSeq", f"{self._rng.getrandbits(15)} INVITE")
        headers.add("Contact", str(connection.contact))
        headers.add("P-Preferred-Identity", f"<{impu}>")
        for name, value in (*self._capabilities(connection), *extra):
            headers.add(name, value)
        request = Request("INVITE", to, headers, body)
        connection.protect(request)
        return request

    @staticmethod
    def _capabilities(connection: ImsConnection) -> tuple[tuple[str, str], ...]:
        return ("Allow", ALLOW), ("Supported", "replaces, gruu"), ("Content-Type", sdp.CONTENT_TYPE)

    def _acknowledge(self, dialog: Dialog, invite: Request, key: Any, flow: Flow, connection: ImsConnection) -> None:
        ack = dialog.create_ack(invite, via=connection.via(protected=True))
        connection.protect(ack)
        self._stack.acknowledge(key, ack, flow)

    def _send_media(self, session: Session, message: Request | Response) -> None:
        remote = destination(message)
        if remote is None:
            raise ProductFailure("the other end's answer names no usable media", where=f"call {session.call_id}")
        session.remote = remote
        self._media.send(session.media_flow, *remote)

    def _end(self, session: Session, reason: str) -> None:
        if session.ended:
            return
        session.ended, session.reason = True, reason
        if not any(other.media_flow == session.media_flow for other in self.live):
            self._media.close_flow(session.media_flow)
        self._told("call-ended", {"call_id": session.call_id, "reason": reason})

    # Theirs

    def on_invite(self, key: ServerKey, request: Request, connection: ImsConnection) -> None:
        """An INVITE: a new call, one that replaces another, or a change of one that is up.  Answered at once."""
        if request.to.tag is not None:
            self._on_reinvite(key, request)
            return
        replaced: Session | None = None
        if (header := request.headers.get("Replaces")) is not None:
            replaced, refusal = self._replaced(header)
            if refusal is not None:
                self._stack.respond(key, request.response(*refusal, self._tag()))
                return
        self._answer(key, request, connection, replaced)

    def _replaced(self, header: str) -> tuple[Session | None, tuple[int, str] | None]:
        try:
            wanted = Replaces.parse(header)
        except ParseError as wrong:
            return None, (wrong.status, wrong.reason)
        dialog = wanted.find(session.dialog for session in self.sessions)
        session = next((session for session in self.sessions if session.dialog is dialog), None)
        return session, wanted.refusal(dialog)

    def _answer(self, key: ServerKey, request: Request, connection: ImsConnection, replaced: Session | None) -> None:
        name = connection.name
        remote = destination(request)
        if remote is None:
            self._stack.respond(key, request.response(488, None, self._tag()))
            return
        offered = sdp.SessionDescription.parse(request.body)
        port = open_media(self._media, connection, name)
        description = sdp.answer(offered, connection.access.address, port, session_id=self._rng.getrandbits(31))
        response = request.response(200, "OK", self._tag())
        response.headers.add("Contact", str(connection.contact))
        for header in self._capabilities(connection):
            response.headers.add(*header)
        response.body = description.encode()
        session = Session(
            Dialog.uas(request, response), connection, str(request.from_.uri), description, name, remote=remote
        )
        self.sessions.append(session)
        self._media.send(name, *remote)
        self._stack.respond(key, response)
        self._told("call-answered", {"call_id": session.call_id, "from": session.peer})
        if replaced is not None:
            asyncio.get_running_loop().create_task(self._end_replaced(replaced))

    async def _end_replaced(self, session: Session) -> None:
        """RFC 3891 3: the session that was replaced is ended with a BYE; its other end may be gone already."""
        try:
            await self.hang_up(session)
        except ProductFailure as unanswered:
            log.info("the replaced session: %s", unanswered)

    def _on_reinvite(self, key: ServerKey, request: Request) -> None:
        session = self._session(request)
        if session is None:
            self._stack.respond(key, request.response(481))
            return
        refusal = session.dialog.received_request(request)
        if refusal is not None:
            response = session.dialog.create_response(request, *refusal)
            if refusal[0] == 500:
                response.headers.add("Retry-After", str(Dialog.retry_after(self._rng)))
            self._stack.respond(key, response)
            return
        remote = destination(request)
        if request.body and remote is None:
            self._stack.respond(key, session.dialog.create_response(request, 488))
            return
        if remote is not None:
            session.remote = remote
            self._media.send(session.media_flow, *remote)
        self._stack.respond(key, self._accept(session, request))
        self._told("call-moved", {"call_id": session.call_id, "remote": list(session.remote or ())})

    def _accept(self, session: Session, request: Request) -> Response:
        """The 200 with our answer; to an INVITE without an offer our last description, again as an offer."""
        if request.body:
            port = open_media(self._media, session.connection, session.media_flow)
            address = session.connection.access.address
            answered = sdp.answer(sdp.SessionDescription.parse(request.body), address, port)
            session.description = answered.after(session.description)
        headers = self._capabilities(session.connection)
        return session.dialog.create_response(request, 200, headers=headers, body=session.description.encode())

    def on_bye(self, key: ServerKey, request: Request) -> None:
        """The other end, or the S-CSCF on its behalf, ends a session."""
        session = self._session(request)
        if session is None:
            self._stack.respond(key, request.response(481))
            return
        refusal = session.dialog.received_request(request)
        self._stack.respond(key, session.dialog.create_response(request, *(refusal or (200, "OK"))))
        if refusal is None:
            reason = request.headers.get("Reason") or "the other end hung up"
            self._end(session, reason)

    def on_cancel(self, key: ServerKey, request: Request) -> None:
        """An INVITE was cancelled before it was answered; we answer at once, so this is rare."""
        self._stack.respond(key, request.response(487, None, self._tag()))

    def _session(self, request: Request) -> Session | None:
        return next(
            (
                session
                for session in self.sessions
                if session.call_id == request.call_id
                and session.dialog.local_tag == request.to.tag
                and session.dialog.remote_tag == request.from_.tag
            ),
            None,
        )

    def _tag(self) -> str:
        return f"{self._rng.getrandbits(32):08x}"


def _refused(response: Response, what: str) -> ProductFailure:
    return ProductFailure(f"{what} was refused: {response.status} {response.reason}", where="SIP")
