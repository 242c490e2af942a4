"""A card that computes Milenage, and a modem's AT commands that lead to it."""

from __future__ import annotations

import re

from testbed.ims.aka import AkaResult, MacFailure, SoftwareSim

ISIM, USIM = "A0000000871004FF49FF0589", "A0000000871002FF49FF0589"


class ScriptedCard:
    """`waits`: replies are fetched by GET RESPONSE; `exact`: AUTHENTICATE wants the right Le (6Cxx)."""

    def __init__(
        self, sim: SoftwareSim, applications: tuple[str, ...] = (ISIM, USIM), *, waits: bool = True, exact: bool = False
    ) -> None:
        self.sim, self.applications, self.waits, self.exact = sim, applications, waits, exact
        self.channels: dict[int, str | None] = {0: None}
        self.instructions: list[int] = []
        self._waiting = b""

    def select(self, aid: str) -> int | None:
        """Open a channel for an application that begins so; None when there is none."""
        found = next((one for one in self.applications if one.startswith(aid)), None)
        if found is None:
            return None
        channel = next(number for number in range(1, 4) if number not in self.channels)
        self.channels[channel] = found
        return channel

    def apdu(self, command: bytes, channel: int | None = None) -> bytes:
        """A reply; `channel` where the modem keeps it, else it is in the class."""
        cla, instruction, p1, p2, rest = command[0], command[1], command[2], command[3], command[4:]
        self.instructions.append(instruction)
        number = cla & 3 if channel is None else channel
        if number not in self.channels:
            return bytes.fromhex("6881")
        if instruction == 0x70:
            return self._manage(p1, p2)
        if instruction == 0xA4:
            return self._select_on(number, rest[1 : 1 + rest[0]].hex().upper())
        if instruction == 0xC0:
            return self._get_response(rest[0])
        if instruction == 0x88 and p2 == 0x81 and self.channels[number]:
            return self._authenticate(rest)
        return bytes.fromhex("6D00")

    def _manage(self, p1: int, p2: int) -> bytes:
        if p1 == 0x80:
            del self.channels[p2]
            return bytes.fromhex("9000")
        channel = next(number for number in range(1, 4) if number not in self.channels)
        self.channels[channel] = None
        return bytes((channel, 0x90, 0x00))

    def _select_on(self, channel: int, aid: str) -> bytes:
        found = next((one for one in self.applications if one.startswith(aid)), None)
        self.channels[channel] = found
        return bytes.fromhex("9000" if found else "6A82")

    def _get_response(self, length: int) -> bytes:
        data, self._waiting = self._waiting[: length or 256], self._waiting[length or 256 :]
        return data + (bytes((0x61, len(self._waiting))) if self._waiting else b"\x90\x00")

    def _authenticate(self, rest: bytes) -> bytes:
        assert rest[0] == 34 and rest[1] == 16 and rest[18] == 16, "Lc and the lengths of RAND and AUTN"
        if self.exact and len(rest) == 36 and rest[35] == 0:
            return bytes((0x6C, 53))  # and nothing is computed: the sequence number is not used up
        try:
            answer = self.sim.authenticate(rest[2:18], rest[19:35])
        except MacFailure:
            return bytes.fromhex("9862")
        if isinstance(answer, AkaResult):
            parts = (answer.res, answer.ck, answer.ik)
            data = b"\xdb" + b"".join(bytes((len(part),)) + part for part in parts)
        else:
            data = b"\xdc" + bytes((len(answer.auts),)) + answer.auts
        if not self.waits:
            return data + b"\x90\x00"
        self._waiting = data
        return bytes((0x61, len(data)))


class CardModem:
    """The answers of a modem with such a card; `paths` are the commands that it has."""

    def __init__(self, card: ScriptedCard, paths: tuple[str, ...] = ("+CGLA", "+CSIM")) -> None:
        self.card, self.paths = card, paths

    def __call__(self, command: str) -> str:
        refused, done = "\r\n+CME ERROR: 4\r\n", "\r\nOK\r\n"
        if found := re.fullmatch(r'AT\+CCHO="([0-9A-F]+)"', command):
            session = self.card.select(found[1]) if "+CCHO" in self.paths or "+CGLA" in self.paths else None
            return refused if session is None else f"\r\n+CCHO: {session}\r\n{done}"
        if found := re.fullmatch(r'AT\+CGLA=(\d+),(\d+),"([0-9A-F]+)"', command):
            return self._answer("+CGLA", found[2], found[3], int(found[1])) if "+CGLA" in self.paths else refused
        if found := re.fullmatch(r'AT\+CSIM=(\d+),"([0-9A-F]+)"', command):
            return self._answer("+CSIM", found[1], found[2], None) if "+CSIM" in self.paths else refused
        if found := re.fullmatch(r"AT\+CCHC=(\d+)", command):
            del self.card.channels[int(found[1])]
            return done
        return "\r\nERROR\r\n"

    def _answer(self, name: str, length: str, sent: str, channel: int | None) -> str:
        assert int(length) == len(sent)
        reply = self.card.apdu(bytes.fromhex(sent), channel).hex().upper()
        return f'\r\n{name}: {len(reply)},"{reply}"\r\n\r\nOK\r\n'
