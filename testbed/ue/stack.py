"""SIP transactions bound to sockets and to the event loop's clock."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol, cast

from testbed.errors import ProductFailure
from testbed.ims.errors import ParseError
from testbed.ims.message import Request, Response
from testbed.ims.timers import Timers
from testbed.ims.transaction import (
    AckReceived,
    Cancelled,
    ClientKey,
    Discarded,
    Event,
    RequestReceived,
    ResponseReceived,
    Send,
    ServerKey,
    TimedOut,
    TransactionKey,
    TransactionLayer,
    TransportFailed,
)
from testbed.ue.answers import AccessLost
from testbed.ue.transport import Flow, Message, Transport

log = logging.getLogger(__name__)


class Handler(Protocol):
    """Who takes requests that arrive."""

    def on_request(self, key: ServerKey, request: Request, flow: Flow) -> None: ...

    def on_ack(self, request: Request, flow: Flow) -> None: ...

    def on_cancel(self, key: ServerKey, request: Request) -> None: ...

    def on_unanswered(self, key: ServerKey, request: Request) -> None:
        """An INVITE to us came to nothing: its flow broke before our answer left, or nobody acknowledged our 2xx."""


class SipStack:
    """Sends requests and awaits their final responses; hands arriving requests to the handler."""

    def __init__(self, timers: Timers, rng: random.Random) -> None:
        self.handler: Handler | None = None
        self._layer = TransactionLayer(timers=timers, rng=rng)
        self._transports: dict[str, Transport] = {}
        self._waiting: dict[TransactionKey, asyncio.Future[Response]] = {}
        self._provisional: dict[TransactionKey, Callable[[Response], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.garbage = 0  # messages that did not parse

    @property
    def transactions(self) -> int:
        """How many are not over."""
        return len(self._layer)

    def transport(self, connection: str, address: str) -> Transport:
        """The sockets of a new connection; what arrives on them comes here."""
        made = Transport(connection, address, self.received, self._on_garbage, self.stream_lost)
        self._transports[connection] = made
        return made

    def detach(self, transport: Transport) -> None:
        """The connection is over; nothing is sent over it any more."""
        if self._transports.get(transport.connection) is transport:
            del self._transports[transport.connection]

    def received(self, message: Message, flow: Flow) -> None:
        """A message came in by a flow."""
        self._layer.receive(message, flow, self._loop.time(), flow.reliable)
        self._work()

    def _on_garbage(self, error: ParseError, flow: Flow) -> None:
        self.garbage += 1
        log.warning("%s %s: what came in is no SIP message: %s", flow.connection, flow.remote, error)

    def start(
        self, request: Request, flow: Flow, on_provisional: Callable[[Response], None] | None = None
    ) -> tuple[ClientKey, asyncio.Future[Response]]:
        """Send a request at once; the future holds its final response, or ProductFailure when none comes."""
        future: asyncio.Future[Response] = self._loop.create_future()
        key = self._layer.request(request, flow, self._loop.time(), flow.reliable)
        self._waiting[key] = future
        if on_provisional:
            self._provisional[key] = on_provisional
        self._work()
        return key, future

    async def request(self, request: Request, flow: Flow) -> Response:
        """Send a request and wait for its final response."""
        _, future = self.start(request, flow)
        return await future

    def acknowledge(self, key: ClientKey, ack: Request, flow: Flow) -> None:
        """Send the ACK of a 2xx, now and whenever the 2xx comes again (RFC 3261 13.2.2.4)."""
        self._layer.acknowledge(key, ack, flow)
        self._work()

    def cancel(self, key: ClientKey) -> bool:
        """Cancel an INVITE of ours (RFC 3261 9.1); False if it is too late."""
        wanted = self._layer.cancel(key, self._loop.time())
        self._work()
        return wanted

    def abandon(self, key: ClientKey) -> None:
        """Ask no more: the request is not repeated, an answer that still comes is nobody's."""
        self._layer.transport_error(key, self._loop.time())
        self._work()

    def respond(self, key: ServerKey, response: Response) -> None:
        """Answer a request that arrived."""
        self._layer.respond(key, response, self._loop.time())
        self._work()

    def access_lost(self, connection: str) -> None:
        """The access of a connection is gone: whatever still waits for an answer over it fails now."""
        for flow in self._layer.flows():
            if cast(Flow, flow).connection == connection:
                self._layer.flow_failed(flow, self._loop.time())
        self._work()

    def stream_lost(self, flow: Flow) -> None:
        """A TCP stream was closed: what still waits for an answer on it fails now (RFC 3261 17.1.4)."""
        self._layer.flow_failed(flow, self._loop.time())
        self._work()

    def _work(self) -> None:
        for event in self._layer.poll():
            self._carry_out(event)
        self._arm()

    def _carry_out(self, event: Event) -> None:
        match event:
            case Send(message=message, flow=flow):
                self._send(message, cast(Flow, flow))
            case ResponseReceived(key=key, response=response):
                self._on_response(key, response)
            case RequestReceived(key=key, request=request, flow=flow) if self.handler:
                self.handler.on_request(key, request, cast(Flow, flow))
            case AckReceived(request=request, flow=flow) if self.handler:
                self.handler.on_ack(request, cast(Flow, flow))
            case Cancelled(key=key, request=request) if self.handler:
                self.handler.on_cancel(key, request)
            case (
                TimedOut(key=ServerKey() as key, request=request)
                | TransportFailed(key=ServerKey() as key, request=request)
            ) if self.handler:
                if request.method == "INVITE":
                    self.handler.on_unanswered(key, request)
            case TimedOut(key=key, request=request):
                self._fail(key, ProductFailure(f"nobody answered {request.method} {request.uri}", where="SIP"))
            case TransportFailed(key=key, request=request):
                what = f"the access was lost before {request.method} {request.uri} was answered"
                self._fail(key, AccessLost(what, where="SIP"))
            case Discarded(message=message, reason=reason):
                log.info("discarded %s: %s", message.start_line, reason)

    def _fail(self, key: TransactionKey, why: ProductFailure) -> None:
        self._provisional.pop(key, None)
        future = self._waiting.pop(key, None)
        if future is not None and not future.done():
            future.set_exception(why)

    def _on_response(self, key: ClientKey, response: Response) -> None:
        if response.status < 200:
            if told := self._provisional.get(key):
                told(response)
            return
        self._provisional.pop(key, None)
        future = self._waiting.pop(key, None)
        if future is not None and not future.done():
            future.set_result(response)

    def _send(self, message: Message, flow: Flow) -> None:
        transport = self._transports.get(flow.connection)
        if transport is None:
            return
        try:
            transport.send(message.encode(), flow)
        except (OSError, ProductFailure) as refused:
            # The access refuses the packet.  Over UDP the transaction repeats it; over TCP it times out.
            log.info("%s %s was not sent: %s", flow.connection, message.start_line, refused)

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        due = self._layer.next_timeout()
        self._timer = self._loop.call_at(due, self._expired) if due is not None else None

    def _expired(self) -> None:
        self._layer.handle_timeout(self._loop.time())
        self._work()
