"""A handoff that never happened: the captures that one would have left, written from a table of moments.

Each test says what is special about its call; the rest is a call over LTE (25 ms) that moves to Wi-Fi (10 ms), far end
15 ms away, servers 1 ms apart.  Times are milliseconds from the trigger.  What the captures should come to is then
known by hand.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from testbed.measure.capture import SENTINEL, CaptureStats
from testbed.measure.expected import Expectations, PlannedHandoff
from testbed.measure.markers import encode_marker
from testbed.measure.pcapng_writer import PcapngWriter, ip_packet, rtp, sll2, udp_packet
from testbed.measure.words import Procedure, TriggerKind
from testbed.results.context import ConnectionInfo, KernelInfo, Lateness, RunContext
from testbed.results.folder import RunFolder

TRIGGER_NS = 1_700_000_000_000_000_000
LTE, WIFI, FAR = "10.1.0.2", "10.2.0.2", "10.3.0.2"
P_LTE, P_WIFI, P_FAR = "10.9.0.1", "10.9.0.2", "10.9.0.3"
V6 = {LTE: "fd01::2", WIFI: "fd02::2", FAR: "fd03::2", P_LTE: "fd09::1", P_WIFI: "fd09::2", P_FAR: "fd09::3"}
AUTHENTICATION_KEY, ENCRYPTION_KEY = bytes(range(20)), bytes(range(16))
INTERVAL = 20.0


def ns(ms: float) -> int:
    return TRIGGER_NS + round(ms * 1e6)


@dataclass
class Tape:
    """Frames of one capture, in any order until they are written."""

    frames: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, ms: float, packet: bytes, *, outgoing: bool) -> None:
        self.frames.append((ns(ms), sll2(packet, outgoing=outgoing)))

    def mark(self, ms: float, event: str, **detail: object) -> None:
        self.add(ms, udp_packet("127.0.0.1", 40001, "127.0.0.1", 9, encode_marker(event, **detail)), outgoing=False)

    def write(self, path: Path, *, in_order: bool = True) -> Path:
        with PcapngWriter(path) as writer:
            for time_ns, frame in sorted(self.frames) if in_order else self.frames:
                writer.write(time_ns, frame)
        return path


@dataclass(frozen=True)
class Sa:
    """A security association as a test wants it: seals packets, and says its line of `esp_sa`."""

    source: str
    destination: str
    spi: int
    encryption: str = "NULL"  # NULL | AES-CBC [RFC3602] | TripleDES-CBC [RFC2451]
    authentication: str = "HMAC-SHA-1-96 [RFC2404]"

    @property
    def encryption_key(self) -> bytes:
        return {"N": b"", "A": ENCRYPTION_KEY, "T": bytes(range(24))}[self.encryption[0]]

    @property
    def integrity_key(self) -> bytes:
        return AUTHENTICATION_KEY[:16] if "MD5" in self.authentication else AUTHENTICATION_KEY

    def seal(self, next_header: int, payload: bytes, number: int, *, damaged: bool = False) -> bytes:
        """An ESP packet, its IP header before it."""
        block = {"N": 4, "A": 16, "T": 8}[self.encryption[0]]
        padding = -(len(payload) + 2) % block
        body = payload + bytes(range(1, padding + 1)) + bytes([padding, next_header])
        vector = bytes((number + at) & 255 for at in range(block if block > 4 else 0))
        if self.encryption[0] == "A":
            sealer = Cipher(algorithms.AES(self.encryption_key), modes.CBC(vector)).encryptor()
            body = sealer.update(body) + sealer.finalize()
        elif self.encryption[0] == "T":
            sealer = Cipher(TripleDES(self.encryption_key), modes.CBC(vector)).encryptor()
            body = sealer.update(body) + sealer.finalize()
        packet = struct.pack(">II", self.spi, number) + vector + body
        icv = hmac.digest(self.integrity_key, packet, "md5" if "MD5" in self.authentication else "sha1")[:12]
        if damaged:
            icv = bytes(12)
        return ip_packet(self.source, self.destination, 50, packet + icv)

    def line(self) -> str:
        family = "IPv6" if ":" in self.source else "IPv4"
        cells = (
            family, self.source, self.destination, f"0x{self.spi:08x}",
            self.encryption, f"0x{self.encryption_key.hex()}" if self.encryption_key else "",
            self.authentication, f"0x{self.integrity_key.hex()}",
        )  # fmt: skip
        return ",".join(f'"{cell}"' for cell in cells)


def sip(method: str, cseq: int, status: int | None = None, *, call_id: str = "", more: str = "") -> bytes:
    """A SIP message of the call: the same Call-ID for all of one method unless told otherwise."""
    phrase = {100: "Trying", 180: "Ringing", 200: "OK", 401: "Unauthorized", 403: "Forbidden"}
    first = f"{method} sip:home.example SIP/2.0" if status is None else f"SIP/2.0 {status} {phrase.get(status, 'No')}"
    group = "reg" if method == "REGISTER" else "call"
    text = (
        f"{first}\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK{method}{cseq}\r\nFrom: <sip:ue@home.example>;tag=1\r\n"
        f"To: <sip:ue@home.example>\r\nCall-ID: {call_id or group}\r\nCSeq: {cseq} {method}\r\n{more}"
        "Content-Length: 0\r\n\r\n"
    )
    return text.encode()


def datagram(source: str, source_port: int, destination: str, port: int, payload: bytes) -> bytes:
    """UDP without its IP header: what goes into ESP."""
    return udp_packet(source, source_port, destination, port, payload)[40 if ":" in source else 20 :]


@dataclass(frozen=True)
class Moments:
    """When what happened, at the UE but for `far_heard` and `far_answered`; None: it did not."""

    detected: float | None = 1.0
    access_up: float | None = 4.0
    register: float | None = 5.0
    challenged: float | None = 29.0  # 22 ms of delay, 2 ms of core
    register_again: float | None = 34.0
    registered: float | None = 60.0  # 22 ms of delay, 4 ms of core
    invite: float | None = 62.0
    far_heard: float | None = 91.5  # 27 ms of delay, 2.5 ms of core
    far_answered: float | None = 92.0
    answered: float | None = 120.0  # 27 ms of delay, 1 ms of core
    moved: float | None = 120.5


@dataclass(frozen=True)
class Call:
    """What a test may say about its call."""

    moments: Moments = Moments()
    procedure: Procedure = Procedure.GLOBAL_REREGISTRATION
    begin: float = -2000.0
    end: float = 2000.0
    grid_up: float = 12.0  # the UE sends at this place of every 20 ms, the far end at the other
    grid_down: float = 3.0
    old: float = 25.0
    new: float = 10.0
    far: float = 15.0
    core: float = 1.0
    encryption: str = "NULL"
    protected: bool = True
    v6: bool = False
    first_sequence: int = 0
    ssrc_after: int | None = None  # a call that was dialled again has a stream of its own
    markers: bool = True
    up_resumes: float | None = None  # the first grid moment after this; default: when the UE had the answer
    down_moves: float | None = None
    extra_ue: tuple[tuple[float, bytes, bool], ...] = ()

    def address(self, of: str) -> str:
        return V6[of] if self.v6 else of

    def _after(self, ms: float | None, grid: float) -> float:
        return float("inf") if ms is None else grid + INTERVAL * -(-(ms - grid) // INTERVAL)

    @property
    def first_up(self) -> float:
        """When the UE sends by the new access for the first time."""
        return self._after(self.up_resumes if self.up_resumes is not None else self.moments.moved, self.grid_up)

    @property
    def first_down(self) -> float:
        """When the far end sends to the new access for the first time."""
        return self._after(
            self.down_moves if self.down_moves is not None else self.moments.far_answered, self.grid_down
        )

    def sas(self) -> list[Sa]:
        pairs = ((WIFI, P_WIFI), (FAR, P_FAR), (LTE, P_LTE))
        both = [pair for there in pairs for pair in (there, there[::-1])]
        return [Sa(self.address(s), self.address(d), 4000 + n, self.encryption) for n, (s, d) in enumerate(both)]

    def tapes(self) -> tuple[Tape, Tape]:
        """What the UE's and the far end's captures hold."""
        ue, far = Tape(), Tape()
        self._media(ue, far)
        self._signalling(ue, far)
        for tape in (ue, far):
            tape.mark(self.begin - 10, SENTINEL, token="00")
            tape.mark(self.end + 10, SENTINEL, token="01")
        if self.markers:
            self._markers(ue)
        for ms, packet, outgoing in self.extra_ue:
            ue.add(ms, packet, outgoing=outgoing)
        return ue, far

    def write(self, folder: RunFolder) -> RunContext:
        """Write captures and keys into a run's folder; returns what the runner would have said about it."""
        for name, tape in zip(("ue", "far"), self.tapes(), strict=True):
            tape.write(folder.capture(name))
        if self.protected:
            folder.esp_sa.write_text("".join(sa.line() + "\n" for sa in self.sas()))
        return self.context()

    def plan(self) -> PlannedHandoff:
        return PlannedHandoff(
            TriggerKind.CARRIER_LOSS, "lte", "wifi", self.procedure, self.old, self.new, self.far, self.core
        )

    def context(self, **changes: object) -> RunContext:
        start = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
        context = RunContext(
            scenario=str(self.procedure),
            topology="two-access",
            kernel=KernelInfo("uml", "6.1.170"),
            started=start,
            ended=start,
            ue_addresses={"lte": (self.address(LTE),), "wifi": (self.address(WIFI),)},
            far_addresses=(self.address(FAR),),
            handoffs=(self.plan(),),
            pcscf_addresses={name: (self.address(at),) for name, at in
                             (("lte", P_LTE), ("wifi", P_WIFI), ("far", P_FAR))},
            connections=(
                ConnectionInfo("lte", self.address(P_LTE), "ended"),
                ConnectionInfo("wifi", self.address(P_WIFI), "active", ("sip:ue@home.example",), (4000, 4001)),
            ),
            lateness_ms={"ue": Lateness(0.1, 0.3, 1.0), "far": Lateness(0.1, 0.2, 0.9)},
            capture_stats={"ue": CaptureStats(1000, 0), "far": CaptureStats(1000, 0)},
            expectations=Expectations(call_survives=self.procedure != Procedure.RELEASE7),
        )  # fmt: skip
        return replace(context, **changes)  # type: ignore[arg-type]

    def _media(self, ue: Tape, far: Tape) -> None:
        lte, wifi, end = self.address(LTE), self.address(WIFI), self.address(FAR)
        for number, ms in self._grid(self.grid_up):
            late = ms > self.first_up - 1e-6
            if ms >= 0 and not late:
                continue  # the sender has no way out
            packet = self._rtp(lte if not late else wifi, end, number, 0x1111, late)
            ue.add(ms, packet, outgoing=True)
            far.add(ms + self.far + (self.new if late else self.old), packet, outgoing=False)
        for number, ms in self._grid(self.grid_down):
            late = ms > self.first_down - 1e-6
            packet = self._rtp(end, lte if not late else wifi, number, 0x2222, late)
            far.add(ms, packet, outgoing=True)
            arrival = ms + self.far + (self.new if late else self.old)
            if late or arrival < 0:
                ue.add(arrival, packet, outgoing=False)

    def _rtp(self, source: str, destination: str, number: int, ssrc: int, late: bool) -> bytes:
        if late and self.ssrc_after is not None:
            ssrc += self.ssrc_after
        body = rtp(self.first_sequence + number, number * 160, ssrc)
        return udp_packet(source, 40000, destination, 40000, body)

    def _grid(self, place: float) -> Iterable[tuple[int, float]]:
        count = int((self.end - self.begin) // INTERVAL)
        return ((number, self.begin + place + number * INTERVAL) for number in range(count))

    def _signalling(self, ue: Tape, far: Tape) -> None:
        at, seamless = self.moments, "Require: sec-agree, seamless-ims\r\n"
        dialog = "redial" if self.procedure == Procedure.RELEASE7 else "call"
        self._send(ue, at.register, WIFI, P_WIFI, sip("REGISTER", 1, more=seamless), bare=True)
        self._send(ue, at.challenged, P_WIFI, WIFI, sip("REGISTER", 1, 401), bare=True)
        self._send(ue, at.register_again, WIFI, P_WIFI, sip("REGISTER", 2, more=seamless))
        self._send(ue, at.registered, P_WIFI, WIFI, sip("REGISTER", 2, 200))
        self._send(ue, at.invite, WIFI, P_WIFI, sip("INVITE", 7, call_id=dialog))
        self._send(far, at.far_heard, P_FAR, FAR, sip("INVITE", 7, call_id=dialog))
        self._send(far, at.far_answered, FAR, P_FAR, sip("INVITE", 7, 200, call_id=dialog))
        self._send(ue, at.answered, P_WIFI, WIFI, sip("INVITE", 7, 200, call_id=dialog))
        self._send(ue, at.answered, WIFI, P_WIFI, sip("ACK", 7, call_id=dialog))

    def _send(
        self, tape: Tape, ms: float | None, source: str, destination: str, text: bytes, *, bare: bool = False
    ) -> None:
        if ms is None:
            return
        left, right = self.address(source), self.address(destination)
        if bare or not self.protected:
            packet = udp_packet(left, 5060, right, 5060, text)
        else:
            sa = next(sa for sa in self.sas() if (sa.source, sa.destination) == (left, right))
            packet = sa.seal(17, datagram(left, 6101, right, 6102, text), len(tape.frames))
        tape.add(ms, packet, outgoing=source in (WIFI, FAR, LTE))

    def _markers(self, ue: Tape) -> None:
        at = self.moments
        ue.mark(self.begin - 5, "call-up", access="lte")
        ue.mark(0, "trigger", access="lte", kind="carrier-loss")
        for ms, event in (
            (at.detected, "detected"), (at.access_up, "access-up"), (at.registered, "registered"),
            (at.invite, "session-start"), (at.moved, "session-moved"),
        ):  # fmt: skip
            if ms is not None:
                ue.mark(ms, event)
        if self.procedure == Procedure.RELEASE7:
            ue.mark((at.invite or 0) - 0.5, "call-lost")
        ue.mark(self.end + 1, "call-end")
