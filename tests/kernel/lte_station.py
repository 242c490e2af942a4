"""A virtual eNB and UEs before a real core, for tests in a guest: what happened can be waited for."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import TypeVar

from drivers.virtual.card import Aka
from drivers.virtual.ran.common import Subscriber
from drivers.virtual.ran.effects import BearerUp, Detached, UeEffect
from drivers.virtual.ran.enb import CellSettings
from drivers.virtual.ran.nas.elements import Tai
from drivers.virtual.ran.sessions import Wanted
from drivers.virtual.ran.station import Seat, Station
from drivers.virtual.ran.tunnel import place
from drivers.virtual.ran.ue import Ue

WAIT_S = 20.0
INACTIVE_S = 0.1
PINGS, PING_S = 5, 0.3
ENB = IPv4Address("127.0.1.3")
INTERNET, IMS = Wanted("internet", 1, False), Wanted("ims", 1, True)
SO_BINDTODEVICE = 25
DEVICE = "lte"
EEA0_EIA2, EEA2_EIA2 = b"\x80\x20", b"\xa0\x20"  # UE network capabilities
E = TypeVar("E")


class Phone:
    """A UE, and what it has told."""

    def __init__(self, station: Station, subscriber: Subscriber, aka: Aka, namespace: str) -> None:
        self.station, self.ue = station, Ue(subscriber, station.enb.settings.tai, aka)
        self.told: asyncio.Queue[UeEffect] = asyncio.Queue()
        self.also: Callable[[UeEffect], None] = lambda effect: None  # who else hears of it
        station.add(self.ue, Seat(namespace, DEVICE))

    async def event(self, kind: type[E]) -> E:
        """The next one of this kind; those before it are forgotten."""
        async with asyncio.timeout(WAIT_S):
            while True:
                effect = await self.told.get()
                if isinstance(effect, kind):
                    return effect

    async def attach(self, wanted: Wanted = INTERNET) -> BearerUp:
        self.begin(wanted)
        return await self.event(BearerUp)

    def begin(self, wanted: Wanted = INTERNET) -> None:
        self.ue.attach(wanted, self.station.now)
        self.station.settle()

    async def connect(self, wanted: Wanted) -> BearerUp:
        self.ue.connect(wanted, self.station.now)
        self.station.settle()
        return await self.event(BearerUp)

    async def detach(self) -> None:
        self.ue.detach(self.station.now)
        self.station.settle()
        await self.event(Detached)

    async def idle(self) -> None:
        """Let the eNB find that the UE is inactive; that takes a moment, and the core has done what it does by then."""
        await asyncio.sleep(INACTIVE_S)
        self.station.enb.release(self.ue)
        self.station.settle()
        async with asyncio.timeout(WAIT_S):
            while self.ue.connected:
                await asyncio.sleep(0.01)


class Cell:
    """A station and its phones."""

    def __init__(self, namespace: str, tac: int = 1) -> None:
        self.faults: list[str] = []
        self._phones: dict[Ue, Phone] = {}
        settings = CellSettings(Tai("00101", tac), ENB)
        self.station = Station(settings, namespace, self._tell, self.faults.append)

    def phone(self, imsi: str, aka: Aka, namespace: str, capability: bytes = EEA0_EIA2) -> Phone:
        """A UE that does not cipher, unless it is told to: what is said can be read in a capture."""
        phone = Phone(self.station, Subscriber(imsi, capability=capability), aka, namespace)
        self._phones[phone.ue] = phone
        return phone

    def _tell(self, ue: Ue, effect: UeEffect) -> None:
        self._phones[ue].told.put_nowait(effect)
        self._phones[ue].also(effect)


@asynccontextmanager
async def cell(namespace: str, mme: IPv4Address, tac: int = 1) -> AsyncIterator[Cell]:
    """An eNB that has set up S1; nothing was wrong with it until its end."""
    found = Cell(namespace, tac)
    try:
        await found.station.connect(mme)
        yield found
    finally:
        found.station.close()
    assert found.faults == []


async def ping(namespace: str, device: str | None, to: str) -> bool:
    """Whether one of a few echoes is answered, sent through a device, or where the routes lead.

    NextEPC's SGW loses what comes for a UE before it has heard of the eNB's tunnel, some microseconds after the UE.
    """
    for _ in range(PINGS):
        if await asyncio.to_thread(_ping, namespace, device, to, PING_S):
            return True
    return False


def _ping(namespace: str, device: str | None, to: str, wait_s: float) -> bool:
    v6 = ":" in to
    request, reply, header = (128, 129, 0) if v6 else (8, 0, 20)  # RFC 4443, RFC 792
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    with place(namespace):
        echo = socket.socket(family, socket.SOCK_RAW, protocol)
    with echo:
        if device:
            echo.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode())
        body = struct.pack(">HH", 77, 1) + b"handoff!"
        total = sum(struct.unpack(">6H", body)) + (request << 8)  # of ICMPv6 the kernel makes the checksum
        total = (total & 0xFFFF) + (total >> 16)
        echo.sendto(struct.pack(">BBH", request, 0, ~total & 0xFFFF) + body, (to, 0))
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            echo.settimeout(left)
            try:
                answer = echo.recv(2048)[header:]
            except TimeoutError:
                return False
            if answer[0] == reply and answer[4:] == body:
                return True
    return False
