"""Calls of one UE: made, answered, moved to another IMS connection, ended (RFC 3261 13-15, RFC 3264, RFC 3891).

The party that did not move learns of it by the re-INVITE or the INVITE with Replaces: it sends its media to the new
address as soon as it has that request, and answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from testbed.errors import UsageError
from testbed.ue.connection import ImsConnection
from testbed.ue.incoming import Incoming
from testbed.ue.media import Media
from testbed.ue.moving import Moving
from testbed.ue.outgoing import Outgoing
from testbed.ue.session import Session
from testbed.ue.sessions import ALLOW, Sessions
from testbed.ue.stack import SipStack

__all__ = ["ALLOW", "Calls"]


class Calls:
    """`told(event, detail)` hears of calls that come, move and end; `newest()` is where the UE has moved to."""

    def __init__(
        self,
        stack: SipStack,
        media: Media,
        rng: random.Random,
        told: Callable[[str, dict[str, Any]], None],
        newest: Callable[[], ImsConnection | None],
    ) -> None:
        self.sessions = Sessions(stack, media, rng, told, newest)
        self.ours, self.moving = Outgoing(self.sessions), Moving(self.sessions)
        self.theirs = Incoming(self.sessions, self.moving.move, self.moving.hang_up)

    @property
    def live(self) -> list[Session]:
        """The sessions that are not over."""
        return self.sessions.live

    def session(self, call_id: str | None) -> Session:
        """The one of this Call-ID, or the only one that there is.  Raises UsageError otherwise."""
        if call_id is not None and (found := self.sessions.find(call_id)) is not None:
            return found
        if call_id is None and len(self.live) == 1:
            return self.live[0]
        what = f"there is no call {call_id}" if call_id else f"which one of {len(self.live)} calls is not said"
        raise UsageError(what, where="UE", mend="name it by its call_id")

    async def hang_up(self, session: Session) -> None:
        """End a session, whatever its state: by BYE, by CANCEL, or by declining it."""
        if session.confirmed or session.ended:
            await self.moving.hang_up(session)
        elif session.outgoing:
            await self.ours.cancel(session)
        else:
            self.theirs.decline(session)

    async def move(self, session: Session, connection: ImsConnection, how: str) -> Session:
        """Move a session to another connection, by `re-invite` or by `replaces`, which makes a new session."""
        if how == "replaces":
            return await self.ours.replace(session, connection)
        await self.moving.move(session, connection)
        return session

    def drop(self, session: Session, reason: str) -> None:
        """Forget a session whose network has given it up: there is nobody to send a BYE to."""
        self.sessions.end(session, reason)
