"""What goes in and out of the transaction layer besides messages: keys and events."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from testbed.ims.message import Request, Response

Flow = Hashable  # names the socket or security association a message goes by; the layer only hands it on


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client transaction (RFC 3261 17.1.3)."""

    branch: str
    method: str


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A server transaction (RFC 3261 17.2.3).  An ACK and its INVITE have the same."""

    branch: str
    sent_by: str
    method: str


TransactionKey = ClientKey | ServerKey


@dataclass(frozen=True, slots=True)
class Send:
    """Put this message on that flow."""

    message: Request | Response
    flow: Flow


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A response to our request.  A 2xx to INVITE may come several times until it was acknowledged."""

    key: ClientKey
    response: Response


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A new request, never a repetition; answer it with `respond(key, ...)`."""

    key: ServerKey
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The ACK of a 2xx; `key` is that of the INVITE, None when no INVITE waits for it."""

    request: Request
    flow: Flow
    key: ServerKey | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The INVITE of `key` was cancelled by its sender.  The CANCEL is answered; the INVITE now wants a 487."""

    key: ServerKey
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nobody answered: no response to our request, or no ACK to our final response."""

    key: TransactionKey
    request: Request


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The flow of this transaction broke; the transaction is over."""

    key: TransactionKey
    request: Request


@dataclass(frozen=True, slots=True)
class Terminated:
    """The transaction is gone; its key means nothing any more."""

    key: TransactionKey


@dataclass(frozen=True, slots=True)
class Discarded:
    """A message that belongs to nothing: nobody needs to act, a log may want to know."""

    message: Request | Response
    flow: Flow
    reason: str


Event = (
    Send
    | ResponseReceived
    | RequestReceived
    | AckReceived
    | Cancelled
    | TimedOut
    | TransportFailed
    | Terminated
    | Discarded
)
