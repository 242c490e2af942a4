"""The SIP transaction layer (RFC 3261 17, RFC 6026) without sockets and without a clock.

Messages, requests of the core and the time go in; events come out of :meth:`TransactionLayer.poll`.  After each call
the owner carries out the events and sees to it that :meth:`TransactionLayer.handle_timeout` is called when
:meth:`TransactionLayer.next_timeout` says so.  `now` is any monotonic clock in seconds.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from testbed.ims.errors import OurFault, PeerFault
from testbed.ims.message import Request, Response
from testbed.ims.timers import Timers
from testbed.ims.transaction_client import ClientTransaction, InviteClientTransaction
from testbed.ims.transaction_events import (
    AckReceived,
    Cancelled,
    ClientKey,
    Discarded,
    Event,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    ServerKey,
    Terminated,
    TimedOut,
    TransactionKey,
    TransportFailed,
)
from testbed.ims.transaction_server import AckIndex, InviteServerTransaction, ServerTransaction, ack_index
from testbed.ims.transaction_states import INVITE_CLIENT, INVITE_SERVER, NON_INVITE_CLIENT, NON_INVITE_SERVER, State

__all__ = [
    "AckReceived",
    "Cancelled",
    "ClientKey",
    "Discarded",
    "Event",
    "Flow",
    "RequestReceived",
    "ResponseReceived",
    "Send",
    "ServerKey",
    "Terminated",
    "TimedOut",
    "TransactionKey",
    "TransactionLayer",
    "TransportFailed",
]

MAGIC_COOKIE = "z9hG4bK"


class TransactionLayer:
    """All transactions of one UE, whatever flows they use."""

    def __init__(self, *, timers: Timers, rng: random.Random) -> None:
        self._timers = timers
        self._rng = rng
        self._clients: dict[ClientKey, ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._awaiting_ack: dict[AckIndex, ServerKey] = {}
        self._events: deque[Event] = deque()

    def __len__(self) -> int:
        """How many are not over."""
        return len(self._clients) + len(self._servers)

    # What the core asks for

    def request(self, request: Request, flow: Flow, now: float, reliable: bool) -> ClientKey:
        """Send a request (not an ACK) by a flow.  A branch is added to its topmost Via if that has none."""
        if request.method == "ACK":
            raise OurFault("an ACK is no transaction", where="RFC 3261 17.1", mend="call acknowledge()")
        key = ClientKey(self._branch(request), request.method)
        if key in self._clients:
            raise OurFault(f"branch {key.branch} is in use", where=f"{request.method} {request.uri}")
        common: dict[str, Any] = {"key": key, "request": request, "flow": flow, "reliable": reliable}
        common |= {"timers": self._timers, "emit": self._emit}
        transaction: ClientTransaction
        if request.method == "INVITE":
            transaction = InviteClientTransaction(INVITE_CLIENT, **common, on_cancel=self._send_cancel)
        else:
            transaction = ClientTransaction(NON_INVITE_CLIENT, **common)
        self._clients[key] = transaction
        transaction.begin(now)
        transaction.send_request(now)
        return key

    def acknowledge(self, key: ClientKey, ack: Request, flow: Flow) -> None:
        """Send the ACK of a 2xx; whenever that 2xx comes again, so does the ACK (13.2.2.4)."""
        self._branch(ack)
        transaction = self._clients.get(key)
        if isinstance(transaction, InviteClientTransaction):
            transaction.acks[ack.to.tag] = (ack, flow)
        self._emit(Send(ack, flow))

    def cancel(self, key: ClientKey, now: float) -> bool:
        """Cancel an INVITE of ours, as soon as a provisional response allows it.  False if it is too late."""
        transaction = self._clients.get(key)
        if transaction is None or transaction.state not in (State.CALLING, State.PROCEEDING):
            return False
        transaction.step("want cancel", now)
        return True

    def respond(self, key: TransactionKey, response: Response, now: float) -> bool:
        """Answer a request.  False if its transaction is over, for instance because its flow broke."""
        transaction = self._servers.get(key) if isinstance(key, ServerKey) else None
        if transaction is None:
            return False
        transaction.respond(response, now)
        return True

    # What the network does

    def receive(self, message: Request | Response, flow: Flow, now: float, reliable: bool) -> None:
        """A message came in by a flow.  Whatever it holds, this never raises."""
        try:
            if isinstance(message, Response):
                self._receive_response(message, flow, now)
            elif message.method == "ACK":
                self._receive_ack(message, flow, now)
            else:
                self._receive_request(message, flow, now, reliable)
        except PeerFault as fault:
            self._emit(Discarded(message, flow, str(fault)))

    def transport_error(self, key: TransactionKey, now: float) -> None:
        """What was last sent for this transaction could not be delivered."""
        transaction = self._find(key)
        if transaction is not None:
            transaction.step("transport error", now)

    def flows(self) -> set[Flow]:
        """The flows that transactions use now."""
        return {transaction.flow for transaction in (*self._clients.values(), *self._servers.values())}

    def flow_failed(self, flow: Flow, now: float) -> None:
        """A flow broke, for instance because its access network is gone: so did everything that uses it."""
        for transaction in [*self._clients.values(), *self._servers.values()]:
            if transaction.flow == flow:
                transaction.step("transport error", now)

    def next_timeout(self) -> float | None:
        """When handle_timeout() is due, None if nothing waits."""
        return min((due for _, due, _ in self._due()), default=None)

    def handle_timeout(self, now: float) -> None:
        """Let every timer act that is due by now, in the order of their times."""
        while True:
            due = [entry for entry in self._due() if entry[1] <= now]
            if not due:
                return
            key, _, timer = min(due, key=lambda entry: entry[1])
            transaction = self._find(key)
            if transaction is not None:
                transaction.expire(timer, now)

    def poll(self) -> list[Event]:
        """The events since the last call."""
        events = list(self._events)
        self._events.clear()
        return events

    # Inside

    def _due(self) -> list[tuple[TransactionKey, float, str]]:
        return [
            (transaction.key, due, timer)
            for transaction in (*self._clients.values(), *self._servers.values())
            for timer, due in transaction.deadlines.items()
        ]

    def _find(self, key: TransactionKey) -> ClientTransaction | ServerTransaction | None:
        return self._clients.get(key) if isinstance(key, ClientKey) else self._servers.get(key)

    def _emit(self, event: Event) -> None:
        self._events.append(event)
        if isinstance(event, Terminated):
            self._forget(event.key)

    def _forget(self, key: TransactionKey) -> None:
        if isinstance(key, ClientKey):
            self._clients.pop(key, None)
            return
        self._servers.pop(key, None)
        if key.method == "INVITE":
            self._awaiting_ack = {index: other for index, other in self._awaiting_ack.items() if other != key}

    def _branch(self, request: Request) -> str:
        via = request.via
        if via.branch is None:
            via = via.with_param("branch", f"{MAGIC_COOKIE}{self._rng.getrandbits(64):016x}")
            _, *others = request.headers.values("Via")
            request.headers.remove("Via")
            for value in (*reversed(others), str(via)):
                request.headers.prepend("Via", value)
        return via.branch or ""

    def _send_cancel(self, cancel: Request, flow: Flow, now: float) -> None:
        invite = self._clients[ClientKey(self._branch(cancel), "INVITE")]
        self.request(cancel, flow, now, invite.reliable)

    def _receive_response(self, response: Response, flow: Flow, now: float) -> None:
        transaction = self._clients.get(ClientKey(response.via.branch or "", response.cseq.method))
        if transaction is None:
            self._emit(Discarded(response, flow, "it answers no request that is still open"))
            return
        transaction.receive(response, now)

    def _receive_ack(self, ack: Request, flow: Flow, now: float) -> None:
        """17.2.3 for the ACK of a failure, 13.3.1.4 for that of a 2xx; repeated ACKs go no further."""
        transaction = self._servers.get(server_key(ack))
        if transaction is not None and transaction.state is not State.ACCEPTED:
            transaction.step("ack", now)
            return
        key = self._awaiting_ack.get(ack_index(ack))
        invite = self._servers.get(key) if key else None
        if not isinstance(invite, InviteServerTransaction):
            self._emit(AckReceived(ack, flow))
        elif not invite.acked:
            invite.step("ack 2xx", now)
            self._emit(AckReceived(ack, flow, invite.key))

    def _receive_request(self, request: Request, flow: Flow, now: float, reliable: bool) -> None:
        key = server_key(request)
        known = self._servers.get(key)
        if known is not None:
            known.step("request", now)
            return
        transaction = self._new_server(key, request, flow, reliable)
        self._servers[key] = transaction
        transaction.begin(now)
        if request.method == "CANCEL":
            self._cancelled(transaction, flow, now)
        else:
            self._emit(RequestReceived(key, request, flow))

    def _new_server(self, key: ServerKey, request: Request, flow: Flow, reliable: bool) -> ServerTransaction:
        common: dict[str, Any] = {"key": key, "request": request, "flow": flow, "reliable": reliable}
        common |= {"timers": self._timers, "emit": self._emit}
        if request.method != "INVITE":
            return ServerTransaction(NON_INVITE_SERVER, **common)

        def await_ack(index: AckIndex) -> None:
            self._awaiting_ack[index] = key

        return InviteServerTransaction(INVITE_SERVER, **common, on_await_ack=await_ack)

    def _cancelled(self, cancel: ServerTransaction, flow: Flow, now: float) -> None:
        """9.2: the CANCEL itself is answered here; the core answers the INVITE."""
        key = ServerKey(cancel.key.branch, cancel.key.sent_by, "INVITE")
        invite = self._servers.get(key)
        tag = invite.response.to.tag if invite and invite.response else None
        tag = tag or f"{self._rng.getrandbits(32):08x}"
        if invite is None:
            cancel.respond(cancel.request.response(481, "Call/Transaction Does Not Exist", tag), now)
            return
        cancel.respond(cancel.request.response(200, "OK", tag), now)
        if invite.state is State.PROCEEDING:
            self._emit(Cancelled(key, invite.request, flow))


def server_key(request: Request) -> ServerKey:
    """The transaction a request belongs to (17.2.3).

    Without the magic cookie, or with nothing behind it (RFC 4475 3.2.1), the older rule holds, simplified.
    """
    via = request.via
    method = "INVITE" if request.method == "ACK" else request.method
    branch = via.branch or ""
    if not branch.startswith(MAGIC_COOKIE) or branch == MAGIC_COOKIE:
        branch = f"{branch} {request.call_id} {request.from_.tag} {request.cseq.number}"
    return ServerKey(branch, f"{via.host.lower()}:{via.port or ''}", method)
