"""SIP as it went over the wire, in ESP or not: what the timeline, the phases and the ladder are made of.

This reads leniently, for evidence: a message that a parser would refuse is in the trace all the same.  Framing on TCP
follows RFC 3261 18.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from testbed.measure.datagrams import Segment
from testbed.measure.packets import TCP, UDP

_START = re.compile(rb"(?:SIP/2\.0 (\d{3}) ([^\r\n]*)|([A-Z]+) (\S+) SIP/2\.0)\r\n")
_LENGTH = re.compile(rb"\r\n(?:Content-Length|l)[ \t]*:[ \t]*(\d{1,9})", re.IGNORECASE)
COMPACT = {"t": "to", "f": "from", "i": "call-id", "m": "contact", "v": "via", "l": "content-length", "k": "supported"}


@dataclass(frozen=True)
class SipMessage:
    """One message at one capture point.  `method` is that of the CSeq, for answers too."""

    time_ns: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    transport: str
    outgoing: bool
    protected: bool
    icv_ok: bool | None
    method: str
    status: int | None  # None: a request
    reason: str
    request_uri: str
    cseq: int
    headers: dict[str, list[str]] = field(repr=False)
    text: bytes = field(repr=False)

    @property
    def call_id(self) -> str:
        return self.first("call-id")

    def first(self, name: str) -> str:
        """The first value of a header (lower case name), or nothing."""
        return next(iter(self.headers.get(name, [])), "")

    @property
    def title(self) -> str:
        """`REGISTER`, `200 OK`: what a ladder writes at its arrow."""
        return self.method if self.status is None else f"{self.status} {self.reason}".strip()


def sip_messages(segments: Iterable[Segment]) -> list[SipMessage]:
    """Every SIP message among the segments, in order of the time at which its last byte was captured."""
    found: list[SipMessage] = []
    streams: dict[tuple[str, int, str, int], _Stream] = {}
    for segment in segments:
        if segment.protocol == UDP:
            match = _START.match(segment.payload)
            if match:
                found.append(_message(segment, segment.payload))
        elif segment.protocol == TCP:
            ends = (segment.source, segment.source_port, segment.destination, segment.destination_port)
            if segment.syn or ends not in streams:
                streams[ends] = _Stream(segment.sequence + segment.syn)
            for text in streams[ends].feed(segment):
                found.append(_message(segment, text))
    return sorted(found, key=lambda message: message.time_ns)


class _Stream:
    """One direction of a TCP connection: bytes in order, cut into messages."""

    def __init__(self, sequence: int) -> None:
        self._next = sequence & 0xFFFFFFFF
        self._waiting: dict[int, bytes] = {}
        self._buffer = b""

    def feed(self, segment: Segment) -> Iterator[bytes]:
        """Take a segment; give the messages that it completes."""
        if segment.payload:
            self._waiting[segment.sequence] = max(segment.payload, self._waiting.get(segment.sequence, b""), key=len)
        while (piece := self._take()) is not None:
            self._buffer += piece
        while (text := self._cut()) is not None:
            yield text

    def _take(self) -> bytes | None:
        """The next bytes in order; what was seen before (a retransmission) is cut off."""
        for sequence in list(self._waiting):
            behind = (self._next - sequence) & 0xFFFFFFFF
            if behind >= 0x80000000:
                continue  # it lies ahead of what is missing
            payload = self._waiting.pop(sequence)[behind:]
            if payload:
                self._next = (self._next + len(payload)) & 0xFFFFFFFF
                return payload
        return None

    def _cut(self) -> bytes | None:
        """One whole message off the front of the buffer; keep-alive line ends (RFC 5626 3.5.1) are dropped."""
        self._buffer = self._buffer.lstrip(b"\r\n")
        start = _START.search(self._buffer)
        if start is None:
            return None
        self._buffer = self._buffer[start.start() :]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = _LENGTH.search(self._buffer, 0, end + 2)
        total = end + 4 + (int(length.group(1)) if length else 0)
        if len(self._buffer) < total:
            return None
        text, self._buffer = self._buffer[:total], self._buffer[total:]
        return text


def _message(segment: Segment, text: bytes) -> SipMessage:
    start = _START.match(text)
    assert start is not None
    status, reason, method, uri = ((part or b"").decode(errors="replace") for part in start.groups())
    headers = _headers(text[start.end() :].partition(b"\r\n\r\n")[0])
    number, _, cseq_method = next(iter(headers.get("cseq", [])), "").partition(" ")
    return SipMessage(
        time_ns=segment.time_ns,
        source=segment.source,
        source_port=segment.source_port,
        destination=segment.destination,
        destination_port=segment.destination_port,
        transport="udp" if segment.protocol == UDP else "tcp",
        outgoing=segment.outgoing,
        protected=segment.protected,
        icv_ok=segment.icv_ok,
        method=method or cseq_method.strip(),
        status=int(status) if status else None,
        reason=reason,
        request_uri=uri,
        cseq=int(number) if re.fullmatch(r"\d{1,10}", number) else 0,
        headers=headers,
        text=text,
    )


def _headers(block: bytes) -> dict[str, list[str]]:
    """Header values by lower-case name, compact forms spelt out, folded lines joined (RFC 3261 7.3.1)."""
    headers: dict[str, list[str]] = {}
    for line in re.sub(r"\r\n[ \t]+", " ", block.decode(errors="replace")).split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers.setdefault(COMPACT.get(key, key), []).append(value.strip())
    return headers
