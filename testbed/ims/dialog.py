"""SIP dialogs (RFC 3261 12): their state, the requests made in them, the checks on requests that arrive.

A dialog knows nothing of flows.  When its path moves to another P-CSCF its owner assigns `route_set`: a re-INVITE by
itself cannot change it (12.2), so this is the testbed's own rule, with its counterpart in the S-CSCF's configuration.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from testbed.ims.errors import OurFault, PeerFault
from testbed.ims.headers import Headers, NameAddr
from testbed.ims.message import Request, Response
from testbed.ims.uri import SipUri, Uri

TARGET_REFRESH = frozenset(("INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"))
Refusal = tuple[int, str]


class DialogState(Enum):
    """RFC 3261 12.1."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class DialogKey:
    """What names a dialog at one end."""

    call_id: str
    local_tag: str
    remote_tag: str | None


@dataclass
class Dialog:
    """One dialog as seen from our end."""

    call_id: str
    local_tag: str
    remote_tag: str | None
    local: NameAddr  # From of our requests, tag included
    remote: NameAddr  # To of our requests, tag included
    remote_target: Uri
    is_uac: bool  # we sent the request that made it, so the Call-ID is ours
    contact: NameAddr | None = None  # goes into target refresh requests and their answers
    route_set: tuple[NameAddr, ...] = ()
    local_cseq: int = 0
    remote_cseq: int | None = None
    state: DialogState = DialogState.EARLY
    _our_invite: int | None = field(default=None, repr=False)  # CSeq of an INVITE of ours without a final response
    _their_invite: int | None = field(default=None, repr=False)

    @classmethod
    def uac(cls, request: Request, response: Response) -> Dialog:
        """The dialog that a 1xx or 2xx with a To tag makes at the caller (12.1.2)."""
        if response.to.tag is None:
            raise PeerFault(
                f"a {response.status} without a To tag makes no dialog", where=f"Call-ID {response.call_id}"
            )
        dialog = cls(
            call_id=request.call_id,
            local_tag=request.from_.tag or "",
            remote_tag=response.to.tag,
            local=request.from_,
            remote=response.to,
            remote_target=_target(response),
            is_uac=True,
            contact=next(iter(request.contacts), None),
            local_cseq=request.cseq.number,
        )
        if request.method == "INVITE":
            dialog._our_invite = request.cseq.number
        dialog.received_response(response)
        return dialog

    @classmethod
    def subscriber(cls, subscribe: Request, notify: Request) -> Dialog:
        """The dialog that a NOTIFY makes at the subscriber (RFC 6665 4.4.1); it may overtake the SUBSCRIBE's 2xx."""
        return cls(
            call_id=subscribe.call_id,
            local_tag=subscribe.from_.tag or "",
            remote_tag=notify.from_.tag,
            local=subscribe.from_,
            remote=notify.from_,
            remote_target=_target(notify),
            is_uac=True,
            contact=next(iter(subscribe.contacts), None),
            route_set=tuple(notify.record_routes),
            local_cseq=subscribe.cseq.number,
            remote_cseq=notify.cseq.number,
            state=DialogState.CONFIRMED,
        )

    @classmethod
    def uas(cls, request: Request, response: Response) -> Dialog:
        """The dialog at the one called (12.1.1); `response` is the 1xx or 2xx with our tag and Contact."""
        if response.to.tag is None:
            raise OurFault("our response needs a To tag to make a dialog", where=f"Call-ID {request.call_id}")
        dialog = cls(
            call_id=request.call_id,
            local_tag=response.to.tag,
            remote_tag=request.from_.tag,
            local=response.to,
            remote=request.from_,
            remote_target=_target(request),
            is_uac=False,
            contact=next(iter(response.contacts), None),
            route_set=tuple(request.record_routes),
            remote_cseq=request.cseq.number,
        )
        if request.method == "INVITE":
            dialog._their_invite = request.cseq.number
        dialog.sent_response(request, response)
        return dialog

    @property
    def key(self) -> DialogKey:
        """What to keep it under."""
        return DialogKey(self.call_id, self.local_tag, self.remote_tag)

    def create_request(
        self,
        method: str,
        *,
        via: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        route_set: Sequence[NameAddr] | None = None,
    ) -> Request:
        """A request in the dialog (12.2.1.1), with the next CSeq.  `route_set` replaces the dialog's this once.

        With `via` it is ready for the transaction layer, which adds the branch.  An ACK is made by `create_ack()`.
        """
        if method in ("ACK", "CANCEL"):
            raise OurFault(
                f"{method} has the CSeq of its INVITE", where="Dialog.create_request", mend="use create_ack()"
            )
        if self.state is DialogState.TERMINATED:
            raise OurFault(f"the dialog is over, no {method} fits in it", where=f"Call-ID {self.call_id}")
        self.local_cseq += 1
        if method == "INVITE":
            self._our_invite = self.local_cseq
        return self._request(method, self.local_cseq, via, headers, body, route_set)

    def create_ack(
        self,
        invite: Request,
        *,
        via: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        route_set: Sequence[NameAddr] | None = None,
    ) -> Request:
        """The ACK of a 2xx to our `invite` (13.2.2.4)."""
        return self._request("ACK", invite.cseq.number, via, headers, body, route_set)

    def _request(
        self,
        method: str,
        cseq: int,
        via: str | None,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        route_set: Sequence[NameAddr] | None,
    ) -> Request:
        uri, routes = self._path(self.route_set if route_set is None else route_set)
        fields = [("Via", via)] if via is not None else []
        fields += [("Max-Forwards", "70")]
        fields += [("Route", str(route)) for route in routes]
        fields += [("From", str(self.local)), ("To", str(self.remote)), ("Call-ID", self.call_id)]
        fields += [("CSeq", f"{cseq} {method}")]
        if self.contact is not None and method in TARGET_REFRESH:
            fields += [("Contact", str(self.contact))]
        fields += headers
        return Request(method, uri, Headers(fields), body)

    def _path(self, route_set: Sequence[NameAddr]) -> tuple[Uri, list[NameAddr]]:
        """Request-URI and Route headers; a first hop without lr is a strict router (12.2.1.1)."""
        routes = list(route_set)
        first = routes[0].uri if routes else None
        if not isinstance(first, SipUri) or "lr" in first.params:
            return self.remote_target, routes
        return first, [*routes[1:], NameAddr(self.remote_target)]

    # What arrives

    def received_response(self, response: Response) -> None:
        """A response to a request of ours: refreshes the remote target, confirms or ends the dialog."""
        method, status = response.cseq.method, response.status
        if method == "INVITE" and status >= 200 and response.cseq.number == self._our_invite:
            self._our_invite = None
        if status >= 300:
            if self._ends(method, status):
                self.state = DialogState.TERMINATED
            return
        if method == "BYE" and status >= 200:
            self.state = DialogState.TERMINATED
        if status <= 100:
            return
        if self.is_uac and self.state is DialogState.EARLY:
            # 12.1.2, and 13.2.2.4 for the 2xx that confirms: the route set is what this response recorded.
            self.route_set = tuple(reversed(response.record_routes))
        if status >= 200 and self.state is DialogState.EARLY and method in ("INVITE", "SUBSCRIBE"):
            self.state = DialogState.CONFIRMED
        if method in TARGET_REFRESH and response.contacts:
            self.remote_target = _target(response)

    def _ends(self, method: str, status: int) -> bool:
        """Whether a failure ends the dialog: 12.2.1.2, 12.3, 15.1.1; a BYE that is challenged is sent again."""
        if method == "BYE":
            return status not in (401, 407)
        return status in (408, 481) or (method == "INVITE" and self.state is DialogState.EARLY)

    def received_request(self, request: Request) -> Refusal | None:
        """A request in the dialog: the status and reason to refuse it with, or None to go ahead (12.2.2, 14.2).

        An UPDATE with an offer waits for an INVITE of either end, which may hold another (RFC 3311 5.2).
        A 500 for either wants a Retry-After of 0 to 10 s chosen at random, see `retry_after()`.
        """
        if self.state is DialogState.TERMINATED:
            return 481, "Call/Transaction Does Not Exist"
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            return 500, "Server Internal Error"  # out of order
        self.remote_cseq = number
        if request.method == "INVITE" or (request.method == "UPDATE" and request.body):
            if self._their_invite is not None:
                return 500, "Server Internal Error"  # the one before still waits for our answer
            if self._our_invite is not None:
                return 491, "Request Pending"
        if request.method == "INVITE":
            self._their_invite = number
        return None

    def create_response(
        self,
        request: Request,
        status: int,
        reason: str | None = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """An answer to a request in the dialog, with our tag and, where it belongs, our Contact."""
        response = request.response(status, reason, self.local_tag)
        if self.contact is not None and request.method in TARGET_REFRESH and 100 < status < 300:
            response.headers.set("Contact", str(self.contact))
        for name, value in headers:
            response.headers.add(name, value)
        response.body = body
        self.sent_response(request, response)
        return response

    def sent_response(self, request: Request, response: Response) -> None:
        """Note an answer of ours; `create_response` does it by itself."""
        method, status = request.method, response.status
        if method == "INVITE" and self._their_invite == request.cseq.number and status >= 200:
            self._their_invite = None
        if status >= 300 and method == "INVITE" and self.state is DialogState.EARLY:
            self.state = DialogState.TERMINATED
        if not 200 <= status < 300:
            return
        if method == "BYE":
            self.state = DialogState.TERMINATED
        elif self.state is DialogState.EARLY and method in ("INVITE", "SUBSCRIBE"):
            self.state = DialogState.CONFIRMED
        if method in TARGET_REFRESH and request.contacts:
            self.remote_target = _target(request)

    def abandoned(self, invite: Request) -> None:
        """An INVITE of either end whose transaction broke off without a final response: it is pending no more.

        The dialog stands.  RFC 3261 8.1.3.1 would treat this as a 408 and end it, but after a broken access network
        the session is to be moved, not dropped.
        """
        if invite.cseq.number == self._our_invite and invite.from_.tag == self.local_tag:
            self._our_invite = None
        if invite.cseq.number == self._their_invite and invite.from_.tag == self.remote_tag:
            self._their_invite = None

    # Glare (14.1, 14.2)

    def glare_delay(self, rng: random.Random) -> float:
        """Seconds to wait before repeating a re-INVITE refused with 491: the Call-ID's owner waits longer (14.1)."""
        lowest, highest = (210, 400) if self.is_uac else (0, 200)
        return rng.randint(lowest, highest) / 100

    @staticmethod
    def retry_after(rng: random.Random) -> int:
        """Seconds for the Retry-After of a 500 to an overlapping INVITE (14.2)."""
        return rng.randint(0, 10)


def _target(message: Request | Response) -> Uri:
    contacts = message.contacts
    if len(contacts) != 1:
        raise PeerFault(f"{len(contacts)} Contacts where a dialog wants one", where=f"Call-ID {message.call_id}")
    return contacts[0].uri
