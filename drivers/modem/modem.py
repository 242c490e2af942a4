"""A modem on an AT port: who it is, where it is registered, its card, its contexts, and how to bring it back.

Everything goes through one port, named so that it is found again after a reset (:mod:`drivers.modem.usb`).  What
happens by itself is told as :class:`ModemEvent`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.modem import context as contexts
from drivers.modem.at.command import DEFAULT_TIMEOUT_S, Command
from drivers.modem.card.aka import CardAka
from drivers.modem.context import Context
from drivers.modem.errors import ModemError, NoDataCall, NoService, PortError, Refused, ResponseError, Unanswered
from drivers.modem.keeper import BACK_S, PortKeeper
from drivers.modem.levels import Signal, signal_of
from drivers.modem.machine import ModemEvent, ModemMachine, Service
from drivers.modem.responses.table import parse
from drivers.modem.responses.text import Answer, lines_of
from drivers.modem.sim import SimCard
from drivers.modem.transcript import Recorder
from drivers.modem.usb import PortName, usb_ports
from drivers.modem.vendors.generic import GENERIC
from drivers.modem.vendors.model import Kind, Vendor
from drivers.modem.vendors.registry import choose
from drivers.waiting import within

IMS_CID = 2  # 1 is the default bearer's on most modems
# No echo, words, numbers as error codes (+CME ERROR: 10); then result codes for what happens by itself.
BASICS = ("ATE0", "ATV1", "AT+CMEE=1")
REPORTS = ("AT+CREG=2", "AT+CGREG=2", "AT+CEREG=2", "AT+C5GREG=2", "AT+CGEREP=2,1")
REGISTRATION = ("AT+C5GREG?", "AT+CEREG?", "AT+CGREG?", "AT+CREG?")
LEAVES_S = 15.0  # a modem that was reset is gone from the bus by then, or has restarted without leaving it
CONNECTS_S = 30.0  # a data call that was begun
ASK_AGAIN_S = 2.0  # not every modem reports every change


@dataclass(frozen=True)
class Identity:
    """What a modem says of itself; empty where it says nothing."""

    manufacturer: str = ""
    model: str = ""
    revision: str = ""
    imei: str = ""


class Modem:
    """`pin` is given to a card that wants one, once; below `low_dbm` the signal is called low.  For one event loop."""

    def __init__(
        self,
        name: PortName,
        *,
        on_event: Callable[[ModemEvent], None] = lambda event: None,
        low_dbm: float | None = None,
        vendor: Vendor | None = None,
        recorder: Recorder | None = None,
        pin: str | None = None,
    ) -> None:
        self.name, self.vendor = name, vendor or GENERIC
        self.identity = Identity()
        self.machine = ModemMachine(low_dbm)
        self._given_vendor, self._pin, self._on_event = vendor, pin, on_event
        self._keeper = PortKeeper(name, self._heard, self._gone, recorder)
        self.sim = SimCard(self.run, str(name))
        self.aka = CardAka(self.run)
        self._news = asyncio.Event()  # set by every event
        self._looking: set[asyncio.Task[None]] = set()

    # The port

    async def open(self, deadline_s: float = BACK_S) -> None:
        """Open the port, find out what it is, have it report what happens; raises the PortError that says why not."""
        await self._keeper.wait_open(deadline_s)
        self._tell(self.machine.back(self._now()))
        for line in BASICS:
            await self._try(line)
        self.identity = await self._identify()
        self.vendor = self._given_vendor or choose(" ".join(vars(self.identity).values()), self._usb_identity())
        for line in (*REPORTS, *self.vendor.setup):
            await self._try(line)
        await self._ask_registration()

    def close(self) -> None:
        """Leave the port as it is."""
        for task in self._looking:
            task.cancel()
        self._keeper.close()

    @property
    def is_there(self) -> bool:
        return self._keeper.is_open

    @property
    def path(self) -> str | None:
        """The port's device node while it is open."""
        return self._keeper.path

    async def run(self, command: Command) -> list[str]:
        """Run any command."""
        return await self._keeper.run(command)

    async def at(self, line: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> list[str]:
        """Run any command line."""
        return await self.run(Command(line, timeout_s))

    async def read(self, line: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> Answer:
        """Run a command line and read its answer."""
        return parse(line, "\r\n".join(await self.at(line, timeout_s)))

    # The network

    @property
    def service(self) -> Service:
        return self.machine.service

    async def wait_registered(self, deadline_s: float = 60.0, *, roaming: bool = True) -> Service:
        """Wait until it is registered.  Raises NoService; at once where it was denied, or roams and must not."""
        until = self._now() + deadline_s
        while True:
            self._news.clear()
            await self._ask_registration()
            if self.service in ("registered", "roaming"):
                break
            if self.service == "denied":
                mend = "is the subscription known there, and allowed?"
                raise NoService("the network denied the registration", where=str(self.name), mend=mend)
            left = until - self._now()
            if left <= 0:
                what = f"not registered within {deadline_s:g} s, it is {self.service}"
                raise NoService(what, where=str(self.name), mend="look at antenna, bands and technology")
            await self._wait_news(min(ASK_AGAIN_S, left))
        if self.service == "roaming" and not roaming:
            raise NoService("it roams, which is not allowed here", where=str(self.name), mend="allow roaming")
        return self.service

    async def signal(self) -> Signal:
        """Measure; every value is None where nothing is received."""
        for line in self.vendor.signal:
            try:
                found = signal_of(await self.read(line))
            except (Refused, ResponseError):
                continue
            if found.known:
                self._tell(self.machine.signal(found.strength_dbm, self._now()))
                return found
        self._tell(self.machine.signal(None, self._now()))
        return Signal()

    async def attach(self, timeout_s: float = 75.0) -> None:
        """Attach to packet service (+CGATT)."""
        await self.at("AT+CGATT=1", timeout_s)

    async def detach(self, timeout_s: float = 75.0) -> None:
        """Detach from packet service; what was active ends, and that is no event."""
        for cid in tuple(self.machine.active):
            self.machine.leave(cid)
        await self.at("AT+CGATT=0", timeout_s)
        for cid in tuple(self.machine.active):
            self.machine.down(cid)

    async def airplane(self, on: bool) -> None:
        """Switch the radio off or on."""
        await self.at(self.vendor.airplane_on if on else self.vendor.airplane_off, 30.0)

    # Contexts

    async def connect(self, apn: str, cid: int = IMS_CID, pdp_type: str = "IPV4V6") -> Context:
        """An active context for an APN, and what the network gave in it.  Raises ContextRefused."""
        await contexts.define(self.run, cid, apn, pdp_type)
        if cid in await contexts.active(self.run):
            context = await contexts.read(self.run, cid)
        else:
            context = await contexts.activate(self.run, cid)
        self._tell(self.machine.up(cid, self._now()))
        return context

    async def disconnect(self, cid: int = IMS_CID) -> None:
        """The context is no longer active."""
        self.machine.leave(cid)
        await contexts.deactivate(self.run, cid)
        self.machine.down(cid)

    async def call(
        self, kind: Kind | None = None, cid: int = IMS_CID, apn: str = "", *, deadline_s: float = CONNECTS_S
    ) -> None:
        """Join the context to the modem's network interface; raises NoDataCall where AT cannot do that."""
        call = self.vendor.data_call(kind)
        line = call.up.format(cid=cid, apn=apn)
        until = self._now() + deadline_s
        await self.at(line, call.timeout_s)
        while not _is_active(await self.read(call.state), cid):  # some say OK when they have begun to dial
            left = until - self._now()
            if left <= 0:
                raise NoDataCall(f"{line} was accepted and nothing is connected", where=str(self.name))
            self._news.clear()
            await self._wait_news(min(ASK_AGAIN_S, left))

    async def hang_up(self, kind: Kind | None = None, cid: int = IMS_CID) -> None:
        """Undo :meth:`call`."""
        call = self.vendor.data_call(kind)
        self.machine.leave(cid)
        await self.at(call.down.format(cid=cid, apn=""), call.timeout_s)
        self.machine.down(cid)

    # Coming back

    async def reset(self, deadline_s: float = 90.0) -> None:
        """Restart it and wait until it is back; raises PortNotBack."""
        with contextlib.suppress(PortError, Unanswered):  # some are gone before they have answered
            await self.at(self.vendor.reset, 10.0)
        await self.come_back(deadline_s)

    async def bring_up(self, apn: str, cid: int = IMS_CID) -> Context:
        """From an open port to an active context: card, registration, context.  Raises what is in the way."""
        await self.sim.wait_ready(pin=self._pin)
        await self.wait_registered()
        return await self.connect(apn, cid)

    async def come_back(self, deadline_s: float = 90.0) -> None:
        """After something that restarts it: wait until the port has gone, if it goes, and is open again."""
        loop = asyncio.get_running_loop()
        leaves = loop.time() + LEAVES_S
        while self.is_there and (left := leaves - loop.time()) > 0:
            self._news.clear()
            await self._wait_news(left)
        await self.open(deadline_s)

    # What happens

    def _heard(self, line: str) -> None:
        self._tell(self.machine.line(line, self._now()))

    def _gone(self) -> None:
        self._tell(self.machine.gone(self._now()))

    def _tell(self, events: Sequence[ModemEvent]) -> None:
        for event in events:
            self._news.set()
            if event.what == "look":
                task = asyncio.get_running_loop().create_task(self._look())
                self._looking.add(task)
                task.add_done_callback(self._looking.discard)
            else:
                self._on_event(event)

    async def _look(self) -> None:
        """A context ended and it was not said which."""
        with contextlib.suppress(ModemError):  # gone, or it does not know; the next event tells
            self._tell(self.machine.contexts(await self.read("AT+CGACT?"), self._now()))

    async def _wait_news(self, timeout_s: float) -> None:
        await within(self._news, timeout_s)

    async def _ask_registration(self) -> None:
        for line in REGISTRATION:
            with contextlib.suppress(Refused, ResponseError):
                self._tell(self.machine.registration(await self.read(line), self._now()))

    async def _identify(self) -> Identity:
        said = {name: await self._try(f"AT+{command}") for name, command in _IDENTITY.items()}
        if not said["manufacturer"] and not said["model"]:
            said["model"] = await self._try("ATI")
        return Identity(**said)

    async def _try(self, line: str) -> str:
        """What it answers, in one line; nothing where it refuses."""
        try:
            answer = lines_of("\r\n".join(await self.at(line)))
        except Refused:
            return ""
        return " ".join(part.partition(":")[2].strip() if part.startswith("+") else part for part in answer)

    def _usb_identity(self) -> tuple[int, int] | None:
        return next(((port.vid, port.pid) for port in usb_ports() if port.path == self._keeper.path), None)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_IDENTITY = {"manufacturer": "CGMI", "model": "CGMM", "revision": "CGMR", "imei": "CGSN"}


def _is_active(answer: Answer, cid: int) -> bool:
    """+CGACT and !SCACT tell of contexts, ^NDISSTATQRY of families."""
    if "contexts" in answer:
        return any(one["cid"] == cid and one["active"] for one in answer["contexts"])
    return True in (answer.get("ipv4"), answer.get("ipv6"))
