"""mac80211_hwsim's generic netlink family: radios made and removed, their frames taken and given.

Numbers and layouts are those of the kernel's drivers/net/wireless/virtual/mac80211_hwsim.h.  Frames come to whoever has
registered in the network namespace where the radios were made, wherever these are by now.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from drivers.errors import DriverError
from drivers.link.netlink import NLM_F_ACK, NLMSG_ERROR, Netlink, attribute, attributes, messages
from drivers.virtual.air import Rate

NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 0x10, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
REGISTER, FRAME, TX_INFO_FRAME, NEW_RADIO, DEL_RADIO, ADD_MAC_ADDR, DEL_MAC_ADDR = 1, 2, 3, 4, 5, 7, 8
ATTR_RECEIVER, ATTR_TRANSMITTER, ATTR_FRAME, ATTR_FLAGS = 1, 2, 3, 4
ATTR_RX_RATE, ATTR_SIGNAL, ATTR_TX_INFO, ATTR_COOKIE = 5, 6, 7, 8
ATTR_CHANNELS, ATTR_RADIO_ID, ATTR_REG_CUSTOM_REG, ATTR_RADIO_NAME = 9, 10, 12, 17
ATTR_FREQ, ATTR_TX_INFO_FLAGS, ATTR_PERM_ADDR = 19, 21, 22
# The first of the family's sets of rules: channels 1 to 11, 14, 36 to 48 and 149 to 165, none only to listen on.
OWN_RULES = 0
CTL_REQ_TX_STATUS, CTL_NO_ACK, STAT_ACK = 1, 2, 4
RC_MCS, RC_VHT_MCS = 1 << 3, 1 << 8
RATES = 4  # IEEE80211_TX_MAX_RATES
BUFFER = 1 << 21  # bytes that may wait for us: frames of some seconds


@dataclass(frozen=True)
class SentFrame:
    """A frame that a radio wants to send."""

    transmitter: bytes  # the address by which the kernel knows the radio
    data: bytes
    flags: int
    frequency_mhz: int
    tx_info: bytes
    rates: tuple[Rate, ...]
    cookie: bytes

    @property
    def destination(self) -> bytes:
        """Address 1 (IEEE 802.11-2020 9.2.4.3)."""
        return self.data[4:10]

    @property
    def source(self) -> bytes | None:
        """Address 2, which short control frames lack."""
        return self.data[10:16] if len(self.data) >= 16 else None

    @property
    def is_to_all(self) -> bool:
        return bool(self.destination[0] & 1)


@dataclass(frozen=True)
class AddressChange:
    """A radio receives what is for this address, or no longer does."""

    transmitter: bytes
    address: bytes
    added: bool


class Hwsim(Netlink):
    """The family, in the network namespace in which this object is made."""

    def __init__(self) -> None:
        super().__init__(NETLINK_GENERIC, "mac80211_hwsim")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._number = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        try:
            self._family = self._resolved()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def new_radio(self, name: str, address: bytes) -> int:
        """A radio, its phy named so, with this hardware address and one channel at a time; down, in this namespace.

        It brings rules of its own: those of the world forbid all of 5 GHz to access points.  Returns its number.  Where
        the name is taken the kernel calls it something else and says nothing.
        """
        given = attribute(ATTR_RADIO_NAME, name.encode()) + attribute(ATTR_PERM_ADDR, address)
        given += attribute(ATTR_CHANNELS, struct.pack("I", 1))
        given += attribute(ATTR_REG_CUSTOM_REG, struct.pack("I", OWN_RULES))
        self._call(NEW_RADIO, given, f"radio {name}")
        return self._number

    def remove_radio(self, which: str | int) -> bool:
        """Take a radio of this namespace away, by its name or number; False when there is none."""
        given = struct.pack("I", which) if isinstance(which, int) else which.encode() + b"\0"
        kind = ATTR_RADIO_ID if isinstance(which, int) else ATTR_RADIO_NAME
        try:
            self._call(DEL_RADIO, attribute(kind, given), f"removal of radio {which}")
        except DriverError as error:
            if "No such device" in error.what:
                return False
            raise
        return True

    def register(self) -> None:
        """Have all frames of radios made in this namespace brought to us, until this object closes."""
        mend = "another medium runs, which must end first; and no radio may have more than one channel (channels=1)"
        self._call(REGISTER, b"", "registration as the medium", mend=mend)
        self._socket.setblocking(False)

    def events(self) -> Iterator[SentFrame | AddressChange]:
        """What has come and is waiting."""
        while True:
            while self._waiting:
                kind, payload = self._waiting.popleft()
                if (event := _event(kind, payload, self._family)) is not None:
                    yield event
            try:
                data = self._socket.recv(1 << 17)
            except BlockingIOError:
                return
            except OSError as lost:
                if lost.errno != errno.ENOBUFS:
                    raise
                continue
            self._waiting.extend((kind, payload) for kind, _, payload in messages(data))

    def deliver(self, frame: SentFrame, receiver: bytes, signal_dbm: int, rate_index: int) -> bool:
        """Give a frame to a radio; False when that one does not listen there: off, or on another channel."""
        given = attribute(ATTR_RECEIVER, receiver) + attribute(ATTR_FRAME, frame.data)
        given += attribute(ATTR_RX_RATE, struct.pack("I", rate_index))
        given += attribute(ATTR_SIGNAL, struct.pack("i", signal_dbm))
        given += attribute(ATTR_FREQ, struct.pack("I", frame.frequency_mhz))
        message = self._message(self._family, _header(FRAME) + given, NLM_F_ACK)
        number = self._sequence
        self._socket.send(message)
        return self._acknowledged(number)

    def report(self, frame: SentFrame, tries: tuple[int, ...], acknowledged: bool, signal_dbm: int) -> None:
        """Tell the sender what became of its frame."""
        flags = frame.flags | (STAT_ACK if acknowledged else 0)
        info = b"".join(
            struct.pack("bB", index if place < len(tries) else -1, tries[place] if place < len(tries) else 0)
            for place, (index, _) in enumerate(struct.iter_unpack("bB", frame.tx_info))
        )
        given = attribute(ATTR_TRANSMITTER, frame.transmitter) + attribute(ATTR_FLAGS, struct.pack("I", flags))
        given += attribute(ATTR_COOKIE, frame.cookie) + attribute(ATTR_SIGNAL, struct.pack("i", signal_dbm))
        self._socket.send(
            self._message(self._family, _header(TX_INFO_FRAME) + attribute(ATTR_TX_INFO, info) + given, 0)
        )

    def _acknowledged(self, number: int) -> bool:
        """The kernel has dealt with a message before send() returns: its word waits, perhaps behind frames."""
        while True:
            try:
                data = self._socket.recv(1 << 17)
            except BlockingIOError:
                return False  # its word found no room
            except OSError as lost:
                if lost.errno != errno.ENOBUFS:
                    raise
                continue
            told: bool | None = None
            for kind, sequence, payload in messages(data):
                if kind == NLMSG_ERROR and sequence == number:
                    told = struct.unpack_from("i", payload)[0] == 0
                else:
                    self._waiting.append((kind, payload))
            if told is not None:
                return told

    def _judge(self, payload: bytes, what: str, fine: tuple[int, ...], mend: str | None) -> None:
        self._number = struct.unpack_from("i", payload)[0]
        if self._number <= 0:  # above: the number of the new radio
            super()._judge(payload, what, fine, mend)

    def _call(self, command: int, given: bytes, what: str, *, mend: str | None = None) -> None:
        self.request(self._family, _header(command) + given, what, mend=mend)

    def _resolved(self) -> int:
        """The family's number in this kernel."""
        name = attribute(CTRL_ATTR_FAMILY_NAME, b"MAC80211_HWSIM\0")
        mend = "load it (modprobe mac80211_hwsim radios=0), or run in the rig kernel (testbed kernel build)"
        body = struct.pack("BBH", CTRL_CMD_GETFAMILY, 1, 0) + name
        for kind, payload in self.exchange(GENL_ID_CTRL, body, "this kernel's family", NLM_F_ACK, mend=mend):
            if kind == GENL_ID_CTRL:
                number = attributes(payload[4:]).get(CTRL_ATTR_FAMILY_ID, b"")
        return int.from_bytes(number, "little")


def radio_address(number: int) -> bytes:
    """A locally administered hardware address for a virtual radio."""
    return bytes((0x02, 0x00, 0x5E, 0x10, number >> 8 & 0xFF, number & 0xFF))


def _header(command: int) -> bytes:
    return struct.pack("BBH", command, 1, 0)


def _event(kind: int, payload: bytes, family: int) -> SentFrame | AddressChange | None:
    if kind != family or len(payload) < 4:
        return None
    given = attributes(payload[4:])
    if payload[0] in (ADD_MAC_ADDR, DEL_MAC_ADDR):
        return AddressChange(given[ATTR_TRANSMITTER], given[ATTR_RECEIVER], payload[0] == ADD_MAC_ADDR)
    if payload[0] != FRAME:
        return None
    return SentFrame(
        given[ATTR_TRANSMITTER],
        given[ATTR_FRAME],
        struct.unpack("I", given[ATTR_FLAGS])[0],
        struct.unpack("I", given[ATTR_FREQ])[0],
        given[ATTR_TX_INFO],
        _rates(given[ATTR_TX_INFO], given.get(ATTR_TX_INFO_FLAGS, b"")),
        given[ATTR_COOKIE],
    )


def _rates(tx_info: bytes, flags: bytes) -> tuple[Rate, ...]:
    """The rates to be tried, up to the first that is none."""
    modes = [mode for _, mode in struct.iter_unpack("=bH", flags)] or [0] * RATES
    found = []
    for (index, tries), mode in zip(struct.iter_unpack("bB", tx_info), modes, strict=False):
        if index < 0:
            break
        mcs = index & 0xF if mode & RC_VHT_MCS else index & 0x7
        coded = bool(mode & (RC_MCS | RC_VHT_MCS))
        found.append(Rate(mcs if coded else index, max(tries, 1), coded))
    return tuple(found) or (Rate(0, 1),)
