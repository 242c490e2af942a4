"""Changes of a session that this UE makes: moved to another IMS connection, held, resumed, refreshed, ended.

All of them are re-INVITEs (RFC 3261 14) or UPDATEs (RFC 3311); one that is refused leaves the session as it was, on the
connection where it was.  The far end may move at the same time: both get a 491 and wait as 14.1 says; a 408 or 480 in
the middle of a move means that the far end was not yet where it will be, and the request is sent again.
"""

from __future__ import annotations

import asyncio
import logging

from testbed.errors import ProductFailure, TestbedError
from testbed.ims.errors import ParseError
from testbed.ims.message import Request, Response
from testbed.ims.sdp import Direction
from testbed.ims.transaction import ClientKey
from testbed.ue.answers import AccessLost, Refused
from testbed.ue.connection import ConnectionState, ImsConnection
from testbed.ue.requests import initial_route
from testbed.ue.session import Session
from testbed.ue.sessions import Sessions
from testbed.ue.transport import Flow

log = logging.getLogger(__name__)
TRIES = 5
GONE = (481, 604)  # the other end knows nothing of the session
NOT_THERE = (408, 480)  # nobody answered where the other end was
LOOK_AGAIN_S = 32.0  # a refresh that fell into a handoff


class Moving:
    """Requests of ours within sessions that are up."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        sessions.due = self._timer_due

    async def move(self, session: Session, connection: ImsConnection) -> None:
        """Move a session by re-INVITE over another connection.  Raises Refused, or ProductFailure without an answer."""
        async with session.busy:
            if session.connection is not connection and not session.ended:
                await self._change(session, connection, session.wish)

    async def stay(self, session: Session) -> None:
        """Say again where a session is: the other end may have taken a re-INVITE whose answer never reached us."""
        async with session.busy:
            if not session.ended:
                await self._change(session, session.connection, session.wish, insist=True)

    async def hold(self, session: Session, *, held: bool) -> None:
        """Put the other end on hold, or take it up again (RFC 3264 8.4)."""
        async with session.busy:
            wish = Direction.SENDONLY if held else Direction.SENDRECV
            await self._change(session, session.connection, wish)
            self._sessions.play(session)

    async def hang_up(self, session: Session, reason: str = "hung up") -> None:
        """End a session by BYE: over its connection, or over the newest one when that is no more."""
        if session.ended:
            return
        connection, dialog = session.connection, session.talk
        if not connection.usable:
            newest = self._sessions.newest()
            if newest is None:
                self._sessions.end(session, reason)
                return
            connection, dialog.route_set = newest, initial_route(newest)
        request = dialog.create_request("BYE", via=connection.via(protected=True))
        connection.protect(request)
        self._sessions.end(session, reason)
        try:
            session.answer = await self._sessions.stack.request(request, await connection.flow(protected=True))
        finally:
            self._sessions.left(session.connection)
        dialog.received_response(session.answer)
        if session.answer.status >= 300 and session.answer.status not in GONE:
            raise Refused(session.answer, "BYE was refused", where="SIP")

    # One change

    async def _change(
        self, session: Session, connection: ImsConnection, wish: Direction, *, insist: bool = False
    ) -> None:
        dialog = session.talk
        before = dialog.contact, dialog.route_set, session.wish
        moves = session.connection is not connection
        if moves:
            session.moving_to = connection
            dialog.route_set = initial_route(connection)
            if dialog.contact is None or session.connection.contact.uri.matches(dialog.contact.uri):
                dialog.contact = connection.contact  # a GRUU stays: it leads to where we are bound
        session.wish = wish
        try:
            response, request, key, flow = await self._ask_until_settled(session, connection, insist=insist or moves)
            if response.status >= 300:
                raise Refused(response, f"re-INVITE over {connection.name} was refused", where="SIP")
        except BaseException:
            dialog.contact, dialog.route_set, session.wish = before
            if moves and session.media_flow == self._sessions.flow_name(session, connection):
                session.media_flow = self._sessions.flow_name(session, session.connection)
            self._sessions.close_flow(session, connection)
            raise
        finally:
            session.moving_to = None
        session.connection, session.media_flow = connection, self._sessions.flow_name(session, connection)
        self._sessions.hear(session, response)  # before the ACK: every millisecond here is one of silence
        self._sessions.acknowledge(session, request, key, flow, connection)

    async def _ask_until_settled(
        self, session: Session, connection: ImsConnection, *, insist: bool
    ) -> tuple[Response, Request, ClientKey, Flow]:
        """Send the re-INVITE, again after 491, 422 and, for who insists, when nobody was there."""
        dialog = session.talk
        for _ in range(TRIES):
            description = self._sessions.offer(session, connection)
            headers = (*self._sessions.capabilities(), *session.timer.request_headers())
            request = dialog.create_request(
                "INVITE", via=connection.via(protected=True), headers=headers, body=description.encode()
            )
            connection.protect(request)
            flow = await connection.flow(protected=True)
            key, answered = self._sessions.stack.start(request, flow)
            try:
                response = await answered
            except BaseException:
                dialog.abandoned(request)
                self._sessions.stack.abandon(key)
                raise
            session.answer = response
            log.info("re-INVITE over %s: %s", connection.name, response.start_line)
            if response.status in NOT_THERE and insist:
                dialog.abandoned(request)
                continue
            dialog.received_response(response)
            if response.status in (*GONE, 408):
                self._sessions.end(session, f"{response.status} {response.reason}")
            elif response.status == 422:
                session.timer = session.timer.longer(response)
                continue
            elif response.status == 491:
                await asyncio.sleep(dialog.glare_delay(self._sessions.rng))  # RFC 3261 14.1: the standard's own time
                continue
            elif response.status < 300:
                session.description = description
                self._agreed(session, response)
            break
        return response, request, key, flow

    # Session timers (RFC 4028)

    async def _timer_due(self, session: Session) -> None:
        """Refresh the session, or end it when the other end should have and has not (10)."""
        if not session.timer.ours:
            await self._end(session, "the other end has not refreshed the session in time")
            return
        connection = session.connection
        try:
            await self._refresh(session)
        except AccessLost as lost:  # a handoff is under way, or another stream will be opened
            log.info("refresh of %s: %s", session.call_id, lost.what)
            self._sessions.wake(session, LOOK_AGAIN_S)
        except TestbedError as failed:
            status = failed.response.status if isinstance(failed, Refused) else None
            moved = session.connection is not connection or connection.state is not ConnectionState.ACTIVE
            if status not in (None, 408, *GONE) or moved:
                self._sessions.wake(session, LOOK_AGAIN_S)
            else:
                await self._end(session, f"its refresh failed: {failed}")

    async def _refresh(self, session: Session) -> None:
        """An UPDATE without an offer where the other end takes one, else a re-INVITE that changes nothing (7.4)."""
        async with session.busy:
            if session.ended:
                return
            connection = session.connection
            if "UPDATE" not in session.allowed:
                await self._change(session, connection, session.wish)
                return
            dialog = session.talk
            headers = (*session.timer.request_headers(), ("Supported", "timer"))
            request = dialog.create_request("UPDATE", via=connection.via(protected=True), headers=headers)
            connection.protect(request)
            response = await self._sessions.stack.request(request, await connection.flow(protected=True))
            dialog.received_response(response)
            if response.status >= 300:
                raise Refused(response, "UPDATE was refused", where="SIP")
            self._agreed(session, response)

    def _agreed(self, session: Session, response: Response) -> None:
        try:
            self._sessions.agree(session, session.timer.after_answer(response))
        except ParseError as wrong:
            log.warning("%s: %s", session.call_id, wrong)

    async def _end(self, session: Session, reason: str) -> None:
        try:
            await self.hang_up(session, reason)
        except ProductFailure as unanswered:
            log.info("%s: %s", session.call_id, unanswered)
