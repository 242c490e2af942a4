"""Calls that reach this UE, and what the other end does within those that are up (RFC 3261 13.3, 14.2, 15; RFC 3891).

A call is answered over the connection that it came by, as long as that lives: a response goes where its request came
from (RFC 3261 18.2.2), so one that rang over an access that is gone cannot be answered at all, and ends here; its
caller learns of it by the network's own timers.  Once a call is up on a connection that the UE has left, it is moved to
where the UE is now.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum

from testbed.errors import TestbedError, UsageError
from testbed.ims import session_timer
from testbed.ims.dialog import Dialog
from testbed.ims.errors import ParseError, PeerFault
from testbed.ims.message import Request, Response
from testbed.ims.replaces import Replaces
from testbed.ims.transaction import ServerKey
from testbed.ue.connection import ConnectionState, ImsConnection
from testbed.ue.session import Session, described
from testbed.ue.sessions import Headers, Sessions, methods

log = logging.getLogger(__name__)


class Answering(StrEnum):
    """What the UE does with a new call."""

    AT_ONCE = "at-once"
    RING = "ring"
    BUSY = "busy"


class Incoming:
    """Requests of the other end.  `move` and `hang_up` are our own procedures."""

    def __init__(
        self,
        sessions: Sessions,
        move: Callable[[Session, ImsConnection], Awaitable[None]],
        hang_up: Callable[[Session, str], Awaitable[None]],
    ) -> None:
        self._sessions, self._move, self._hang_up = sessions, move, hang_up
        self.answering = Answering.AT_ONCE

    # New calls

    def on_invite(self, key: ServerKey, request: Request, connection: ImsConnection) -> None:
        """An INVITE: a new call, one that replaces another, or a change of one that is up."""
        if self._too_brief(key, request):
            return
        if request.to.tag is not None:
            self._on_change(key, request)
            return
        replaced, refusal = self._replaced(request)
        refusal = refusal or self._merged(request)
        if refusal is None and self.answering is Answering.BUSY and replaced is None:
            refusal = 486, "Busy Here"
        if refusal is not None:
            self._refuse(key, request, refusal)
            return
        like = replaced if replaced and replaced.confirmed else None
        session = self._sessions.begin(
            request.call_id, connection, str(request.from_.uri), _called(request, connection), outgoing=False, like=like
        )
        session.key, session.request, session.allowed = key, request, methods(request)
        self._sessions.told(
            "call-incoming", {"call_id": session.call_id, "from": session.peer, "over": connection.name}
        )
        if self.answering is Answering.RING and replaced is None:
            self._ring(session, key, request)
        else:
            self._answer(session, key, request, replaced)

    def answer(self, call_id: str | None = None) -> Session:
        """Answer a call that rings.  Raises UsageError when none does."""
        for session in self._sessions.live:
            if session.outgoing or session.confirmed or (call_id and session.call_id != call_id):
                continue
            assert isinstance(session.key, ServerKey) and session.request is not None
            self._answer(session, session.key, session.request, None)
            return session
        raise UsageError(f"no call rings{f' with Call-ID {call_id}' if call_id else ''}", where="UE")

    def decline(self, session: Session) -> None:
        """Refuse a call that rings."""
        if isinstance(session.key, ServerKey) and session.request is not None:
            self._refuse(session.key, session.request, (603, "Decline"))
        self._sessions.end(session, "declined")

    def _replaced(self, request: Request) -> tuple[Session | None, tuple[int, str] | None]:
        header = request.headers.get("Replaces")
        if header is None:
            return None, None
        try:
            wanted = Replaces.parse(header)
        except ParseError as wrong:
            return None, (wrong.status, wrong.reason)
        dialog = wanted.find(session.dialog for session in self._sessions.all if session.dialog)
        session = next((each for each in self._sessions.all if dialog and each.dialog is dialog), None)
        return session, wanted.refusal(dialog)

    def _merged(self, request: Request) -> tuple[int, str] | None:
        """The same INVITE by a second path (8.2.2.2).

        The network tries a UE that has moved where it is registered now.  What came over the connection that the UE has
        left then comes to nothing: the call is taken here.
        """
        for session in self._sessions.live:
            if session.outgoing or session.call_id != request.call_id or session.request is None:
                continue
            if session.request.from_.tag != request.from_.tag or session.request.cseq != request.cseq:
                continue
            left = session.connection.state is not ConnectionState.ACTIVE
            if left and (not session.confirmed or not session.acknowledged):
                self._sessions.end(session, "it came again over another connection")
            else:
                return 482, "Loop Detected"
        return None

    def _ring(self, session: Session, key: ServerKey, request: Request) -> None:
        response = request.response(180, None, self._tag())
        response.headers.add("Contact", str(session.connection.contact))
        try:
            session.dialog = Dialog.uas(request, response)
        except PeerFault as fault:
            self._sessions.end(session, fault.what)
            self._refuse(key, request, (400, "Bad Request"))
            return
        self._sessions.stack.respond(key, response)

    def _answer(self, session: Session, key: ServerKey, request: Request, replaced: Session | None) -> None:
        connection = session.connection
        session.media_flow = self._sessions.flow_name(session, connection)
        offered = described(request)
        try:
            timer, headers = session_timer.answer(request)
            if request.body and offered is None:
                raise ParseError("a description that cannot be read", where="SDP", status=488)
            description = (
                self._sessions.answer(session, offered, connection)
                if offered
                else self._sessions.offer(session, connection)
            )
            response = request.response(200, "OK", session.dialog.local_tag if session.dialog else self._tag())
            response.headers.add("Contact", str(connection.contact))
            for header in (*self._sessions.capabilities(), *headers):
                response.headers.add(*header)
            response.body = description.encode()
            self._confirm(session, request, response)
        except PeerFault as fault:
            self._refuse(key, request, (fault.status if isinstance(fault, ParseError) else 400, fault.what))
            self._sessions.end(session, fault.what)
            return
        session.description, session.acknowledged = description, False
        self._sessions.hear(session, request)
        self._sessions.stack.respond(key, response)
        self._sessions.agree(session, timer)
        detail = {"call_id": session.call_id, "from": session.peer, "over": connection.name}
        self._sessions.told("call-answered", detail)
        if replaced is not None:
            self._sessions.soon(self._end_replaced(replaced))

    @staticmethod
    def _confirm(session: Session, request: Request, response: Response) -> None:
        if session.dialog is None:
            session.dialog = Dialog.uas(request, response)
        else:
            session.dialog.sent_response(request, response)

    async def _end_replaced(self, session: Session) -> None:
        """RFC 3891 3: the session that was replaced is ended with a BYE; its other end may be gone already."""
        with contextlib.suppress(TestbedError):
            await self._hang_up(session, "replaced")

    # Within calls

    def on_ack(self, request: Request) -> None:
        """A 2xx of ours has arrived; the ACK may hold the answer to an offer of ours (RFC 3264 4)."""
        session = self._sessions.of(request)
        if session is None or session.ended:
            return
        session.acknowledged = True
        if request.body:
            self._sessions.hear(session, request)
        newest = self._sessions.newest()
        if session.connection.state is not ConnectionState.ACTIVE and newest is not None:
            self._sessions.soon(self._follow(session, newest))

    async def _follow(self, session: Session, connection: ImsConnection) -> None:
        """It was answered over a connection that the UE has left meanwhile."""
        try:
            await self._move(session, connection)
        except TestbedError as failed:
            log.warning("%s stays on %s: %s", session.call_id, session.connection.name, failed)

    def on_update(self, key: ServerKey, request: Request) -> None:
        """UPDATE (RFC 3311): a refresh of the session timer, or an offer."""
        if not self._too_brief(key, request):
            self._on_change(key, request)

    def on_bye(self, key: ServerKey, request: Request) -> None:
        """The other end, or the S-CSCF on its behalf, ends a session."""
        session = self._sessions.of(request)
        if session is None:
            self._refuse(key, request, (481, "Call/Transaction Does Not Exist"))
            return
        if session.ended:  # both ended it; whoever says so is right
            self._sessions.stack.respond(key, request.response(200))
            return
        refusal = session.talk.received_request(request)
        self._sessions.stack.respond(key, session.talk.create_response(request, *(refusal or (200, "OK"))))
        if refusal is None:
            reason = request.headers.get("Reason") or "the other end hung up"
            session.released = reason.upper().startswith("SIP")  # RFC 3326: a SIP status; who hangs up has none
            self._sessions.end(session, reason)
            self._sessions.left(session.connection)

    def on_cancel(self, key: ServerKey, request: Request) -> None:
        """An INVITE was cancelled before it was answered (9.2)."""
        session = next((each for each in self._sessions.live if each.key == key), None)
        tag = session.dialog.local_tag if session and session.dialog else self._tag()
        self._sessions.stack.respond(key, request.response(487, None, tag))
        if session is not None:
            self._sessions.end(session, request.headers.get("Reason") or "the caller gave up")

    def on_unanswered(self, key: ServerKey) -> None:
        """The access went while a call rang, or nobody acknowledged our 200 (13.3.1.4)."""
        session = next((each for each in self._sessions.live if each.key == key), None)
        if session is None:
            return
        if not session.confirmed:
            self._sessions.end(session, "its access went while it rang")
        elif not session.acknowledged:
            self._sessions.soon(self._end_replaced(session))

    def _on_change(self, key: ServerKey, request: Request) -> None:
        session = self._sessions.of(request)
        if session is None or session.ended:
            self._refuse(key, request, (481, "Call/Transaction Does Not Exist"))
            return
        dialog = session.talk
        refusal = dialog.received_request(request)
        try:
            response = dialog.create_response(request, *refusal) if refusal else self._accept(session, request)
        except ParseError as fault:
            response = dialog.create_response(request, fault.status)
        if response.status == 500:
            response.headers.add("Retry-After", str(Dialog.retry_after(self._sessions.rng)))
        self._sessions.stack.respond(key, response)
        if response.status == 200 and request.body:
            self._sessions.told("call-moved", {"call_id": session.call_id, "remote": list(session.remote or ())})

    def _accept(self, session: Session, request: Request) -> Response:
        """The 200 with our answer; to an INVITE without an offer our last description, again as an offer.

        While our own move is under way the answer says already where we are: both parties may move at the same time.
        """
        timer, headers = session_timer.answer(request)
        connection = session.moving_to or session.connection
        if request.body:
            offered = described(request)
            if offered is None:
                raise ParseError("a description that cannot be read", where="SDP", status=488)
            session.description = self._sessions.answer(session, offered, connection)
            session.media_flow = self._sessions.flow_name(session, connection)
            if not self._sessions.hear(session, request):
                raise ParseError("a description that cannot be used", where="SDP", status=488)
        spoken = bool(request.body) or request.method == "INVITE"
        capabilities: Headers = self._sessions.capabilities() if spoken else ()
        body = session.description.encode() if session.description and spoken else b""
        response = session.talk.create_response(request, 200, headers=(*capabilities, *headers), body=body)
        self._sessions.agree(session, timer)
        return response

    # Answers

    def _too_brief(self, key: ServerKey, request: Request) -> bool:
        """Refuse a session interval that is shorter than we bear (RFC 4028 9), or that cannot be read."""
        try:
            if not session_timer.too_brief(request):
                return False
            response = request.response(422, None, self._tag())
            response.headers.add("Min-SE", str(session_timer.MIN_SE_S))
        except ParseError as wrong:
            response = request.response(wrong.status, None, self._tag())
        self._sessions.stack.respond(key, response)
        return True

    def _refuse(self, key: ServerKey, request: Request, refusal: tuple[int, str]) -> None:
        self._sessions.stack.respond(key, request.response(*refusal, self._tag()))

    def _tag(self) -> str:
        return f"{self._sessions.rng.getrandbits(32):08x}"


def _called(request: Request, connection: ImsConnection) -> str:
    """Which of our identities was called: what P-Called-Party-ID says (TS 24.229 5.4.3.3), else the To."""
    called = request.headers.get("P-Called-Party-ID")
    own = connection.config.subscription.impus
    uri = called.strip().strip("<>") if called else str(request.to.uri)
    return uri if uri in own else own[0]
