"""The sessions of one UE as a table: their media, their timers, their end.

What makes and changes them lies in :mod:`outgoing`, :mod:`incoming` and :mod:`moving`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from testbed.ims import sdp
from testbed.ims.dialog import Dialog
from testbed.ims.message import Request, Response
from testbed.ims.sdp import Direction, SessionDescription
from testbed.ims.session_timer import SessionTimer
from testbed.ue.connection import ConnectionState, ImsConnection
from testbed.ue.media import Media
from testbed.ue.session import Session, described, destination
from testbed.ue.stack import SipStack
from testbed.ue.transport import Flow

ALLOW = "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, NOTIFY"
SUPPORTED = "replaces, gruu, timer"
REMEMBERED = 20  # sessions that are over
VACANT_S = 8.0  # the S-CSCF of this testbed gives its P-CSCF 7 s to get a BYE across, and then ends the connection too
Headers = tuple[tuple[str, str], ...]


class Sessions:
    """`told(event, detail)` hears of calls that come, move and end; `newest()` is where the UE has moved to."""

    def __init__(
        self,
        stack: SipStack,
        media: Media,
        rng: random.Random,
        told: Callable[[str, dict[str, Any]], None],
        newest: Callable[[], ImsConnection | None],
    ) -> None:
        self.stack, self.media, self.rng, self.told, self.newest = stack, media, rng, told, newest
        self.all: list[Session] = []
        self.due: Callable[[Session], Coroutine[Any, Any, None]] | None = None  # a session timer's time has come
        self._tasks: set[asyncio.Task[Any]] = set()

    # Which there are

    @property
    def live(self) -> list[Session]:
        """Those that are not over, ringing ones too."""
        return [session for session in self.all if not session.ended]

    def find(self, call_id: str) -> Session | None:
        """The newest session of this Call-ID."""
        return next((session for session in reversed(self.all) if session.call_id == call_id), None)

    def of(self, request: Request) -> Session | None:
        """The session that a request within a dialog belongs to."""
        tags = request.to.tag, request.from_.tag

        def fits(dialog: Dialog | None) -> bool:
            return dialog is not None and (dialog.local_tag, dialog.remote_tag) == tags

        return next((each for each in self.all if each.call_id == request.call_id and fits(each.dialog)), None)

    def begin(
        self, call_id: str, connection: ImsConnection, peer: str, impu: str, *, outgoing: bool, like: Session | None
    ) -> Session:
        """A new session; it goes on with the stream of one `like` it, whose place it takes."""
        taken = {session.stream for session in self.live}
        stream = like.stream if like else next(n for n in range(len(taken) + 1) if n not in taken)
        session = Session(call_id, connection, peer, impu, outgoing, stream)
        if like is not None:
            session.wish = like.wish
        over = [each for each in self.all if each.ended]
        self.all = [each for each in self.all if not each.ended or each in over[-REMEMBERED:]] + [session]
        return session

    def end(self, session: Session, reason: str) -> None:
        """It is over, says `reason`; its media stops."""
        if session.ended:
            return
        session.ended, session.reason = True, reason
        session.over.set()
        if session.timer_handle:
            session.timer_handle.cancel()
        for flow in session.flows:
            if not any(flow in other.flows for other in self.live):
                self.media.close_flow(flow)
        self.told("call-ended", {"call_id": session.call_id, "reason": reason})

    def left(self, connection: ImsConnection) -> None:
        """A session has ended there; was it the last of an inactive connection, that is over too (C1-062198 2).

        It stays for as long as a BYE whose 200 was lost comes again, or TCP wants that 200 acknowledged.
        """
        if connection.state is ConnectionState.INACTIVE and self._vacant(connection):
            asyncio.get_running_loop().call_later(VACANT_S, self._end_vacant, connection)

    def _end_vacant(self, connection: ImsConnection) -> None:
        if connection.state is ConnectionState.INACTIVE and self._vacant(connection):
            connection.on_vacant()

    def _vacant(self, connection: ImsConnection) -> bool:
        return not any(connection in (each.connection, each.moving_to) for each in self.live)

    def soon(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Carry something out beside what goes on now; what it raises is its own to deal with."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # What is said in them

    def capabilities(self) -> Headers:
        """Of every INVITE and its 2xx."""
        return ("Allow", ALLOW), ("Supported", SUPPORTED), ("Content-Type", sdp.CONTENT_TYPE)

    def offer(self, session: Session, connection: ImsConnection) -> SessionDescription:
        """Our offer of audio at a connection's address, as the next description of the session (RFC 3264 8)."""
        port = self.open(session, connection)
        number = 0 if session.said else self.rng.getrandbits(31)
        fresh = sdp.audio_offer(connection.access.address, port, number, direction=session.wish)
        session.said = fresh.after(session.said)
        return session.said

    def answer(self, session: Session, offered: SessionDescription, connection: ImsConnection) -> SessionDescription:
        """Our answer.  Raises ParseError with status 488 when there is no audio that we have."""
        port = self.open(session, connection)
        number = 1 if session.said else self.rng.getrandbits(31)
        address = connection.access.address
        fresh = sdp.answer(offered, address, port, session_id=number, direction=session.wish)
        session.said = fresh.after(session.said)
        return session.said

    def acknowledge(self, session: Session, invite: Request, key: Any, flow: Flow, connection: ImsConnection) -> None:
        """The ACK of a 2xx."""
        ack = session.talk.create_ack(invite, via=connection.via(protected=True))
        connection.protect(ack)
        self.stack.acknowledge(key, ack, flow)

    # Media

    def flow_name(self, session: Session, connection: ImsConnection) -> str:
        return f"{connection.id}/{session.stream}"

    def open(self, session: Session, connection: ImsConnection) -> int:
        """The port of the session's flow over a connection, bound to its address."""
        name = self.flow_name(session, connection)
        session.flows.add(name)
        port = self.media.port(name)
        return port if port is not None else self.media.open(name, connection.access.address)

    def close_flow(self, session: Session, connection: ImsConnection) -> None:
        """A flow that came to nothing."""
        name = self.flow_name(session, connection)
        if name != session.media_flow and name in session.flows:
            session.flows.discard(name)
            self.media.close_flow(name)

    def close_flows(self, connection: ImsConnection) -> None:
        """The connection's address is gone."""
        for session in self.live:
            gone = {flow for flow in session.flows if flow.startswith(f"{connection.id}/")}
            for flow in gone:
                self.media.close_flow(flow)
            session.flows -= gone

    def hear(self, session: Session, message: Request | Response) -> bool:
        """What the other end says of media is in force; False when it says nothing that can be used."""
        description = described(message)
        remote = destination(description)
        if description is None or remote is None:
            return False
        session.remote, session.theirs = remote, description.direction
        self.play(session)
        return True

    def play(self, session: Session) -> None:
        """Send media where the other end wants it, or nothing while one of us holds the other."""
        if session.remote and session.theirs.receives and session.wish is Direction.SENDRECV:
            self.media.send(session.media_flow, *session.remote, session.stream)
        else:
            self.media.pause(session.stream)

    # Session timers (RFC 4028)

    def agree(self, session: Session, timer: SessionTimer) -> None:
        """What a 2xx said of the session timer is in force from now on."""
        session.timer = timer
        if timer.agreed:
            self.wake(session, timer.wakes_after_s)
        elif session.timer_handle:
            session.timer_handle.cancel()

    def wake(self, session: Session, seconds: float) -> None:
        """Look after the session timer then."""
        if session.timer_handle:
            session.timer_handle.cancel()
        session.timer_handle = asyncio.get_running_loop().call_later(seconds, self._wake, session)

    def _wake(self, session: Session) -> None:
        if self.due is not None and not session.ended:
            self.soon(self.due(session))


def methods(message: Request | Response) -> frozenset[str]:
    """What an Allow header lists."""
    return frozenset(message.headers.values("Allow"))
