"""The card's state: there or not, locked or not, and its numbers.  A PIN is sent once at most."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from drivers.modem.at.command import Command
from drivers.modem.errors import ModemError, Refused, ResponseError, SimError, SimLocked, SimMissing
from drivers.modem.responses.table import parse

Run = Callable[[Command], Awaitable[list[str]]]
# TS 27.007 9.2.1
NOT_INSERTED, FAILURE, BUSY, WRONG = "10", "13", "14", "15"
_MISSING = frozenset({NOT_INSERTED, FAILURE, WRONG})
PIN_TRIES = 3  # TS 102 221 9.5.1
_TRIES = re.compile(r'\s*\+CPINR:\s*"?SIM PIN"?\s*,\s*(\d+)(?:\s*,\s*(\d+))?', re.IGNORECASE)
_AGAIN_S = 0.5  # a card that is busy says so at once; nothing tells when it has become ready on every modem


class SimCard:
    """The card in a modem."""

    def __init__(self, run: Run, where: str) -> None:
        self._run, self._where = run, where
        self._refused: str | None = None  # the ICCID of the card that refused a PIN, or "" where it tells none

    async def state(self) -> str:
        """READY, SIM PIN, SIM PUK, PH-NET PIN, ...; raises SimMissing."""
        try:
            return str(parse("AT+CPIN?", "\r\n".join(await self._run(Command("AT+CPIN?", 10.0))))["state"])
        except Refused as refused:
            if refused.code in _MISSING or "inserted" in (refused.code or "").lower():
                raise SimMissing("there is no card", where=self._where, mend="insert a card, then reset") from refused
            raise

    async def wait_ready(self, deadline_s: float = 20.0, pin: str | None = None) -> None:
        """Wait while the card is busy; give the PIN if it wants one.  Raises SimMissing, SimLocked or SimError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        while (state := await self._state_or_busy()) is None:
            if loop.time() >= until:
                raise SimError(f"the card is busy for {deadline_s:g} s", where=self._where, mend="reset the modem")
            await asyncio.sleep(_AGAIN_S)
        if state == "SIM PIN" and pin is not None:
            await self.unlock(pin)
        elif state != "READY":
            mend = (
                "unlock it by hand"
                if "PUK" not in state
                else "the PUK is on the card's letter; ten errors end the card"
            )
            raise SimLocked(f"the card wants a code: {state}", where=self._where, mend=mend)

    async def unlock(self, pin: str) -> None:
        """Give the PIN.  Once it was refused it is never sent again to this card by this object."""
        if not (pin.isascii() and pin.isdecimal() and 4 <= len(pin) <= 8):
            raise SimLocked("a PIN has four to eight digits", where=self._where)
        card = await self._iccid_or_nothing()
        if self._refused == card or await self._was_tried():
            raise SimLocked("the card has refused a PIN already", where=self._where, mend="unlock it by hand")
        self._refused = card  # until we know better: were we cancelled now, it may have been counted
        try:
            await self._run(Command(f'AT+CPIN="{pin}"', 20.0, secret=True))
        except Refused as refused:
            what = f"the card refused the PIN ({refused.code})"
            raise SimLocked(what, where=self._where, mend="unlock it by hand, it will not be sent again") from refused
        self._refused = None

    async def imsi(self) -> str:
        return str(parse("AT+CIMI", "\r\n".join(await self._run(Command("AT+CIMI"))))["imsi"])

    async def iccid(self, commands: Sequence[str] = ("AT+CCID", "AT+ICCID")) -> str:
        """The card's number, by the first of these commands that says one."""
        for command in commands:
            try:
                answer = parse(command, "\r\n".join(await self._run(Command(command))))
            except (Refused, ResponseError):
                continue
            if answer["valid"]:
                return str(answer["iccid"])
        raise SimError("the modem tells no ICCID", where=self._where)

    async def _was_tried(self) -> bool:
        """Whether attempts at the PIN are used up, by us before or by anybody (+CPINR, TS 27.007 8.65)."""
        try:
            lines = await self._run(Command("AT+CPINR"))
        except Refused:
            return False  # the modem does not tell
        left = next((found for line in lines if (found := _TRIES.match(line))), None)
        return left is not None and int(left[1]) < int(left[2] or PIN_TRIES)

    async def _iccid_or_nothing(self) -> str:
        try:
            return await self.iccid()
        except ModemError:
            return ""

    async def _state_or_busy(self) -> str | None:
        try:
            return await self.state()
        except Refused as refused:
            if refused.code == BUSY or "busy" in (refused.code or "").lower():
                return None
            raise
