"""SIP transactions bound to sockets and to the event loop's clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

from testbed.errors import ProductFailure
from testbed.ims.message import Request, Response
from testbed.ims.timers import Timers
from testbed.ims.transaction import (
    AckReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    Send,
    TimedOut,
    TransactionKey,
    TransactionLayer,
)
from testbed.ue.transport import Flow, Message, Transport


class Handler(Protocol):
    """Who takes requests that arrive."""

    def on_request(self, key: TransactionKey, request: Request, flow: Flow) -> None: ...

    def on_ack(self, request: Request, flow: Flow) -> None: ...


class SipStack:
    """Sends requests and awaits their final responses; hands arriving requests to the handler."""

    def __init__(self, handler: Handler, timers: Timers, rng: random.Random) -> None:
        self._handler = handler
        self._layer = TransactionLayer(timers=timers, rng=rng)
        self._transports: dict[str, Transport] = {}
        self._waiting: dict[TransactionKey, asyncio.Future[Response]] = {}
        self._provisional: dict[TransactionKey, Callable[[Response], None]] = {}
        self._acks: dict[TransactionKey, tuple[Request, Flow]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def attach(self, transport: Transport) -> None:
        self._transports[transport.connection] = transport

    def detach(self, transport: Transport) -> None:
        self._transports.pop(transport.connection, None)

    def received(self, message: Message, flow: Flow) -> None:
        """A message came in by a flow."""
        self._layer.receive(message, flow, self._loop.time(), flow.reliable)
        self._work()

    def start(
        self, request: Request, flow: Flow, on_provisional: Callable[[Response], None] | None = None
    ) -> tuple[TransactionKey, asyncio.Future[Response]]:
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

    def acknowledge(self, key: TransactionKey, ack: Request, flow: Flow) -> None:
        """Send the ACK of a 2xx, now and whenever the 2xx comes again (RFC 3261 13.2.2.4)."""
        self._acks[key] = (ack, flow)
        self._send(ack, flow)

    def respond(self, key: TransactionKey, response: Response) -> None:
        """Answer a request that arrived."""
        self._layer.respond(key, response, self._loop.time())
        self._work()

    def _work(self) -> None:
        for event in self._layer.poll():
            self._carry_out(event)
        self._arm()

    def _carry_out(self, event: Event) -> None:
        match event:
            case Send(message=message, flow=flow):
                try:
                    self._send(message, flow)
                except (OSError, ProductFailure):
                    # The access refuses the packet.  Over UDP the transaction repeats it; over TCP it times out.
                    return
            case ResponseReceived(key=key, response=response):
                self._on_response(key, response)
            case RequestReceived(key=key, request=request, flow=flow):
                self._handler.on_request(key, request, flow)
            case AckReceived(request=request, flow=flow):
                self._handler.on_ack(request, flow)
            case TimedOut(key=key, request=request):
                future = self._waiting.pop(key, None)
                if future is not None and not future.done():
                    future.set_exception(ProductFailure(f"nobody answered {request.method} {request.uri}", where="SIP"))

    def _on_response(self, key: TransactionKey, response: Response) -> None:
        if response.status < 200:
            if told := self._provisional.get(key):
                told(response)
            return
        self._provisional.pop(key, None)
        future = self._waiting.pop(key, None)
        if future is not None:
            if not future.done():
                future.set_result(response)
        elif key in self._acks and response.status < 300:
            self._send(*self._acks[key])

    def _send(self, message: Message, flow: Flow) -> None:
        if transport := self._transports.get(flow.connection):
            transport.send(message.encode(), flow)

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        due = self._layer.next_timeout()
        self._timer = self._loop.call_at(due, self._expired) if due is not None else None

    def _expired(self) -> None:
        self._layer.handle_timeout(self._loop.time())
        self._work()
