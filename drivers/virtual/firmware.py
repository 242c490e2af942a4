"""The firmware of a virtual stick, without I/O: bytes and the time in, bytes, requests and actions out.

    firmware.receive(data, now); firmware.told(event, now); firmware.tick(now)      what happens to it
    firmware.data_to_send(now); firmware.requests(); firmware.actions()             what it wants, asked after each
    firmware.deadline                                                               when to call tick()

It runs one command line at a time, as modems do: what arrives meanwhile waits.  What commands there are stands in
tables: :mod:`drivers.virtual.commands` and :mod:`drivers.virtual.vendors`.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from drivers.virtual import radio
from drivers.virtual.answers import CmeError, PlainError, Reply, Wait, error_text, framed, result_code
from drivers.virtual.at_line import BadCommand, Call, LineEditor, parse
from drivers.virtual.card import Card
from drivers.virtual.faults import Fault
from drivers.virtual.models import Model
from drivers.virtual.network import Event, Request
from drivers.virtual.outbox import Outbox
from drivers.virtual.state import ModemState, Signal, SimState
from drivers.virtual.vendors import DIALECTS

Action = Literal["vanish", "reboot", "data-call"]
CR, LF = 0x0D, 0x0A


class _Line:
    """A command line that is being run."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.calls: deque[Call] = deque()
        self.answer = bytearray()
        self.wait: Wait | None = None
        self.deadline = 0.0


class Firmware:
    """One modem: its state, its card, and the dialogue on its AT port."""

    def __init__(self, model: Model, imei: str, card: Card | None, *, fetches_response: bool = True) -> None:
        """`fetches_response`: the modem sends GET RESPONSE by itself, and +CGLA and +CSIM show the data at once."""
        self.model: Model = model
        self.imei: str = imei
        self.card: Card | None = card
        self.fetches_response = fetches_response
        self.dialect = DIALECTS[model.dialect]
        self.state = ModemState()
        self.faults: list[Fault] = []
        self.on = False
        self._vanished = False  # a fault has pulled it: whoever has it in his hands is about to notice
        self.now = 0.0
        self._editor = LineEditor()
        self._line: _Line | None = None
        self._held = bytearray()  # came while a command line ran
        self._urcs: list[str] = []
        self._outbox = Outbox()
        self._busy_until = 0.0
        self._requests: list[Request] = []
        self._actions: list[Action] = []

    # What happens to it

    def power_on(self, now: float) -> None:
        """Boot: settings are the factory's, the card is locked again if it has a PIN, then the modem attaches."""
        self.now, self.on, self._vanished = now, True, False
        self._forget_dialogue()
        self.state.reset()
        if self.card:
            self.card.reset()
        for urc in self.model.ready_urcs:
            self.say(urc)
        radio.attach(self)
        self._flush()

    def power_off(self, now: float) -> None:
        """Pulled out, or between two boots: nothing is heard or said."""
        self.now, self.on = now, False
        self._forget_dialogue()
        radio.switched_off(self)

    def port_closed(self) -> None:
        """Nobody has the port open: a half-typed line is forgotten, and so is what nobody read."""
        self._editor.clear()
        self._outbox.clear()

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host.  Never raises, whatever they are."""
        self.now = now
        self._held += data
        self._work()

    def told(self, event: Event, now: float) -> None:
        """An event of the network."""
        self.now = now
        if self.on:
            radio.told(self, event)
            self._work()

    def tick(self, now: float) -> None:
        """The time has come that :attr:`deadline` told of."""
        self.now = now
        self._work()

    # What a rig does to it

    def set_signal(self, signal: Signal, now: float) -> None:
        self.now = now
        radio.set_signal(self, signal)
        self._work()

    def volunteer(self, urc: str, now: float) -> None:
        """Say a line by itself, whatever it means."""
        self.now = now
        self.say(urc)
        self._work()

    def inject(self, fault: Fault) -> None:
        self.faults.append(fault)

    # What it wants

    def data_to_send(self, now: float) -> bytes:
        """What goes to the host now."""
        return self._count(self._outbox.take(now), "out")

    def requests(self) -> list[Request]:
        """What the network is to be asked."""
        taken, self._requests = self._requests, []
        return taken

    def actions(self) -> list[Action]:
        """What is to be done to the stick: pull it, boot it anew, look at the data call."""
        taken, self._actions = self._actions, []
        return taken

    @property
    def deadline(self) -> float | None:
        times = [] if self._outbox.deadline is None else [self._outbox.deadline]
        if self._line and self._line.wait:
            times.append(self._line.deadline)
        if self._busy_until > self.now:
            times.append(self._busy_until)
        return min(times, default=None)

    # What its parts use

    def say(self, urc: str) -> None:
        """An unsolicited result code, as soon as no half-typed line is in its way."""
        self._urcs.append(urc)

    def request(self, request: Request) -> None:
        self._requests.append(request)

    def act(self, action: Action) -> None:
        self._actions.append(action)

    @property
    def is_running(self) -> bool:
        """Whether a command line is being run."""
        return self._line is not None

    @property
    def sim(self) -> SimState:
        if self.card is None:
            return SimState.MISSING
        if self.card.verified:
            return SimState.READY
        return SimState.PIN if self.card.pin_tries else SimState.PUK

    def need_card(self) -> Card:
        """The card, unlocked; raises CmeError otherwise."""
        if self.card is None or self.sim != SimState.READY:
            raise CmeError(int(self.sim))
        return self.card

    # The dialogue

    def _forget_dialogue(self) -> None:
        self._line, self._busy_until = None, 0.0
        self._editor.clear()
        self._held.clear()
        self._urcs.clear()
        self._outbox.clear()

    def _work(self) -> None:
        """Go on with the line that runs, and begin those that wait."""
        if not self.on:
            self._held.clear()
            return
        self._flush()
        if self._line and self._line.wait:
            self._go_on(self._line)
        while self.on and self._held and self._line is None and self.now >= self._busy_until:
            self._type(self._held.pop(0))
        self._flush()

    def _type(self, byte: int) -> None:
        if not self._count(bytes((byte,)), "in"):
            return
        if byte == LF:
            return
        if self.state.settings.echo:
            self._outbox.put(self.now, bytes((byte ^ 0x7F if self._echoes_wrongly(byte) else byte,)))
        body = self._editor.feed(byte)
        if body is not None:
            self._begin(body)

    def _echoes_wrongly(self, byte: int) -> bool:
        fault = next((fault for fault in self.faults if fault.kind == "wrong-echo" and not fault.used_up), None)
        if fault and byte == CR:
            fault.fired += 1
        return fault is not None and byte != CR

    def _begin(self, body: str) -> None:
        self._line = line = _Line(body)
        if fault := self._fault(body, ("error",)):
            fault.fired += 1
            self._end(line, error_text(self.state.settings, fault.code))
            return
        try:
            line.calls.extend(parse(body))
        except BadCommand:
            self._end(line, "ERROR")
            return
        self._go_on(line)

    def _go_on(self, line: _Line) -> None:
        """Run commands until one has to wait, one fails, or all are done (V.250 5.2.2)."""
        settings = self.state.settings
        try:
            while True:
                if line.wait:
                    lines = line.wait.until()
                    if lines is None and self.now < line.deadline:
                        return
                    if lines is None:
                        raise line.wait.late
                    line.wait = None
                elif not line.calls:
                    break
                else:
                    reply = self._run(line.calls.popleft())
                    if isinstance(reply, Wait):
                        line.wait, line.deadline = reply, self.now + reply.seconds
                        continue
                    lines = reply
                line.answer += framed(settings, lines)
        except CmeError as error:
            self._end(line, error_text(settings, error.code))
        except (PlainError, BadCommand):
            self._end(line, "ERROR")
        else:
            self._end(line, "OK")

    def _run(self, call: Call) -> Reply:
        handler = self.dialect.commands.get(call.name)
        if handler is None:
            raise PlainError
        return handler(self, call)

    def _end(self, line: _Line, result: str) -> None:
        self._line = None
        if not self.on:  # the command switched us off
            return
        answer = bytes(line.answer) + result_code(self.state.settings, result)
        fault = self._fault(line.body, ("silent", "late", "garbage", "half", "urc", "reboot"))
        due = self.now
        if fault:
            fault.fired += 1
            answer = fault.change(answer)
            if fault.kind == "reboot":
                self.act("reboot")
                return
            due = self._busy_until = self.now + fault.seconds
        if not self.state.settings.quiet or line.answer:
            self._outbox.put(due, answer)

    def _fault(self, body: str, kinds: tuple[str, ...]) -> Fault | None:
        return next((fault for fault in self.faults if fault.kind in kinds and fault.waits_for(body)), None)

    def _count(self, data: bytes, direction: Literal["in", "out"]) -> bytes:
        """As much of it as passes before the stick is pulled, if a fault says that it shall be."""
        if self._vanished:
            return b""
        for fault in self.faults:
            if fault.kind == "vanish" and not fault.used_up and fault.direction == direction:
                if len(data) >= fault.at:
                    fault.fired += 1
                    self._vanished = True
                    self.act("vanish")
                    return data[: fault.at] if direction == "out" else b""
                fault.at -= len(data)
        return data

    def _flush(self) -> None:
        """Say what was not asked for."""
        if self._editor.half_typed or not self.on:
            return
        urcs, self._urcs = self._urcs, []
        for urc in urcs:
            self._outbox.put(self.now, framed(self.state.settings, [urc]))
