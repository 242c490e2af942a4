"""An AT port in an event loop: the channel bound to a descriptor, the loop's clock and its timers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import serial

from drivers.modem.at.channel import AtChannel, Ended, Event, Unsolicited
from drivers.modem.at.command import DEFAULT_TIMEOUT_S, Command
from drivers.modem.at.final import Final
from drivers.modem.errors import Aborted, ModemError, PortGone, Refused, Silent, Unanswered
from drivers.modem.serialport import close_serial, holders, open_serial
from drivers.modem.transcript import Recorder

READ = 1 << 16


class AtPort:
    """One open port.  Belongs to the event loop in which it was made; commands of several tasks take turns."""

    def __init__(
        self,
        path: str,
        on_unsolicited: Callable[[str], None] = lambda line: None,
        on_gone: Callable[[], None] = lambda: None,
        recorder: Recorder | None = None,
    ) -> None:
        self.path, self.is_open = path, True
        self._on_unsolicited, self._on_gone, self._recorder = on_unsolicited, on_gone, recorder
        self._channel = AtChannel()
        self._waiting: dict[int, asyncio.Future[Ended]] = {}  # by the command's identity: equal ones may wait
        self._unsent = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._serial: serial.Serial = open_serial(path)
        self._fd: int = self._serial.fileno()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    async def run(self, command: Command) -> list[str]:
        """Run a command and return the lines of its answer.

        Raises Refused, Unanswered, Silent or PortGone; when the caller is cancelled the command is given up.
        """
        ended = await self._run(command)
        if ended.final and ended.final.ok:
            return list(ended.lines)
        raise failure(ended, self.path)

    async def at(self, text: str, timeout_s: float = DEFAULT_TIMEOUT_S, *, secret: bool = False) -> list[str]:
        """:meth:`run` for a plain command line."""
        return await self.run(Command(text, timeout_s, secret=secret))

    def doubt(self) -> None:
        """The next command is sent only when the modem has answered `AT`: see :class:`AtChannel`."""
        self._channel.doubt()

    def close(self) -> None:
        """Leave the port; whoever still waits for an answer gets PortGone."""
        self._leave()

    async def _run(self, command: Command) -> Ended:
        if not self.is_open:
            raise PortGone("the port is closed", where=self.path)
        command = Command(command.text, command.timeout_s, command.payload, command.abortable, command.secret)
        future = self._waiting[id(command)] = self._loop.create_future()
        try:
            self._channel.submit(command, self._loop.time())
            self._push()
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._tell(self._channel.abort(command, self._loop.time()))
            self._push()
            raise
        finally:
            if future.done():
                self._waiting.pop(id(command), None)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ)
        except BlockingIOError:
            return
        except OSError:  # EIO: the other end of a terminal has gone, and with a USB device its driver hung it up
            data = b""
        if not data:
            self._lost()
            return
        if self._recorder:
            self._recorder.received(data)
        self._tell(self._channel.receive(data, self._loop.time()))
        self._push()

    def _writable(self) -> None:
        self._loop.remove_writer(self._fd)
        self._push()

    def _push(self) -> None:
        """Send what the channel has for the modem, as much as the port takes now, and set the clock."""
        if not self.is_open:
            return
        data = self._channel.data_to_send()
        if data and self._recorder:
            self._recorder.sent(data)
        self._unsent += data
        try:
            while self._unsent:
                del self._unsent[: os.write(self._fd, self._unsent)]
        except BlockingIOError:
            self._loop.add_writer(self._fd, self._writable)
        except OSError:
            self._lost()
            return
        if self._timer:
            self._timer.cancel()
        deadline = self._channel.deadline
        self._timer = self._loop.call_at(deadline, self._tick) if deadline is not None else None

    def _tick(self) -> None:
        # A timer may be called a little before its time: to the clock's resolution.
        now = max(self._loop.time(), self._channel.deadline or 0.0)
        self._tell(self._channel.tick(now))
        self._push()

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Unsolicited):
                self._on_unsolicited(event.line)
            elif isinstance(event, Ended):
                future = self._waiting.pop(id(event.command), None)
                if future and not future.done():
                    future.set_result(event)

    def _lost(self) -> None:
        if self.is_open:
            self._leave()
            self._on_gone()

    def _leave(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        if self._timer:
            self._timer.cancel()
        close_serial(self._serial)
        self._tell(self._channel.gone())


def failure(ended: Ended, where: str) -> ModemError:
    """The error that says how a command failed."""
    shown = ended.command.shown
    match ended.why:
        case "final":
            assert ended.final
            return refusal(ended.final, shown, where)
        case "gone":
            return PortGone(f"the device went away while {shown} ran", where=where, mend="plug the modem in again")
        case "silent":
            others = ", ".join(holders(where))
            why = f"; {others} has the port open too and may read the answers" if others else ""
            mend = f"end {others}" if others else "is this the AT port?  Unplug the modem and plug it in again"
            return Silent(f"nothing is answered, not even AT; {shown} was not sent{why}", where=where, mend=mend)
        case "aborted":
            return Aborted(f"{shown} was given up", where=where)
        case "timeout":
            return Unanswered(f"{shown} was not answered within {ended.command.timeout_s:g} s", where=where)


def refusal(final: Final, shown: str, where: str) -> Refused:
    """The error for an answer that is one."""
    return Refused(f"{shown} was answered {final.text}", code=final.code, where=where)
