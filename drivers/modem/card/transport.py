"""APDUs to an application on the card, over AT: +CCHO, +CGLA, +CCHC (3GPP TS 27.007 8.43 to 8.46), or +CSIM (8.17).

Either way a logical channel is used: what the modem itself has selected on the basic one is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from drivers.modem.at.command import Command
from drivers.modem.card import apdu
from drivers.modem.card.apdu import Apdu, Reply
from drivers.modem.errors import SimError

Run = Callable[[Command], Awaitable[list[str]]]
TIMEOUT_S = 10.0
MOST_EXCHANGES = 16  # GET RESPONSEs to one command
_ANSWER = re.compile(r"\+(?:CGLA|CSIM)\s*:\s*([0-9]+)\s*,\s*\"?([0-9A-Fa-f]*)\"?\s*")


class Session(Protocol):
    """An application that has been selected."""

    async def transmit(self, command: Apdu) -> Reply:
        """Send a command; the reply is whole."""

    async def close(self) -> None:
        """Give the logical channel back."""


class LogicalChannelSession:
    """+CGLA: the modem keeps the channel."""

    name = "+CGLA"

    def __init__(self, run: Run, session: int) -> None:
        self._run, self._session = run, session

    @classmethod
    async def open(cls, run: Run, aid: bytes) -> LogicalChannelSession:
        lines = await run(Command(f'AT+CCHO="{aid.hex().upper()}"', TIMEOUT_S))
        found = re.fullmatch(r"(?:\+CCHO\s*:)?\s*([0-9]{1,9})", lines[-1].strip()) if lines else None
        if not found:
            raise SimError(f"AT+CCHO was answered without a session: {lines}")
        return cls(run, int(found[1]))

    async def transmit(self, command: Apdu) -> Reply:
        return await _whole(command, self._exchange)

    async def close(self) -> None:
        await self._run(Command(f"AT+CCHC={self._session}", TIMEOUT_S))

    async def _exchange(self, command: Apdu) -> Reply:
        return await _exchange(self._run, f"AT+CGLA={self._session},", command)


class GenericAccessSession:
    """+CSIM: we keep the channel."""

    name = "+CSIM"

    def __init__(self, run: Run, channel: int) -> None:
        self._run, self._channel = run, channel

    @classmethod
    async def open(cls, run: Run, aid: bytes) -> GenericAccessSession:
        reply = await _exchange(run, "AT+CSIM=", apdu.open_channel())
        number = reply.check("MANAGE CHANNEL")
        if len(number) != 1:
            raise SimError("the card opened a logical channel and did not say which")
        session = cls(run, number[0])
        try:
            (await session.transmit(apdu.select_application(aid))).check("SELECT")
        except SimError:
            await session.close()
            raise
        return session

    async def transmit(self, command: Apdu) -> Reply:
        return await _whole(command.on_channel(self._channel), self._exchange)

    async def close(self) -> None:
        await self._exchange(apdu.close_channel(self._channel))

    async def _exchange(self, command: Apdu) -> Reply:
        return await _exchange(self._run, "AT+CSIM=", command)


async def _exchange(run: Run, prefix: str, command: Apdu) -> Reply:
    sent = bytes(command).hex().upper()
    lines = await run(Command(f'{prefix}{len(sent)},"{sent}"', TIMEOUT_S, secret=True))
    for line in lines:
        found = _ANSWER.fullmatch(line.strip())
        # The length counts digits; a modem that counts bytes is believed too.  The reply itself may be a secret.
        if found and len(found[2]) % 2 == 0 and int(found[1]) in (len(found[2]), len(found[2]) // 2):
            return Reply.parse(bytes.fromhex(found[2]))
    raise SimError(f"{prefix.rstrip('0123456789,=')} was answered without a card's reply")


async def _whole(command: Apdu, exchange: Callable[[Apdu], Awaitable[Reply]]) -> Reply:
    """The reply with what waits behind it (TS 102 221 7.3.1.1); many modems have fetched that themselves."""
    reply = await exchange(command)
    if reply.status >> 8 == apdu.WRONG_LE:
        again = Apdu(command.instruction, command.p1, command.p2, command.data, reply.status & 0xFF, command.cla)
        reply = await exchange(again)
    data = reply.data
    for _ in range(MOST_EXCHANGES):
        if reply.status >> 8 != apdu.MORE:
            break
        following = apdu.get_response(reply.status & 0xFF)
        reply = await exchange(Apdu(following.instruction, 0, 0, le=following.le, cla=command.cla))
        data += reply.data
    return Reply(data, reply.status)
