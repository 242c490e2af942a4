"""Client transactions: the actions of their tables, ACK for failures, CANCEL (RFC 3261 17.1, 9.1; RFC 6026 8.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from testbed.ims.headers import Headers
from testbed.ims.message import Request, Response
from testbed.ims.transaction_events import ClientKey, Flow, ResponseReceived, Send, TimedOut, TransportFailed
from testbed.ims.transaction_states import Machine


def hop_request(invite: Request, method: str, to: str) -> Request:
    """An ACK for a failure or a CANCEL: what travels exactly as far as its INVITE (17.1.1.3, 9.1)."""
    copied = [("Via", str(invite.via)), ("Max-Forwards", "70")]
    copied += [(name, invite.headers.get(name) or "") for name in ("From", "Call-ID")]
    copied.append(("To", to))
    copied.append(("CSeq", f"{invite.cseq.number} {method}"))
    # Security-Verify stands in every protected request (RFC 3329 2.3.1).
    copied += [(name, value) for name in ("Route", "Security-Verify") for value in invite.headers.get_all(name)]
    return Request(method, invite.uri, Headers(copied))


@dataclass
class ClientTransaction(Machine):
    """Both kinds; the table tells them apart."""

    key: ClientKey
    response: Response | None = field(init=False, default=None)

    def receive(self, response: Response, now: float) -> None:
        """A response of the other end."""
        self.response = response
        self.step(self._kind(response), now)

    @property
    def _answer(self) -> Response:
        assert self.response is not None, "an action on a response runs only on receiving one"
        return self.response

    def _kind(self, response: Response) -> str:
        return "1xx" if response.status < 200 else "final"

    def send_request(self, now: float) -> None:
        self.emit(Send(self.request, self.flow))

    def deliver(self, now: float) -> None:
        self.emit(ResponseReceived(self.key, self._answer))

    def time_out(self, now: float) -> None:
        self.emit(TimedOut(self.key, self.request))

    def fail(self, now: float) -> None:
        self.emit(TransportFailed(self.key, self.request))

    def slow_down(self, now: float) -> None:
        """17.1.2.2: in Proceeding timer E runs at T2; the one already running is let run out."""
        if "E" in self.intervals:
            self.intervals["E"] = self.timers.t2


@dataclass
class InviteClientTransaction(ClientTransaction):
    """An INVITE of ours."""

    on_cancel: Callable[[Request, Flow, float], None] = field(kw_only=True)
    cancel_wanted: bool = field(init=False, default=False)
    acks: dict[str | None, tuple[Request, Flow]] = field(init=False, default_factory=dict)

    def _kind(self, response: Response) -> str:
        return "1xx" if response.status < 200 else "2xx" if response.status < 300 else "failure"

    def acknowledge(self, now: float) -> None:
        ack = hop_request(self.request, "ACK", self._answer.headers.get("To") or "")
        self.emit(Send(ack, self.flow))

    def deliver_or_acknowledge_again(self, now: float) -> None:
        """13.2.2.4: the core acknowledges each 2xx; once it did for this dialog, the layer repeats that ACK."""
        known = self.acks.get(self._answer.to.tag)
        if known:
            self.emit(Send(*known))
        else:
            self.deliver(now)

    def remember_cancel(self, now: float) -> None:
        self.cancel_wanted = True

    def send_cancel(self, now: float) -> None:
        """Once per INVITE; if no final response follows in 64 T1, the INVITE is given up (9.1)."""
        if self.cancel_wanted and "cancel" not in self.deadlines:
            self.start("cancel", now, 64 * self.timers.t1)
            self.on_cancel(hop_request(self.request, "CANCEL", self.request.headers.get("To") or ""), self.flow, now)
