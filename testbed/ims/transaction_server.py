"""Server transactions: the actions of their tables (RFC 3261 17.2, 13.3.1.4; RFC 6026 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from testbed.ims.message import Request, Response
from testbed.ims.transaction_events import Send, ServerKey, TimedOut, TransportFailed
from testbed.ims.transaction_states import Machine


@dataclass
class ServerTransaction(Machine):
    """Both kinds; the table tells them apart."""

    key: ServerKey
    response: Response | None = field(init=False, default=None)

    def respond(self, response: Response, now: float) -> None:
        """The core answers."""
        kind = self._kind(response)
        if (self.state, kind) in self.table.steps:  # a second final response must not replace the first
            self.response = response
        self.step(kind, now)

    def _kind(self, response: Response) -> str:
        return "respond 1xx" if response.status < 200 else "respond final"

    def send_response(self, now: float) -> None:
        """The last response, again; before there is one, nothing."""
        if self.response is not None:
            self.emit(Send(self.response, self.flow))

    def time_out(self, now: float) -> None:
        self.emit(TimedOut(self.key, self.request))

    def fail(self, now: float) -> None:
        self.emit(TransportFailed(self.key, self.request))


AckIndex = tuple[str, str | None, str | None, int]  # Call-ID, the caller's tag, our tag, CSeq number


def ack_index(message: Request | Response) -> AckIndex:
    """What an ACK for a 2xx has in common with that 2xx (13.2.2.4); its branch is its own."""
    return message.call_id, message.from_.tag, message.to.tag, message.cseq.number


@dataclass
class InviteServerTransaction(ServerTransaction):
    """An INVITE to us."""

    on_await_ack: Callable[[AckIndex], None] = field(kw_only=True)
    acked: bool = field(init=False, default=False)

    def _kind(self, response: Response) -> str:
        if response.status < 200:
            return "respond 1xx"
        return "respond 2xx" if response.status < 300 else "respond failure"

    def send_trying(self, now: float) -> None:
        self.response = self.request.response(100, "Trying", None)
        self.send_response(now)

    def no_trying(self, now: float) -> None:
        self.deadlines.pop("100", None)

    def await_ack(self, now: float) -> None:
        if self.response is not None:
            self.on_await_ack(ack_index(self.response))

    def acknowledged(self, now: float) -> None:
        self.acked = True
        self.deadlines.pop("2xx", None)

    def time_out_unless_acknowledged(self, now: float) -> None:
        """13.3.1.4: without an ACK the session should be ended; the core hears of it."""
        if not self.acked:
            self.time_out(now)
