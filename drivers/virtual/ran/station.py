"""An eNB with its UEs at work on asyncio: SCTP to the MME, GTP-U to the SGW, a TUN device for each PDN."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from drivers.virtual.ran import s1ap
from drivers.virtual.ran.effects import (
    BearerDown,
    BearersEstablished,
    BearerUp,
    ConnectionReleased,
    Downlink,
    EnbEffect,
    NoAnswer,
    Paged,
    S1Fault,
    S1Refused,
    S1Up,
    ServiceRefused,
    ToMme,
    TunnelDown,
    TunnelUp,
    UeEffect,
    Updated,
    Uplink,
)
from drivers.virtual.ran.enb import CellSettings, Enb
from drivers.virtual.ran.errors import CoreGone
from drivers.virtual.ran.sctp import Association
from drivers.virtual.ran.tunnel import TunDevice, place
from drivers.virtual.ran.ue import Ue
from drivers.virtual.ran.user_plane import UserPlane

CONNECT_S = 10.0
DEFAULT_MTU = 1400


@dataclass(frozen=True)
class Seat:
    """Where a UE's devices are: a namespace, and the beginning of their names; the bearer's number comes behind."""

    namespace: str | None = None
    device: str = "lte"


class Station:
    """One eNB.  `tell` hears what happens to the UEs, `fault` what is wrong with S1, each in words of effects."""

    def __init__(
        self,
        settings: CellSettings,
        namespace: str | None,
        tell: Callable[[Ue, UeEffect], None],
        fault: Callable[[str], None],
    ) -> None:
        self.enb = Enb(settings)
        self._settings, self._namespace, self._tell, self._fault = settings, namespace, tell, fault
        self._loop = asyncio.get_running_loop()
        self._seats: dict[Ue, Seat] = {}
        self._timers: dict[Ue, asyncio.TimerHandle] = {}
        self._association: Association | None = None
        self._up: asyncio.Future[S1Up] = self._loop.create_future()
        self.users = UserPlane(settings.gtpu, namespace, self._wants_to_send)

    async def connect(self, mme: IPv4Address, port: int = s1ap.PORT) -> S1Up:
        """Associate with the MME and set up S1.  Raises CoreGone with the reason when there is none."""
        where = f"S1 to {mme}:{port}"
        with place(self._namespace):
            self._association = Association(s1ap.PPID)
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._loop.sock_connect(self._association.socket, (str(mme), port))
                self._loop.add_reader(self._association.socket, self._received)
                self.enb.set_up()
                self._settle()
                return await asyncio.shield(self._up)
        except TimeoutError as silent:
            raise CoreGone(f"no answer within {CONNECT_S:g} s", where=where) from silent
        except OSError as refused:
            raise CoreGone(f"no association: {refused.strerror}", where=where, mend="start the MME") from refused

    def add(self, ue: Ue, seat: Seat) -> None:
        """A UE under this cell."""
        self._seats[ue] = seat

    @property
    def now(self) -> float:
        """The clock of all UEs here."""
        return self._loop.time()

    def settle(self) -> None:
        """Carry out what has come of something that was asked of a UE or the eNB."""
        self._settle()

    def close(self) -> None:
        """Everything of it goes; the network is not told."""
        for timer in self._timers.values():
            timer.cancel()
        if self._association:
            self._loop.remove_reader(self._association.socket)
            self._association.close()
        self._up.cancel()
        self.users.close()

    def _received(self) -> None:
        assert self._association
        while (data := self._association.receive()) is not None:
            if not data:
                self._lost("the MME has ended the association")
                return
            self.enb.receive(data)
        self._settle()

    def _lost(self, why: str) -> None:
        assert self._association
        self._loop.remove_reader(self._association.socket)
        self._fault(why)
        if not self._up.done():
            self._up.set_exception(CoreGone(why, where="S1 setup"))
        self.enb.association_lost()
        self._settle()

    def _settle(self) -> None:
        """Effects may have effects: until there are none."""
        busy = True
        while busy:
            busy = False
            for effect in self.enb.take():
                busy = True
                self._of_enb(effect)
            for ue in list(self._seats):
                for of_ue in ue.take():
                    busy = True
                    self._of_ue(ue, of_ue)
        for ue in self._seats:
            self._schedule(ue)

    def _of_enb(self, effect: EnbEffect) -> None:
        match effect:
            case ToMme(data, stream):
                self._send(data, stream)
            case S1Up():
                if not self._up.done():
                    self._up.set_result(effect)
            case S1Refused(cause):
                if not self._up.done():
                    self._up.set_exception(CoreGone(f"the MME refuses: {cause}", where="S1 setup"))
            case S1Fault(what):
                self._fault(what)
            case TunnelUp():
                self.users.tunnel_up(effect)
            case TunnelDown(_, _, teid):
                self.users.tunnel_down(teid)
            case Paged(s_tmsi):
                for ue in self._seats:
                    ue.paged(s_tmsi, self.now)
            case Downlink(ue, nas):
                _ue(ue).receive(nas, self.now)
            case BearersEstablished(ue):
                _ue(ue).bearers_established(self.now)
            case ConnectionReleased(ue, _):
                _ue(ue).connection_released(self.now)

    def _of_ue(self, ue: Ue, effect: UeEffect) -> None:
        if isinstance(effect, Uplink):
            self.enb.uplink(ue, effect.nas, effect.cause, effect.s_tmsi)
            return
        if isinstance(effect, BearerUp):
            self._bearer_up(ue, effect)
        elif isinstance(effect, BearerDown):
            self.users.detach(ue, effect.bearer)
        elif isinstance(effect, NoAnswer | ServiceRefused | Updated):
            self.users.listen(ue)
        self._tell(ue, effect)

    def _bearer_up(self, ue: Ue, up: BearerUp) -> None:
        """A default bearer gets a device; a dedicated one shares it."""
        if up.linked is not None:
            self.users.link(ue, up.bearer, up.linked)
            return
        own: list[IPv4Address | IPv6Address] = [one for one in (up.address.ipv4, up.address.link_local) if one]
        seat = self._seats[ue]
        device = TunDevice(f"{seat.device}{up.bearer}", seat.namespace, tuple(own), up.pco.mtu or DEFAULT_MTU)
        self.users.attach(ue, up.bearer, device)

    def _send(self, data: bytes, stream: int) -> None:
        if self._association:
            with contextlib.suppress(CoreGone):  # the next read says so, too
                self._association.send(data, stream)

    def _wants_to_send(self, ue: object) -> None:
        _ue(ue).request_service(self.now)
        self._loop.call_soon(self._settle)

    def _schedule(self, ue: Ue) -> None:
        """Come back when a timer of the UE runs out."""
        timer = self._timers.pop(ue, None)
        if timer:
            timer.cancel()
        if ue.deadline is not None:
            self._timers[ue] = self._loop.call_at(ue.deadline, self._tick, ue)

    def _tick(self, ue: Ue) -> None:
        ue.tick(self.now)
        self._settle()


def _ue(known: object) -> Ue:
    assert isinstance(known, Ue)
    return known
