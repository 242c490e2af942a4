"""An LTE modem as an IP-CAN of the UE: attached over AT, its network device in the UE's namespace (TS 23.228 annex L).

It runs in the UE's namespace and in the UE's event loop.  The port is opened beforehand, and again by itself whenever
the modem comes back, so that getting on the network during a handoff costs a PDN connection and nothing else.  What it
has when it is attached comes from the network: addresses, gateway and P-CSCFs of the context (TS 27.007 10.1.23).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence

from drivers.errors import DriverError
from drivers.link import devices
from drivers.link.interfaces import switch
from drivers.link.netlink import Netlink
from drivers.link.wired import WiredAccess
from drivers.modem.card.aka import CardAka
from drivers.modem.context import Context
from drivers.modem.errors import ContextRefused, ModemError, NoDataCall, PortError, PortNotBack, Refused
from drivers.modem.machine import ModemEvent
from drivers.modem.modem import IMS_CID, Modem
from drivers.modem.uevents import DeviceNews
from drivers.modem.usb import PortName, network_device
from drivers.protocols import AccessAddress, AccessEvent, Happening

log = logging.getLogger(__name__)
BACK_S = 30.0  # until a modem that was plugged in has booted and answers
AGAIN_S = 1.0  # after something that waiting will hardly mend
# Until its network device is there.  The kernel tells of network devices in their own namespace alone; but the modem's
# other devices come at the same time.
DEVICE_S, CHECK_S = 5.0, 0.1
MEASURE_S = 0.5  # between two measurements of the signal
LEAVE_S = 5.0  # for an orderly good-bye; the network finds out by itself otherwise
# What the modem tells -> what that is for an access; the first of the losses counts, the others follow from it.
LOSSES: dict[str, Happening] = {
    "context-lost": "context-lost",
    "unregistered": "service-lost",
    "searching": "service-lost",
    "denied": "service-lost",
    "gone": "modem-gone",
}
NEWS: dict[str, Happening] = {"back": "modem-back", "signal-low": "signal-low", "signal-back": "signal-back"}


class ModemAccess:
    """`table` as for a wired access.  Its network device is that of the USB device that has the port."""

    def __init__(self, name: str, port: PortName, apn: str, table: int, *, low_dbm: float | None = None) -> None:
        self.name, self._apn, self._table = name, apn, table
        self.modem = Modem(port, on_event=self._told, low_dbm=low_dbm)
        self._wire: WiredAccess | None = None
        self._attached = False
        self._blinked = False  # its network device has lost its carrier, and nothing else has been told since
        self._why: DriverError | None = None  # what keeps the modem from being used, where that is no matter of waiting
        self._opened, self._left = asyncio.Event(), asyncio.Event()
        self._on_event: Callable[[AccessEvent], None] | None = None
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep_open())]
        if low_dbm is not None:
            self._tasks.append(loop.create_task(self._measure()))

    async def attach(self) -> Sequence[AccessAddress]:
        """A PDN connection for the APN, and its addresses and routes in force.  Raises what is in the way."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await self._wait_open()
        if self.modem.service == "unregistered":  # it was told to leave, or was thrown out: it comes not by itself
            with contextlib.suppress(Refused):  # while it searches: then waiting will do
                await self.modem.attach()
        context = await self.modem.bring_up(self._apn)
        given = loop.time()
        with contextlib.suppress(NoDataCall):  # its network device follows the context by itself
            await self.modem.call(cid=context.cid, apn=self._apn)
        wire = await self._device(self._addresses(context))
        found = loop.time()
        addresses = await wire.attach()
        took = {"context": given - begun, "device": found - given, "carrier": loop.time() - found}
        log.info("access %s: %s", self.name, ", ".join(f"{what} {1000 * s:.0f} ms" for what, s in took.items()))
        self._attached = True
        return addresses

    async def detach(self) -> None:
        """Addresses and routes gone; the network is told, where it can be.  The device stays up, to be ready."""
        self._attached = self._blinked = False
        self._drop_device()
        self._switch_on()
        if self.modem.is_there:
            with contextlib.suppress(ModemError, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self.modem.disconnect()

    @property
    def carrier(self) -> bool:
        """Whether we are attached and nothing has been lost since."""
        return self._attached

    async def signal_dbm(self) -> float | None:
        """The RSRP that the modem measures (RSSI where it tells none), attached or not; None where there is none."""
        if not self.is_there:
            return None
        return (await self.modem.signal()).strength_dbm

    @property
    def card(self) -> CardAka:
        """The card in it, for authentication; of use while the modem is there."""
        return self.modem.aka

    @property
    def is_there(self) -> bool:
        """Whether the modem's port is open and it has said who it is."""
        return self._opened.is_set()

    async def airplane(self, on: bool) -> None:
        """Switch the radio off or on, as a user does."""
        await self._wait_open()
        await self.modem.airplane(on)

    async def give_up_context(self) -> None:
        """Deactivate the context: the UE's own doing, of which the rest of the UE learns as of any loss."""
        await self.modem.at(f"AT+CGACT=0,{IMS_CID}", 30.0)

    def watch(self, on_event: Callable[[AccessEvent], None]) -> None:
        """Call back for what happens by itself."""
        self._on_event = on_event

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.modem.close()
        if self._wire is not None:
            self._wire.close()

    # The modem

    async def _keep_open(self) -> None:
        """Have the port open whenever there is one."""
        with DeviceNews() as news:
            while True:
                try:
                    await self.modem.open(BACK_S)
                except PortError as why:
                    log.info("access %s: %s", self.name, why)
                    if not isinstance(why, PortNotBack):  # it went while it was being asked who it is
                        await news.wait(CHECK_S)
                    continue
                except ModemError as why:
                    self._why = why
                    log.warning("access %s: %s", self.name, why)
                    self.modem.close()
                    await news.wait(AGAIN_S)
                    continue
                self._left.clear()
                self._why = None
                if self.modem.is_there:
                    await self._prepare()
                    self._opened.set()
                    await self._left.wait()
                self._opened.clear()

    async def _prepare(self) -> None:
        """Have its network device here and up.

        A driver like cdc_ether takes it for connected until the modem has told otherwise, which takes a moment that is
        over when the device is needed.
        """
        try:
            if not self._is_here():
                self._drop_device()
                devices.move(await self._new_device(), None, self.name)
            self._switch_on()
        except DriverError as why:  # attaching meets it again, and says so
            log.warning("access %s: %s", self.name, why)

    def _switch_on(self) -> None:
        with contextlib.suppress(DriverError), Netlink(socket.NETLINK_ROUTE, f"access {self.name}") as netlink:
            netlink.batch([switch(devices.index_of(self.name), True, self.name)])

    async def _wait_open(self) -> None:
        try:
            async with asyncio.timeout(BACK_S):
                await self._opened.wait()
        except TimeoutError as late:
            mend = "plug it in; `testbed modem list` shows all"
            if self._why is not None:
                raise self._why from late
            raise PortNotBack(f"no modem within {BACK_S:g} s", where=f"access {self.name}", mend=mend) from late

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(MEASURE_S)
            if self._attached and self.is_there:
                with contextlib.suppress(ModemError):
                    await self.modem.signal()

    def _told(self, event: ModemEvent) -> None:
        if event.what == "gone":
            self._opened.clear()
            self._left.set()
        if event.what in LOSSES:
            self._lost(LOSSES[event.what], event.detail)
        elif event.what in NEWS:
            self._say(NEWS[event.what], event.detail)

    def _wire_told(self, event: AccessEvent) -> None:
        if event.what == "carrier-lost":
            self._lost("carrier-lost")
            return
        self._attached = self._blinked  # nothing else was lost: what was in force is so again
        self._say(event.what)

    def _lost(self, what: Happening, detail: str = "") -> None:
        """One loss takes everything with it: only the first is told."""
        self._blinked = what == "carrier-lost" and self._attached
        if self._attached:
            self._attached = False
            self._say(what, detail)

    def _say(self, what: Happening, detail: str = "") -> None:
        if self._on_event:
            self._on_event(AccessEvent(self.name, what, detail))

    # The network device

    def _addresses(self, context: Context) -> list[AccessAddress]:
        where = f"access {self.name}"
        found = []
        for own in context.addresses:
            if not own.pcscf:
                mend = f"have the packet core give P-CSCF addresses on APN {self._apn} (TS 24.229 L.2.2.1)"
                raise ContextRefused(f"no P-CSCF came with {own.address}", where=where, mend=mend)
            found.append(AccessAddress(own.family, own.address, own.prefix, own.gateway or "", own.pcscf[0]))
        return found

    async def _device(self, addresses: Sequence[AccessAddress]) -> WiredAccess:
        """Its network device in our namespace, under the access's name."""
        if self._wire is not None and self._wire.addresses == tuple(addresses) and self._is_here():
            return self._wire
        self._drop_device()
        if not self._is_here():
            devices.move(await self._new_device(), None, self.name)
        self._wire = WiredAccess(self.name, self.name, self._table, addresses)
        self._wire.watch(self._wire_told)
        return self._wire

    def _is_here(self) -> bool:
        return any(name == self.name for _, name in socket.if_nameindex())

    async def _new_device(self) -> str:
        loop = asyncio.get_running_loop()
        until = loop.time() + DEVICE_S
        with DeviceNews() as news:
            while (found := network_device(self.modem.path or "")) is None:
                if loop.time() > until:
                    what = f"the modem has no network device within {DEVICE_S:g} s"
                    mend = "has the kernel the driver for the modem's network device (cdc_ether, cdc_ncm)?"
                    raise DriverError(what, where=f"access {self.name}", mend=mend)
                await news.wait(CHECK_S)
        return found

    def _drop_device(self) -> None:
        """Take addresses, routes and rules away; the device itself may be gone already, and they with it."""
        if self._wire is not None:
            with contextlib.suppress(DriverError):
                self._wire.leave()
            self._wire.close()
            self._wire = None
