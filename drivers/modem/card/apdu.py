"""Commands to a card and their replies (ETSI TS 102 221 10.1 and 10.2, 11.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.modem.errors import CardRefused, SimError

OK = 0x9000
MORE, WRONG_LE = 0x61, 0x6C  # SW1: SW2 bytes wait for GET RESPONSE; ask again with Le = SW2
# TS 102 221 10.2.1, TS 31.102 7.3.1: what a user can do something about
MEANINGS = {
    0x6700: "wrong length",
    0x6881: "logical channels are not supported",
    0x6982: "the PIN was not given",
    0x6984: "the context of the authentication is not supported",
    0x6985: "conditions of use are not met",
    0x6A82: "the application or file is not on the card",
    0x6A81: "the function is not supported, or no logical channel is left",
    0x6D00: "the instruction is not known",
    0x6E00: "the class is not known",
    0x9862: "authentication error, wrong MAC",
    0x9864: "authentication error, the security context is not supported",
}


@dataclass(frozen=True)
class Apdu:
    """A command.  Its data may be a secret's origin and its reply is one; neither shows in a representation."""

    instruction: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None  # how many bytes are expected; 0 stands for 256
    cla: int = 0

    def on_channel(self, channel: int) -> Apdu:
        """The same on a logical channel (10.1.1): 1 to 3 in the class's last bits, 4 to 19 with bit 7 set."""
        if not 0 <= channel <= 19:
            raise SimError(f"there is no logical channel {channel}")
        cla = self.cla | (channel if channel < 4 else 0x40 | channel - 4)
        return Apdu(self.instruction, self.p1, self.p2, self.data, self.le, cla)

    def __bytes__(self) -> bytes:
        head = bytes((self.cla, self.instruction, self.p1, self.p2))
        body = bytes((len(self.data),)) + self.data if self.data else b""
        return head + body + (bytes((self.le,)) if self.le is not None else b"")


@dataclass(frozen=True)
class Reply:
    """A card's reply: data and status word."""

    data: bytes = field(repr=False)
    status: int

    @classmethod
    def parse(cls, reply: bytes) -> Reply:
        if len(reply) < 2:
            raise SimError("the card's reply has no status word")
        return cls(reply[:-2], int.from_bytes(reply[-2:], "big"))

    def check(self, what: str) -> bytes:
        """The data of a reply that is a success; raises CardRefused otherwise."""
        if self.status != OK:
            meaning = MEANINGS.get(self.status, "TS 102 221 10.2.1 says what that is")
            raise CardRefused(f"{what}: the card answered {self.status:04X}, {meaning}", status=self.status)
        return self.data


def get_response(length: int) -> Apdu:
    """GET RESPONSE (12.1.1)."""
    return Apdu(0xC0, 0, 0, le=length)


def select_application(aid: bytes) -> Apdu:
    """SELECT by DF name, first or only occurrence, no data returned (11.1.1)."""
    return Apdu(0xA4, 0x04, 0x0C, aid)


def open_channel() -> Apdu:
    """MANAGE CHANNEL: open one, the card says which (11.1.17)."""
    return Apdu(0x70, 0x00, 0x00, le=1)


def close_channel(channel: int) -> Apdu:
    """MANAGE CHANNEL: close."""
    return Apdu(0x70, 0x80, channel)
