"""The AT dialogue as a protocol without I/O: bytes and the time in, events and bytes out (ITU-T V.250, TS 27.007).

Everything that changes the state of the dialogue is in this file.  One command runs at a time, others wait in a queue.
However a command ends there is exactly one :class:`Ended` for it.

A modem that let a command time out may answer it later, in the middle of the next one.  So after such an end the
channel first sends `AT` and goes on only when that was answered and the line has been quiet for a while; what arrives
meanwhile belongs to nobody.  When `AT` is not answered either, the next command ends as "silent".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from drivers.modem.at.command import END_OF_PAYLOAD, ESCAPE, Command
from drivers.modem.at.final import Final, final_of
from drivers.modem.at.lines import LineReader
from drivers.modem.at.routing import is_unsolicited

ABORT_S = 5.0  # V.250 5.6.1 gives a modem no limit; what is abortable ends well within this
PROBE_S, PROBES = 1.0, 3  # how long an AT may take, and how many are sent before the port is called silent
QUIET_S = 0.2  # no byte for so long after the answer to a probe: nothing of before is still to come
LONGEST_QUIET_S = 2.0  # a modem that floods us is never quiet
MOST_LINES = 4096  # of one answer; the rest of a longer one is dropped

Why = Literal["final", "timeout", "aborted", "silent", "gone"]


@dataclass(frozen=True)
class Unsolicited:
    """A line that answers no command."""

    line: str


@dataclass(frozen=True)
class Intermediate:
    """A line of the answer to the command that runs."""

    command: Command
    line: str


@dataclass(frozen=True)
class Prompted:
    """The modem asked for the command's payload, which is now on its way."""

    command: Command


@dataclass(frozen=True)
class Ended:
    """The end of a command: its answer's lines, and the final result code if one came."""

    command: Command
    lines: tuple[str, ...]
    final: Final | None
    why: Why


Event = Unsolicited | Intermediate | Prompted | Ended
State = Literal["idle", "running", "aborting", "probing"]


@dataclass
class _Running:
    command: Command
    deadline: float = 0.0
    lines: list[str] = field(default_factory=list)
    echoed: bool = False
    prompted: bool = False

    @property
    def wants_prompt(self) -> bool:
        return self.command.payload is not None and not self.prompted


class AtChannel:
    """One AT port.  Times are seconds of any one monotonic clock."""

    def __init__(self) -> None:
        self.state: State = "idle"
        self._queue: deque[Command] = deque()
        self._running: _Running | None = None
        self._reader = LineReader(self._wants_prompt)
        self._outgoing = bytearray()
        self._owed = False  # a command ended without its final result code, which may still come
        self._verbose = False  # a final result code in words was seen: a digit alone is none
        self._probes = 0
        self._probe_deadline = 0.0
        self._quiet_at: float | None = None  # None: no probe has been answered yet
        self._quiet_enough_at = 0.0  # then we go on, whatever still comes

    # What goes in

    def submit(self, command: Command, now: float) -> None:
        """Run a command, now or when those before it have ended."""
        self._queue.append(command)
        if self._running is None:
            self._start(now)

    def doubt(self) -> None:
        """Something may still come that belongs to no command of ours: the next one is preceded by `AT`."""
        self._owed = True

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Bytes from the modem.  Never raises, whatever they are."""
        if self._quiet_at is not None and data:
            self._quiet_at = min(now + QUIET_S, self._quiet_enough_at)
        events: list[Event] = []
        for line in self._reader.feed(data):
            events += self._prompt() if line is None else self._line(line, now)
        return events

    def tick(self, now: float) -> list[Event]:
        """The time has come that :attr:`deadline` told of."""
        running = self._running
        if running is None or (self.deadline or 0.0) > now:
            return []
        if self.state == "probing":
            return list(self._probe(running, now))
        # The last line may lack its end: a modem that dies after OK, or NO CARRIER outside of any framing.
        unfinished = self._reader.unfinished
        self._reader.forget()
        if unfinished.strip() and (final := self._final(unfinished)):
            return [self._end(now, "final", final)]
        if unfinished.strip():
            running.lines.append(unfinished)
        return [self._end(now, "timeout" if self.state == "running" else "aborted")]

    def abort(self, command: Command, now: float) -> list[Event]:
        """Give a command up: one that waits at once, an abortable one by sending a character, others unanswered."""
        if self._running is None or self._running.command is not command:
            waiting = [other for other in self._queue if other is not command]
            found = len(waiting) != len(self._queue)
            self._queue = deque(waiting)
            return [Ended(command, (), None, "aborted")] if found else []
        if self.state == "probing":
            return [self._end(now, "aborted")]
        if self.state == "aborting":
            return []
        if not command.abortable and not self._running.wants_prompt:
            return [self._end(now, "aborted")]
        self._outgoing += ESCAPE if self._running.wants_prompt else b"\r"
        self._running.deadline = now + ABORT_S
        self.state = "aborting"
        return []

    def gone(self) -> list[Event]:
        """The port is gone: whatever runs or waits ends.  A new port wants a new channel."""
        running = [self._running] if self._running else []
        ended: list[Event] = [Ended(one.command, tuple(one.lines), None, "gone") for one in running]
        ended += [Ended(command, (), None, "gone") for command in self._queue]
        self._running, self.state = None, "idle"
        self._queue.clear()
        return ended

    # What comes out

    def data_to_send(self) -> bytes:
        """What the modem is to be sent now; asked for after every call above."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` is to be called."""
        if self._running is None:
            return None
        if self.state != "probing":
            return self._running.deadline
        return self._probe_deadline if self._quiet_at is None else self._quiet_at

    # The state of the dialogue

    def _wants_prompt(self) -> bool:
        return self.state in ("running", "aborting") and self._running is not None and self._running.wants_prompt

    def _start(self, now: float) -> None:
        if not self._queue:
            self.state = "idle"
            return
        self._running = _Running(self._queue.popleft())
        if self._owed:
            self.state, self._probes, self._quiet_at = "probing", 0, None
            self._send_probe(now)
        else:
            self._run(now)

    def _run(self, now: float) -> None:
        assert self._running
        self.state = "running"
        self._running.deadline = now + self._running.command.timeout_s
        self._outgoing += self._running.command.text.encode() + b"\r"

    def _end(self, now: float, why: Why, final: Final | None = None) -> Ended:
        running = self._running
        assert running
        if running.wants_prompt and why == "timeout":
            self._outgoing += ESCAPE  # the prompt may still come, and must not swallow the next command
        self._owed = self._owed or final is None
        self._running = None
        self._start(now)
        return Ended(running.command, tuple(running.lines), final, why)

    def _send_probe(self, now: float) -> None:
        # From the second on with ESC: whoever had the port before us may have left it at a prompt.
        self._outgoing += b"AT\r" if not self._probes else ESCAPE + b"AT\r"
        self._probes += 1
        self._probe_deadline = now + PROBE_S

    def _probe(self, running: _Running, now: float) -> Iterator[Event]:
        """Nothing came for a while: after an answer all is well; without one ask again, but not for ever."""
        if self._quiet_at is not None:
            self._owed, self._quiet_at = False, None
            self._reader.forget()
            self._run(now)
        elif self._probes < PROBES:
            self._send_probe(now)
        else:
            yield self._end(now, "silent")

    def _prompt(self) -> list[Event]:
        running = self._running
        assert running and running.command.payload is not None
        running.prompted = True
        if self.state == "aborting":  # it has been answered with ESC already
            return []
        self._outgoing += running.command.payload + END_OF_PAYLOAD
        return [Prompted(running.command)]

    def _line(self, line: str, now: float) -> list[Event]:
        running = self._running
        if running is None:
            return [Unsolicited(line)]
        if self.state == "probing":
            return self._line_while_probing(line, now)
        if not running.echoed and not running.lines and line.strip().endswith(running.command.text):
            running.echoed = True
            return []
        if final := self._final(line):
            return [self._end(now, "final", final)]
        if is_unsolicited(line, running.command):
            return [Unsolicited(line)]
        if len(running.lines) < MOST_LINES:
            running.lines.append(line)
        return [Intermediate(running.command, line)]

    def _line_while_probing(self, line: str, now: float) -> list[Event]:
        if self._final(line):
            if self._quiet_at is None:
                self._quiet_at, self._quiet_enough_at = now + QUIET_S, now + LONGEST_QUIET_S
            return []
        return [] if line.strip().endswith("AT") else [Unsolicited(line)]

    def _final(self, line: str) -> Final | None:
        final = final_of(line, numeric=not self._verbose)
        if final and not line.strip().isdecimal():
            self._verbose = True
        return final
