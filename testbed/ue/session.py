"""One IMS session at the UE: its dialog, the connection it runs over, and its media.

A session has a stream of its own, which it keeps when it moves, and one media flow at a time (C1-062198 clause 2.3).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from testbed.ims.dialog import Dialog, DialogState
from testbed.ims.errors import ParseError
from testbed.ims.message import Request, Response
from testbed.ims.sdp import Direction, SessionDescription
from testbed.ims.session_timer import SessionTimer
from testbed.ims.transaction import ClientKey, ServerKey
from testbed.ue.connection import ImsConnection


class SessionState(StrEnum):
    EARLY = "early"
    UP = "up"
    HELD = "held"
    ENDED = "ended"


@dataclass(eq=False)
class Session:
    """`peer` is the other party's identity, `description` what was agreed of ours, `remote` where theirs goes."""

    call_id: str
    connection: ImsConnection
    peer: str
    impu: str  # ours
    outgoing: bool
    stream: int
    request: Request | None = None  # the INVITE that began it
    key: ClientKey | ServerKey | None = None  # its transaction, once it is there
    dialog: Dialog | None = None
    description: SessionDescription | None = None
    said: SessionDescription | None = None  # the last one that we sent, agreed or not
    remote: tuple[str, int] | None = None
    theirs: Direction = Direction.SENDRECV  # what the other end said of media
    wish: Direction = Direction.SENDRECV  # what we want: SENDONLY holds the other end (RFC 3264 8.4)
    media_flow: str = ""
    flows: set[str] = field(default_factory=set)  # all that it opened
    moving_to: ImsConnection | None = None  # our own move there is under way
    timer: SessionTimer = field(default_factory=SessionTimer)
    timer_handle: asyncio.TimerHandle | None = None
    allowed: frozenset[str] = frozenset()  # methods that the other end takes
    acknowledged: bool = True  # False: our 200 waits for its ACK
    cancelled: bool = False
    answer: Response | None = None  # the last final one to a request of ours
    ended: bool = False
    reason: str = ""  # why it ended
    released: bool = False  # by the network, not by the other end
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)  # one change of ours at a time
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def confirmed(self) -> bool:
        """Whether it was answered and has not ended."""
        return not self.ended and self.dialog is not None and self.dialog.state is not DialogState.EARLY

    @property
    def state(self) -> SessionState:
        if self.ended:
            return SessionState.ENDED
        if not self.confirmed:
            return SessionState.EARLY
        both = self.wish is Direction.SENDRECV and self.theirs is Direction.SENDRECV
        return SessionState.UP if both else SessionState.HELD

    @property
    def talk(self) -> Dialog:
        """The dialog of a session that has one."""
        assert self.dialog is not None
        return self.dialog

    def as_told(self) -> dict[str, Any]:
        """What the controller is told of it."""
        return {
            "call_id": self.call_id,
            "state": self.state.value,
            "direction": "outgoing" if self.outgoing else "incoming",
            "peer": self.peer,
            "impu": self.impu,
            "over": self.connection.name,
            "media": {"wanted": self.wish.value, "theirs": self.theirs.value},
            "ended": self.ended,
            "reason": self.reason,
        }


def described(message: Request | Response) -> SessionDescription | None:
    """The description in a message; None where there is none or it cannot be used (the caller answers 488)."""
    try:
        return SessionDescription.parse(message.body) if message.body else None
    except ParseError:
        return None


def destination(description: SessionDescription | None) -> tuple[str, int] | None:
    """Where its writer wants audio; None where it wants none that we have."""
    try:
        return description.audio_destination() if description else None
    except ParseError:
        return None
