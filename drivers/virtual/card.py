"""A virtual UICC: command APDUs in, responses out (ETSI TS 102 221 10 and 11, 3GPP TS 31.102 7.1, TS 31.103 7.1).

It answers as over T=0: what a command with data returns is announced by 61xx and fetched by GET RESPONSE.  The
authentication functions are not the card's business but whoever makes it hands them in: a card computes what the
subscriber's software SIM computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.modem.card import authentication
from drivers.modem.card.authentication import Keys, OutOfStep
from drivers.virtual.card_files import (
    CURRENT_ADF,
    MF,
    Application,
    File,
    RecordFile,
    Subscription,
    TransparentFile,
    isim,
    master_file,
    tlv,
    usim,
)

PIN_TRIES, PUK_TRIES = 3, 10
CHANNELS = 4  # the basic one and those that MANAGE CHANNEL opens (TS 102 221 8.7)

SUCCESS = 0x9000
WRONG_LENGTH = 0x6700
NO_SUCH_CHANNEL = 0x6881
WRONG_FILE_TYPE = 0x6981
NOT_VERIFIED = 0x6982
BLOCKED = 0x6983
NO_FILE_SELECTED = 0x6986
NOT_FOUND = 0x6A82
NO_SUCH_RECORD = 0x6A83
WRONG_P1_P2 = 0x6A86
NO_SUCH_INSTRUCTION = 0x6D00
NO_SUCH_CLASS = 0x6E00

AkaAnswer = Keys | OutOfStep | None  # None: AUTN is not the home network's
Aka = Callable[[bytes, bytes], AkaAnswer]  # of RAND and AUTN


class Status(Exception):
    """A status word that ends a command."""

    def __init__(self, word: int) -> None:
        super().__init__(f"{word:04X}")
        self.word = word


@dataclass(frozen=True)
class Apdu:
    """A command APDU (TS 102 221 10.1); `le` is None where the command asks for no data, 0 for as much as there is."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Apdu:
        """Raises Status(WRONG_LENGTH) when the lengths do not add up."""
        if len(raw) < 4:
            raise Status(WRONG_LENGTH)
        cla, ins, p1, p2 = raw[:4]
        rest = raw[4:]
        if len(rest) <= 1:
            return cls(cla, ins, p1, p2, le=rest[0] if rest else None)
        data, tail = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        if len(data) != rest[0] or len(tail) > 1:
            raise Status(WRONG_LENGTH)
        return cls(cla, ins, p1, p2, data, tail[0] if tail else None)

    @property
    def channel(self) -> int:
        """The logical channel (TS 102 221 10.1.1): in two bits of the class byte, or in four of a further one."""
        return 4 + (self.cla & 0xF) if self.cla & 0x40 else self.cla & 0x3


@dataclass
class Channel:
    """What is selected on a logical channel."""

    application: Application
    file: File | None = None
    waiting: bytes = b""  # for GET RESPONSE


class Card:
    """A UICC in a virtual stick.  It forgets what was verified and selected when it is reset."""

    def __init__(self, subscription: Subscription, aka: Aka) -> None:
        self.subscription, self._aka = subscription, aka
        self.pin_tries, self.puk_tries = PIN_TRIES, PUK_TRIES
        self._pin = subscription.pin
        self._root = master_file(subscription)
        self._applications = [usim(subscription), *([isim(subscription)] if subscription.has_isim else [])]
        self.reset()

    def reset(self) -> None:
        self.verified = not self._pin
        self._channels: dict[int, Channel] = {0: Channel(self._root)}

    # The PIN, as the modem's own commands use it

    def verify(self, pin: str) -> bool:
        """Whether the PIN is right; a wrong one costs a try."""
        if self.pin_tries == 0:
            return False
        right = pin == self._pin
        self.pin_tries = PIN_TRIES if right else self.pin_tries - 1
        self.verified = self.verified or right
        return right

    def unblock(self, puk: str, pin: str) -> bool:
        """Whether the PUK is right; the PIN is `pin` then."""
        if self.puk_tries == 0:
            return False
        right = puk == self.subscription.puk
        self.puk_tries = PUK_TRIES if right else self.puk_tries - 1
        if right:
            self._pin, self.pin_tries, self.verified = pin, PIN_TRIES, True
        return right

    # Logical channels, as +CCHO and +CCHC use them

    def open_channel(self, aid: bytes) -> int | None:
        """A channel with an application selected, or None where there is no such application or no channel left."""
        number = next((number for number in range(1, CHANNELS) if number not in self._channels), None)
        application = self._application(aid)
        if number is None or application is None:
            return None
        self._channels[number] = Channel(application)
        return number

    def close_channel(self, number: int) -> bool:
        return number != 0 and self._channels.pop(number, None) is not None

    # APDUs

    def transmit(self, raw: bytes) -> bytes:
        """Answer a command APDU.  Any bytes get an answer of at least a status word."""
        try:
            apdu = Apdu.parse(raw)
            if apdu.cla & 0xA0 not in (0x00, 0x80):
                raise Status(NO_SUCH_CLASS)
            channel = self._channels.get(apdu.channel)
            if channel is None:
                raise Status(NO_SUCH_CHANNEL)
            handler = INSTRUCTIONS.get(apdu.ins)
            if handler is None:
                raise Status(NO_SUCH_INSTRUCTION)
            data = handler(self, channel, apdu)
        except Status as status:
            return status.word.to_bytes(2, "big")
        if data and apdu.data:  # T=0 carries data one way in one command
            channel.waiting = data
            return bytes((0x61, len(data) & 0xFF))
        return data + SUCCESS.to_bytes(2, "big")

    def select(self, channel: Channel, apdu: Apdu) -> bytes:
        """SELECT (TS 102 221 11.1.1): by AID, by file identifier, by path from the MF."""
        if apdu.p1 == 0x04:
            application = self._application(apdu.data)
            if application is None:
                raise Status(NOT_FOUND)
            channel.application, channel.file = application, None
        elif apdu.p1 in (0x00, 0x08):
            path = [int.from_bytes(apdu.data[at : at + 2], "big") for at in range(0, len(apdu.data), 2)]
            if apdu.p1 == 0x08 and path[:1] != [CURRENT_ADF]:
                path.insert(0, MF)
            for number in path:
                self._select_file(channel, number)
        else:
            raise Status(WRONG_P1_P2)
        if apdu.p2 == 0x0C:
            return b""
        return (channel.file or channel.application).fcp()

    def read_binary(self, channel: Channel, apdu: Apdu) -> bytes:
        """READ BINARY (TS 102 221 11.1.3)."""
        file = self._readable(channel)
        if not isinstance(file, TransparentFile):
            raise Status(WRONG_FILE_TYPE)
        return _asked(file.body[apdu.p1 << 8 | apdu.p2 :], apdu)

    def read_record(self, channel: Channel, apdu: Apdu) -> bytes:
        """READ RECORD (TS 102 221 11.1.5), absolute."""
        file = self._readable(channel)
        if not isinstance(file, RecordFile):
            raise Status(WRONG_FILE_TYPE)
        if apdu.p2 & 0x7 != 0x04:
            raise Status(WRONG_P1_P2)
        if not 1 <= apdu.p1 <= len(file.records):
            raise Status(NO_SUCH_RECORD)
        return _asked(file.records[apdu.p1 - 1], apdu)

    def get_response(self, channel: Channel, apdu: Apdu) -> bytes:
        """GET RESPONSE (TS 102 221 12.1.1)."""
        length = apdu.le or len(channel.waiting)
        data, channel.waiting = channel.waiting[:length], channel.waiting[length:]
        return data

    def authenticate(self, channel: Channel, apdu: Apdu) -> bytes:
        """AUTHENTICATE (TS 31.102 7.1.2.1, TS 31.103 7.1.2.1)."""
        if channel.application is self._root or apdu.p2 != authentication.IMS_AKA:
            raise Status(WRONG_P1_P2)
        if not self.verified:
            raise Status(NOT_VERIFIED)
        rand, autn = apdu.data[1:17], apdu.data[18:]
        if apdu.data[:1] != b"\x10" or apdu.data[17:18] != b"\x10" or len(autn) != 16:
            raise Status(WRONG_LENGTH)
        answer = self._aka(rand, autn)
        if answer is None:
            raise Status(authentication.WRONG_MAC)
        if isinstance(answer, OutOfStep):
            return tlv(authentication.SYNCHRONISATION_FAILURE, answer.auts)
        parts = (answer.res, answer.ck, answer.ik)
        return bytes((authentication.SUCCESS,)) + b"".join(bytes((len(part),)) + part for part in parts)

    def manage_channel(self, channel: Channel, apdu: Apdu) -> bytes:
        """MANAGE CHANNEL (TS 102 221 11.1.17): P1 00 opens one, whose number is the answer; 80 closes one."""
        if apdu.p1 == 0x80:
            if not self.close_channel(apdu.p2):
                raise Status(NO_SUCH_CHANNEL)
            return b""
        number = next((number for number in range(1, CHANNELS) if number not in self._channels), None)
        if number is None:
            raise Status(0x6A81)
        self._channels[number] = Channel(self._root)
        return bytes((number,))

    def verify_pin(self, channel: Channel, apdu: Apdu) -> bytes:
        """VERIFY PIN (TS 102 221 11.1.9); without data it tells how many tries are left."""
        if apdu.data and self.verify(apdu.data.rstrip(b"\xff").decode("latin-1")):
            return b""
        raise Status(0x63C0 | self.pin_tries if self.pin_tries else BLOCKED)

    def status(self, channel: Channel, apdu: Apdu) -> bytes:
        """STATUS (TS 102 221 11.1.2)."""
        return b"" if apdu.p2 == 0x0C else channel.application.fcp()

    def _application(self, aid: bytes) -> Application | None:
        """By its AID or the beginning of it (TS 102 221 8.4.1); one of less than five bytes names nobody."""
        if len(aid) < 5:
            return None
        return next((one for one in self._applications if one.aid.startswith(aid)), None)

    def _select_file(self, channel: Channel, number: int) -> None:
        if number == MF:
            channel.application, channel.file = self._root, None
        elif number == CURRENT_ADF and channel.application is not self._root:
            channel.file = None
        elif file := channel.application.files.get(number):
            channel.file = file
        else:
            raise Status(NOT_FOUND)

    def _readable(self, channel: Channel) -> File:
        if channel.file is None:
            raise Status(NO_FILE_SELECTED)
        if not self.verified and not channel.file.open:
            raise Status(NOT_VERIFIED)
        return channel.file


INSTRUCTIONS: dict[int, Callable[[Card, Channel, Apdu], bytes]] = {
    0x20: Card.verify_pin,
    0x70: Card.manage_channel,
    0x88: Card.authenticate,
    0xA4: Card.select,
    0xB0: Card.read_binary,
    0xB2: Card.read_record,
    0xC0: Card.get_response,
    0xF2: Card.status,
}


def _asked(data: bytes, apdu: Apdu) -> bytes:
    """As much of it as was asked for; another length than there is costs a 6Cxx (TS 102 221 10.2.1.6)."""
    if apdu.le is None or apdu.le == 0:
        return data
    if apdu.le > len(data):
        raise Status(0x6C00 | len(data))
    return data[: apdu.le]
