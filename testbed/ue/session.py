"""One IMS session at the UE: its dialog, the connection it runs over, and its media.

A session has one media flow at a time, named after the connection; it moves with the session (C1-062198 clause 2.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from testbed.ims import sdp
from testbed.ims.dialog import Dialog
from testbed.ims.errors import ParseError
from testbed.ims.headers import NameAddr
from testbed.ims.message import Request, Response
from testbed.ims.sdp import SessionDescription
from testbed.ue.connection import ImsConnection
from testbed.ue.media import Media


@dataclass(eq=False)
class Session:
    """`peer` is the other party's identity, `description` our last word on media, `remote` where theirs goes."""

    dialog: Dialog
    connection: ImsConnection
    peer: str
    description: SessionDescription
    media_flow: str
    remote: tuple[str, int] | None = None
    ended: bool = False
    reason: str = field(default="")  # why it ended

    @property
    def call_id(self) -> str:
        return self.dialog.call_id


def open_media(media: Media, connection: ImsConnection, name: str) -> int:
    """The port of the flow `name`, bound to the connection's address."""
    port = media.port(name)
    return port if port is not None else media.open(name, connection.access.address)


def offer(media: Media, connection: ImsConnection, name: str, session_id: int) -> SessionDescription:
    """An offer of audio at the connection's address."""
    return sdp.audio_offer(connection.access.address, open_media(media, connection, name), session_id)


def described(body: bytes) -> SessionDescription | None:
    """A body's description; None where there is none or it cannot be used (the caller answers 488)."""
    try:
        return SessionDescription.parse(body) if body else None
    except ParseError:
        return None


def destination(message: Request | Response) -> tuple[str, int] | None:
    """Where the sender of this message wants its audio."""
    description = described(message.body)
    try:
        return description.audio_destination() if description else None
    except ParseError:
        return None


def initial_route(connection: ImsConnection) -> tuple[NameAddr, ...]:
    """Route of a request outside a dialog, and of a dialog moved here: the P-CSCF, then what Service-Route said.

    TS 24.229 5.1.2A.1.  For a dialog that came from another P-CSCF it is the testbed's own rule: a re-INVITE cannot
    change a route set (RFC 3261 12.2), so the UE names the new P-CSCF and the S-CSCF, which adds what lies beyond it.
    """
    assert connection.security is not None and connection.security.server is not None
    pcscf = connection.access.pcscf
    host = f"[{pcscf}]" if ":" in pcscf else pcscf
    transport = ";transport=tcp" if connection.config.transport == "tcp" else ""
    first = NameAddr.parse(f"<sip:{host}:{connection.security.server.port_s}{transport};lr>")
    return (first, *connection.service_route)
