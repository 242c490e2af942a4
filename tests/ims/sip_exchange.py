"""What transaction and dialog tests share: messages, and two layers joined by a network that loses what it should.

Time is a number here; nothing sleeps.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from testbed.ims.headers import Headers
from testbed.ims.message import Request, Response, parse
from testbed.ims.timers import Timers
from testbed.ims.transaction import AckReceived, Event, RequestReceived, ResponseReceived, Send, TransactionLayer

UE, FAR = "10.0.0.2", "10.0.9.2"


def request(method: str = "INVITE", cseq: int = 1, call_id: str = "c1@ue", via: str | None = None) -> Request:
    """A request from the UE to the far end, outside any dialog, without a branch."""
    headers = [
        ("Via", via or f"SIP/2.0/UDP {UE}:1357;rport"),
        ("Max-Forwards", "70"),
        ("Route", "<sip:pcscf1.visited1.net:7531;lr>"),
        ("Route", "<sip:orig@scscf1.home1.net;lr>"),
        ("From", "<sip:user1_public1@home1.net>;tag=171828"),
        ("To", "<sip:user2_public1@home1.net>"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        ("Security-Verify", "ipsec-3gpp; alg=hmac-sha-1-96; spi-s=01234567"),
    ]
    if method in ("INVITE", "SUBSCRIBE", "UPDATE"):
        headers.append(("Contact", f"<sip:user1_public1@{UE}:1357>"))
    return Request(method, "sip:user2_public1@home1.net", Headers(headers))


def answer(to: Request, status: int, tag: str | None = "314159", routes: tuple[str, ...] = ()) -> Response:
    """A response of the far end, with its Contact."""
    response = to.response(status, None, tag)
    for route in routes:
        response.headers.add("Record-Route", route)
    if 100 < status < 300:
        response.headers.add("Contact", f"<sip:user2_public1@{FAR}:1400>")
    return response


def layer(timers: Timers | None = None, seed: int = 1) -> TransactionLayer:
    return TransactionLayer(timers=timers or Timers.rfc3261(), rng=random.Random(seed))


def sent(events: list[Event]) -> list[str]:
    """The messages put on the wire, by method or status."""
    return [
        event.message.method if isinstance(event.message, Request) else str(event.message.status)
        for event in events
        if isinstance(event, Send)
    ]


def run_until(under_test: TransactionLayer, end: float) -> list[tuple[float, Event]]:
    """Let the timers of one layer act up to `end` (inclusive), each at its own time; every event with its time."""
    happened: list[tuple[float, Event]] = []
    while (due := under_test.next_timeout()) is not None and due <= end:
        under_test.handle_timeout(due)
        happened += [(due, event) for event in under_test.poll()]
    return happened


def send_times(happened: list[tuple[float, Event]]) -> list[float]:
    return [round(time, 6) for time, event in happened if isinstance(event, Send)]


@dataclass
class Network:
    """A caller and a far end joined by a path of 10 ms; `lose(n, message)` says whether the n-th message vanishes."""

    lose: Callable[[int, Request | Response], bool]
    status: int = 200
    ring: bool = True
    reliable: bool = False
    now: float = 0.0
    caller: TransactionLayer = field(default_factory=lambda: layer(seed=1))
    far: TransactionLayer = field(default_factory=lambda: layer(seed=2))
    caller_events: list[Event] = field(default_factory=list)
    far_events: list[Event] = field(default_factory=list)
    wire: list[str] = field(default_factory=list)
    _flying: list[tuple[float, TransactionLayer, bytes]] = field(default_factory=list)

    DELAY = 0.010

    def run(self, message: Request, until: float = 200.0) -> None:
        """Send a request and let everything happen that follows."""
        self.caller.request(message, "flow", self.now, self.reliable)
        self._settle()
        while (due := self._next()) is not None and due <= until:
            self.now = due
            arrived = [entry for entry in self._flying if entry[0] <= due]
            self._flying = [entry for entry in self._flying if entry[0] > due]
            for _, receiver, data in arrived:
                receiver.receive(parse(data), "flow", due, self.reliable)
                self._settle()
            for one in (self.caller, self.far):
                one.handle_timeout(due)
            self._settle()

    def _next(self) -> float | None:
        times = [self.caller.next_timeout(), self.far.next_timeout(), *(entry[0] for entry in self._flying)]
        return min((time for time in times if time is not None), default=None)

    def _settle(self) -> None:
        for event in self.caller.poll():
            self.caller_events.append(event)
            self._carry(event, self.far)
            if isinstance(event, ResponseReceived):
                self._caller_core(event)
        for event in self.far.poll():
            self.far_events.append(event)
            self._carry(event, self.caller)
            if isinstance(event, RequestReceived):
                self._far_core(event)

    def _caller_core(self, event: ResponseReceived) -> None:
        response = event.response
        if response.cseq.method == "INVITE" and 200 <= response.status < 300:
            ack = request("ACK", response.cseq.number)
            ack.headers.set("To", str(response.to))
            self.caller.acknowledge(event.key, ack, "flow")
            self._settle()

    def _far_core(self, event: RequestReceived) -> None:
        if event.request.method == "INVITE" and self.ring:
            self.far.respond(event.key, answer(event.request, 180), self.now)
        self.far.respond(event.key, answer(event.request, self.status), self.now)
        self._settle()

    def _carry(self, event: Event, receiver: TransactionLayer) -> None:
        if not isinstance(event, Send):
            return
        self.wire += sent([event])
        if not self.lose(len(self.wire) - 1, event.message):
            self._flying.append((self.now + self.DELAY, receiver, event.message.encode()))

    # What the ends were told

    @property
    def finals(self) -> list[int]:
        """The final responses that the caller's core saw."""
        return [
            e.response.status for e in self.caller_events if isinstance(e, ResponseReceived) and e.response.status > 199
        ]

    @property
    def requests(self) -> int:
        return sum(isinstance(event, RequestReceived) for event in self.far_events)

    @property
    def acks(self) -> int:
        return sum(isinstance(event, AckReceived) for event in self.far_events)
