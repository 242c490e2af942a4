"""The media of a UE's calls: sends and receives G.711 over RTP every 20 ms, in a process of its own.

SIP parsing in the same interpreter would delay packets by milliseconds, so the UE starts this program and talks to it
over a socket of JSON messages (its file descriptor is the first argument), which also carries the media sockets that
it has bound:

    {"do": "open", "flow": NAME}      with the bound UDP socket as ancillary data
    {"do": "send", "flow": NAME, "to": [ADDRESS, PORT], "stream": N}      start stream N, or go on over another flow
    {"do": "pause", "stream": N}      stop sending;  {"do": "close", "flow": NAME}
    {"do": "watch", "silence_ms": MS}      say when nothing has arrived for so long; 0 ends the watch
    {"do": "report"}      say the sender's lateness;  {"do": "quit"}

It says {"event": "silence", "after_ms": MS}, {"event": "report", ...}.  The sequence number counts frames, also those
that the network refuses to take: what a listener misses is what counts.

The first frame leaves at once.  So does, over a new path, the newest frame that there is: the old path may have taken
it along, and the next one is up to 20 ms away.  A listener that had it already drops the copy (RFC 3550 A.1).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from testbed.ue.g711 import PTIME_MS, SAMPLES, packet, tone

INTERVAL_NS = PTIME_MS * 1_000_000


class Sender:
    """Sends one frame per interval on the current flow and remembers how late each was."""

    def __init__(self, seed: int | str | None) -> None:
        rng = random.Random(seed)
        self.ssrc = rng.getrandbits(32)
        self._sequence, self._timestamp = rng.getrandbits(15), rng.getrandbits(31)
        self._frames = tone()
        self.lateness_us: Counter[int] = Counter()  # how often each was seen: a call may last for days
        self.refused = 0
        self.target: tuple[socket.socket, tuple[str, int]] | None = None
        self.next_ns: int | None = None

    def start(self, flow: socket.socket, to: tuple[str, int], now_ns: int) -> None:
        former, self.target = self.target, (flow, to)
        if self.next_ns is None:
            self.next_ns = now_ns
            self.tick(now_ns)
        elif former is not None and former != self.target:
            self._send(self._sequence - 1, self._timestamp - SAMPLES)

    def pause(self) -> None:
        self.target = self.next_ns = None

    def tick(self, now_ns: int) -> None:
        """Send every frame that is due: after a stall they leave in a burst, as a real encoder's would."""
        while self.next_ns is not None and self.target and now_ns >= self.next_ns:
            self.lateness_us[(now_ns - self.next_ns) // 1000] += 1
            self._send(self._sequence, self._timestamp)
            self._sequence += 1
            self._timestamp += SAMPLES
            self.next_ns += INTERVAL_NS

    def _send(self, sequence: int, timestamp: int) -> None:
        assert self.target is not None
        flow, to = self.target
        try:
            flow.sendto(packet(sequence, self.ssrc, timestamp, self._frames[sequence % len(self._frames)]), to)
        except OSError:  # the access is gone: the frame is lost, the call is not
            self.refused += 1


def report(senders: Sequence[Sender]) -> dict[str, Any]:
    """What all streams together sent, and how late; `ssrc` is the first one's."""
    lateness_us = sum((sender.lateness_us for sender in senders), Counter[int]())
    figures = {name: _late_ms(lateness_us, part) for name, part in (("p50", 0.50), ("p99", 0.99), ("max", 1.0))}
    refused = sum(sender.refused for sender in senders)
    return {"sent": lateness_us.total(), "refused": refused, "lateness_ms": figures, "ssrc": senders[0].ssrc}


def _late_ms(lateness_us: Counter[int], part: float) -> float:
    """How late at most the earliest `part` of all frames was."""
    passed, enough = 0, part * lateness_us.total()
    late_us = 0
    for late_us in sorted(lateness_us):
        passed += lateness_us[late_us]
        if passed > enough:
            break
    return late_us / 1000


class MediaLoop:
    """Waits for the next frame, a received packet, a command or the end of patience with silence."""

    def __init__(self, control: socket.socket, seed: int | None) -> None:
        self._control = control
        self._flows: dict[str, socket.socket] = {}
        self._seed = seed
        self._senders = [Sender(seed)]  # by the number of their stream
        self._silence_ns = 0
        self._last_received_ns = 0
        self._received = 0

    def run(self) -> None:
        while True:
            readable, _, _ = select.select([self._control, *self._flows.values()], [], [], self._patience_s())
            for sender in self._senders:
                sender.tick(time.monotonic_ns())
            for ready in readable:
                if ready is not self._control:
                    self._receive(ready)
            self._check_silence()
            if self._control in readable and not self._obey():
                return

    def _patience_s(self) -> float | None:
        frames = (sender.next_ns for sender in self._senders)
        deadlines = [d for d in (*frames, self._silence_deadline_ns()) if d is not None]
        return max(0, min(deadlines) - time.monotonic_ns()) / 1e9 if deadlines else None

    def _silence_deadline_ns(self) -> int | None:
        # Silence can only begin after something was heard: a call that never had media is another fault.
        return self._last_received_ns + self._silence_ns if self._silence_ns and self._last_received_ns else None

    def _check_silence(self) -> None:
        deadline = self._silence_deadline_ns()
        if deadline is not None and time.monotonic_ns() >= deadline:
            self._say(event="silence", after_ms=self._silence_ns / 1e6)
            self._silence_ns = 0

    def _receive(self, flow: socket.socket) -> None:
        with contextlib.suppress(OSError):  # an ICMP error of a dead path is reported here; the watch judges silence
            while True:
                flow.recv(2048)
                self._received += 1
                self._last_received_ns = time.monotonic_ns()

    def _obey(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 4)
        if not data:
            return False  # the UE is gone
        command = json.loads(data)
        match command["do"]:
            case "open":
                flow = socket.socket(fileno=descriptors[0])
                flow.setblocking(False)
                self._flows[command["flow"]] = flow
            case "send":
                sender = self._sender(command["stream"])
                sender.start(self._flows[command["flow"]], tuple(command["to"]), time.monotonic_ns())
            case "pause":
                self._sender(command["stream"]).pause()
            case "close":
                self._close(command["flow"])
            case "watch":
                self._silence_ns = int(command["silence_ms"] * 1e6)
            case "report":
                self._say(event="report", received=self._received, **report(self._senders))
            case "quit":
                return False
        return True

    def _close(self, name: str) -> None:
        flow = self._flows.pop(name, None)
        if flow is None:
            return
        for sender in self._senders:
            if sender.target and sender.target[0] is flow:
                sender.pause()
        flow.close()

    def _sender(self, stream: int) -> Sender:
        while len(self._senders) <= stream:
            seed = None if self._seed is None else f"{self._seed} {len(self._senders)}"
            self._senders.append(Sender(seed))
        return self._senders[stream]

    def _say(self, **message: Any) -> None:
        self._control.send(json.dumps(message).encode())


def main() -> None:
    with contextlib.suppress(PermissionError):  # without it frames are later; each run's report says how late
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    gc.disable()  # nothing here makes cycles, and a collection is a late frame
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with socket.socket(fileno=int(sys.argv[1])) as control, contextlib.suppress(KeyboardInterrupt):
        MediaLoop(control, seed).run()


if __name__ == "__main__":
    main()
