"""Where the packets of a pcapng file lie, and when they were stamped (draft-ietf-opsawg-pcapng).

A capture of a call is hundreds of thousands of blocks of very few lengths.  So the file is mapped, not read, and runs
of equal blocks are walked by one numpy comparison: if the block at p is a packet block of length L, and so is the one
at p + L, then the chain holds for as long as the comparison does.  What is not a packet is read one block at a time.

Only little-endian files are read: dumpcap writes in the byte order of its machine.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import MeasurementInvalid

SECTION_HEADER, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
BLOCK_HEADER = 12  # type, length, and the length again at the end
PACKET_HEADER = 28  # type, length, interface, two halves of the time, captured length, original length
OPT_END, IF_NAME, IF_TSRESOL, IF_TSOFFSET = 0, 2, 9, 14
ISB_IFRECV, ISB_IFDROP = 4, 5

Ints = NDArray[np.int64]


@dataclass
class Interface:
    """An interface description block: `link_type` as in the tcpdump.org list, and how its time is counted."""

    link_type: int
    name: str = ""
    ticks_per_second: int = 1_000_000
    offset_s: int = 0


@dataclass
class Blocks:
    """What a file holds.  `start` and the other arrays have one element for each packet, in the file's order."""

    data: NDArray[np.uint8]
    start: Ints  # byte at which the packet's frame begins
    captured: Ints  # bytes of the frame that the file holds
    time_ns: Ints  # since 1970
    interface: Ints  # index into `interfaces`
    interfaces: list[Interface] = field(default_factory=list)
    dropped: int = 0  # what dumpcap's interface statistics blocks admit
    truncated: bool = False  # the file ends inside a block: its writer was killed


def read_blocks(path: Path) -> Blocks:
    """Map the file and find its packets.  MeasurementInvalid for what is not pcapng, naming the byte."""
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            data = np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8) if size else None
    except OSError as error:
        raise MeasurementInvalid(f"the capture cannot be read: {error.strerror}", where=str(path)) from error
    if data is None:
        raise MeasurementInvalid("the capture is empty", where=str(path), mend="see the log of dumpcap")
    return _Walk(path, data).run()


class _Walk:
    """One pass over the blocks of one file."""

    def __init__(self, path: Path, data: NDArray[np.uint8]) -> None:
        self.path = path
        self.data = data
        whole = len(data) & ~3
        self.words = data[:whole].view("<u4")
        self.word = self.words.data  # a memoryview: element access three times as fast as numpy's
        self.runs: list[tuple[int, int, int, int]] = []  # first block, block length, blocks, first interface
        self.interfaces: list[Interface] = []
        self.section_base = 0  # interface numbers count from 0 in every section
        self.dropped = 0

    def run(self) -> Blocks:
        position, end, truncated = 0, len(self.words) * 4, False
        if end < BLOCK_HEADER or self.word[0] != SECTION_HEADER:
            raise self._damage(0, "this is not a pcapng file")
        while position + BLOCK_HEADER <= end:
            kind, length = self.word[position >> 2], self.word[(position >> 2) + 1]
            if length < BLOCK_HEADER or length & 3:
                raise self._damage(position, f"a block cannot be {length} bytes long")
            if position + length > end:
                truncated = True
                break
            if kind == PACKET:
                count = self._equal_blocks(position, length, end)
                self.runs.append((position, length, count, self.section_base))
                position += count * length
                continue
            self._other_block(kind, position, length)
            position += length
        return self._columns(truncated or position != len(self.data))

    def _equal_blocks(self, position: int, length: int, end: int) -> int:
        """How many packet blocks of this length follow each other from here on."""
        stride, first = length >> 2, position >> 2
        available = (end - position) // length
        if available < 2 or self.word[first + stride] != PACKET or self.word[first + stride + 1] != length:
            return 1
        count, step = 2, 16
        while count < available:
            step = min(step * 2, available - count, 1 << 16)
            begin = first + count * stride
            stop = begin + step * stride
            kinds, lengths = self.words[begin:stop:stride], self.words[begin + 1 : stop : stride]
            same = (kinds == PACKET) & (lengths == length)
            if not same.all():
                return count + int(np.argmin(same))
            count += step
        return count

    def _other_block(self, kind: int, position: int, length: int) -> None:
        body = self.data[position + 8 : position + length - 4].tobytes()
        if kind == SECTION_HEADER:
            if int.from_bytes(body[:4], "little") != BYTE_ORDER_MAGIC:
                raise self._damage(position, "this section is not little-endian")
            self.section_base = len(self.interfaces)
        elif kind == INTERFACE:
            self.interfaces.append(_interface(body))
        elif kind == STATISTICS:
            values = _options(body[12:])
            self.dropped += int.from_bytes(values.get(ISB_IFDROP, b""), "little")

    def _columns(self, truncated: bool) -> Blocks:
        table = np.array(self.runs, np.int64).reshape(-1, 4)
        first, length, count, base = table.T
        total = int(count.sum())
        within = np.arange(total, dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
        block = np.repeat(first, count) + within * np.repeat(length, count)
        index = block >> 2
        number = self.words[index + 2].astype(np.int64) + np.repeat(base, count)
        if total and (not self.interfaces or int(number.max()) >= len(self.interfaces)):
            raise self._damage(int(block[0]), "a packet belongs to an interface that is not described")
        ticks = (self.words[index + 3].astype(np.int64) << 32) | self.words[index + 4]
        captured = self.words[index + 5].astype(np.int64)
        room = np.repeat(length, count) - PACKET_HEADER - 4
        if total and bool((captured > room).any()):
            raise self._damage(int(block[int(np.argmax(captured > room))]), "a packet is longer than its block")
        return Blocks(
            self.data, block + PACKET_HEADER, captured, self._nanoseconds(ticks, number), number,
            self.interfaces, self.dropped, truncated,
        )  # fmt: skip

    def _nanoseconds(self, ticks: Ints, number: Ints) -> Ints:
        time_ns = np.empty_like(ticks)
        for index, interface in enumerate(self.interfaces):
            chosen = slice(None) if len(self.interfaces) == 1 else number == index
            seconds, rest = np.divmod(ticks[chosen], interface.ticks_per_second)
            fraction = rest * 1_000_000_000 // interface.ticks_per_second
            time_ns[chosen] = (seconds + interface.offset_s) * 1_000_000_000 + fraction
        return time_ns

    def _damage(self, position: int, what: str) -> MeasurementInvalid:
        return MeasurementInvalid(what, where=f"{self.path}, byte {position}", mend="keep the file and repeat the run")


def _options(raw: bytes) -> dict[int, bytes]:
    """Options of a block: code, length, value padded to four bytes."""
    found: dict[int, bytes] = {}
    position = 0
    while position + 4 <= len(raw):
        code, length = struct.unpack_from("<HH", raw, position)
        if code == OPT_END:
            break
        found[code] = raw[position + 4 : position + 4 + length]
        position += 4 + (length + 3 & ~3)
    return found


def _interface(body: bytes) -> Interface:
    options = _options(body[8:])
    resolution = options.get(IF_TSRESOL, b"\x06")[0]
    ticks = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    return Interface(
        link_type=int.from_bytes(body[:2], "little"),
        name=options.get(IF_NAME, b"").decode(errors="replace"),
        ticks_per_second=min(ticks, 10**9),  # finer than nanoseconds has never been seen, and would overflow
        offset_s=int.from_bytes(options.get(IF_TSOFFSET, bytes(8)), "little", signed=True),
    )
