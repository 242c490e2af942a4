"""RTP in a capture (RFC 3550 5.1): its headers as columns, and its streams by SSRC.

A UE that moves keeps SSRC and sequence numbers, while its address, port and interface change: a stream is what bears
one SSRC, whatever path it takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.measure.packets import CHUNK, UDP, Bools, Packets, heads
from testbed.measure.pcapng import Ints

RTP_HEADER = 12
RTCP_TYPES = (72, 76)  # 200-204 with the marker bit taken off (RFC 5761 4)
CLOCK_HZ = {0: 8000, 8: 8000}  # G.711 (RFC 3551 6)


@dataclass
class Rtp:
    """RTP packets in the order of capture; `row` is each one's place in the Packets they came from."""

    row: Ints
    time_ns: Ints
    sequence: NDArray[np.uint16]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    payload_type: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.row)

    def only(self, chosen: Bools) -> Rtp:
        """Some of the packets."""
        return Rtp(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def by_ssrc(self) -> dict[int, Rtp]:
        """The streams, in the order in which they appear."""
        if not len(self):
            return {}
        if (self.ssrc == self.ssrc[0]).all():
            return {int(self.ssrc[0]): self}
        values, first = np.unique(self.ssrc, return_index=True)
        return {int(value): self.only(self.ssrc == value) for value in values[np.argsort(first)]}


def read_rtp(packets: Packets, sources: Iterable[str] = (), destinations: Iterable[str] = ()) -> Rtp:
    """The RTP from any of `sources` to any of `destinations`; nothing given means any address.

    What is taken for RTP: version 2, a payload type that is not RTCP's, and room for the header.
    """
    end = packets.blocks.start + packets.blocks.captured
    chosen = (packets.protocol == UDP) & ~packets.fragment & (end - packets.transport >= 8 + RTP_HEADER)
    if sources:
        chosen &= packets.sent_by(sources)
    if destinations:
        chosen &= packets.sent_to(destinations)
    row = np.flatnonzero(chosen)
    head = np.empty((len(row), RTP_HEADER), np.uint8)
    for begin in range(0, len(row), CHUNK):
        part = row[begin : begin + CHUNK]
        head[begin : begin + CHUNK] = heads(packets.blocks, packets.transport[part] + 8, RTP_HEADER)
    kind = head[:, 1] & 0x7F
    good = (head[:, 0] >> 6 == 2) & ((kind < RTCP_TYPES[0]) | (kind > RTCP_TYPES[1]))
    if not good.all():
        row, head, kind = row[good], head[good], kind[good]
    return Rtp(
        row=row,
        time_ns=packets.time_ns[row],
        sequence=head.view(">u2")[:, 1].astype(np.uint16),
        timestamp=head.view(">u4")[:, 1].astype(np.uint32),
        ssrc=head.view(">u4")[:, 2].astype(np.uint32),
        payload_type=kind.astype(np.uint8),
    )


def extended(sequence: NDArray[np.uint16], near: int | None = None) -> Ints:
    """Sequence numbers without their wrap (RFC 3550 A.1), starting near `near` where given."""
    if not len(sequence):
        return np.empty(0, np.int64)
    first = int(sequence[0])
    if near is not None:
        first = near + ((first - near + 0x8000) & 0xFFFF) - 0x8000
    steps = np.diff(sequence).astype(np.int16).astype(np.int64)
    return np.concatenate([[first], first + np.cumsum(steps)])


def first_copies(number: Ints) -> Bools:
    """Which of these are the first of their value: the others are duplicates."""
    first = np.zeros(len(number), np.bool_)
    if len(number) and (np.diff(number) > 0).all():
        first[:] = True
    else:
        first[np.unique(number, return_index=True)[1]] = True
    return first


@dataclass(frozen=True)
class StreamFigures:
    """One stream at one capture, as tshark's `-z rtp,streams` would say it."""

    ssrc: int
    packets: int
    lost: int
    duplicates: int
    reordered: int
    max_gap_ms: float
    jitter_ms: float


def figures(stream: Rtp) -> StreamFigures:
    """Count one stream.  Jitter is the mean of |D| of RFC 3550 A.8, not its running estimate."""
    number = extended(stream.sequence)
    first = first_copies(number)
    unique = number[first]
    expected = int(unique.max() - unique.min()) + 1
    gaps = np.diff(stream.time_ns[first]) / 1e6
    clock = CLOCK_HZ.get(int(stream.payload_type[0]), 8000)
    media_ms = np.diff(stream.timestamp[first]).astype(np.int32) * 1000 / clock
    return StreamFigures(
        ssrc=int(stream.ssrc[0]),
        packets=len(stream),
        lost=expected - len(unique),
        duplicates=len(stream) - len(unique),
        reordered=int((unique < np.maximum.accumulate(unique)).sum()),
        max_gap_ms=float(gaps.max()) if len(gaps) else 0.0,
        jitter_ms=float(np.abs(gaps - media_ms).mean()) if len(gaps) else 0.0,
    )
