"""Plain NAS messages: the header before the elements (3GPP TS 24.301 9.2 to 9.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivers.virtual.ran.errors import PeerFault
from drivers.virtual.ran.nas import emm, esm
from drivers.virtual.ran.nas.wire import EPS_MOBILITY_MANAGEMENT, EPS_SESSION_MANAGEMENT, Message

Sender = Literal["ue", "network"]
_EMM = {
    "ue": {message.TYPE: message for message in emm.FROM_UE},
    "network": {message.TYPE: message for message in emm.FROM_NETWORK},
}
_ESM = {message.TYPE: message for message in esm.ALL}


class UnknownMessage(PeerFault):
    """A message of a type that this UE does not implement (TS 24.301 7.4)."""


@dataclass(frozen=True)
class Esm:
    """An ESM message with the bearer and the procedure transaction that it is about; 0 where there is none."""

    message: Message
    bearer: int = 0
    transaction: int = 0

    def __bytes__(self) -> bytes:
        first = self.bearer << 4 | EPS_SESSION_MANAGEMENT
        return bytes((first, self.transaction, self.message.TYPE)) + self.message.body()


def encode(message: Message) -> bytes:
    """An EMM message without security."""
    return bytes((EPS_MOBILITY_MANAGEMENT, message.TYPE)) + message.body()


def decode(data: bytes, sender: Sender) -> Message | Esm:
    """A NAS message that bears no security header.  Raises PeerFault."""
    if len(data) < 2:
        raise PeerFault(f"a NAS message of {len(data)} octets", where="TS 24.301 9.1")
    if data[0] == EPS_MOBILITY_MANAGEMENT:
        return _known(_EMM[sender], data[1]).from_body(data[2:])
    if data[0] & 0xF == EPS_SESSION_MANAGEMENT and len(data) >= 3:
        return Esm(_known(_ESM, data[2]).from_body(data[3:]), data[0] >> 4, data[1])
    raise PeerFault(f"{data[:3].hex()} begins no NAS message of EPS", where="TS 24.301 9.2")


def decode_esm(data: bytes, sender: Sender) -> Esm:
    """An ESM message, as it lies in an ESM message container."""
    message = decode(data, sender)
    if not isinstance(message, Esm):
        raise PeerFault(f"{type(message).__name__} is no ESM message", where="ESM message container")
    return message


def _known(known: dict[int, type[Message]], number: int) -> type[Message]:
    if number not in known:
        raise UnknownMessage(f"message type {number:#04x} is not implemented", where="TS 24.301 9.8")
    return known[number]
