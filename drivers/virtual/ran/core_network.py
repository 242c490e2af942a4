"""A packet core behind a virtual stick: what its modem asks goes to the UE, what the core gives comes back as events.

It serves :class:`drivers.virtual.network.Network`.  The first PDN connection comes with the attach and is the
subscription's default; the first context that asks for this APN, or for none, gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Protocol

from drivers.virtual import network
from drivers.virtual.network import Bearer, BearerAddress, Cell, Event, Request
from drivers.virtual.ran.effects import (
    AttachRejected,
    BearerDown,
    BearerUp,
    ConnectRejected,
    Detached,
    DisconnectRejected,
    NoAnswer,
    Registered,
    UeEffect,
)
from drivers.virtual.ran.nas.elements import IPV4, IPV4V6, IPV6, PdnType
from drivers.virtual.ran.sessions import Wanted
from drivers.virtual.ran.station import DEFAULT_MTU
from drivers.virtual.ran.ue import State, Ue

T3411_S = 10.0  # from a failed attach to the next (TS 24.301 table 10.2.1)
ILLEGAL_UE = 3  # what a UE that was not authenticated is (5.4.2.5)
NETWORK_FAILURE = 38  # ESM, for a connection that nobody answers
IMS_APN = "ims"
PREFIX = 24  # EPS has neither masks nor gateways: modems make them up for the host
_PDN_TYPES: dict[str, PdnType] = {"IP": IPV4, "IPV6": IPV6, "IPV4V6": IPV4V6}


class Air(Protocol):
    """What a :class:`drivers.virtual.ran.station.Station` is to its UEs."""

    @property
    def now(self) -> float: ...

    def settle(self) -> None: ...


@dataclass
class Claim:
    """A context of the modem that wants a PDN connection; with a bearer once it has it."""

    apn: str
    bearer: int | None = None


class CoreNetwork:
    """One UE of a station as the network of one modem.  Whoever made the station hands the UE's effects to `hear`."""

    def __init__(self, station: Air, ue: Ue, cell: Cell, *, roaming: bool = False) -> None:
        self._station, self._ue, self._cell, self._roaming = station, ue, cell, roaming
        self._loop = asyncio.get_running_loop()
        self._wake: Callable[[], None] = lambda: None
        self._events: list[Event] = []
        self._claims: dict[int, Claim] = {}
        self._free: dict[int, BearerUp] = {}  # default bearers that no context has claimed
        self._wants_attach = False
        self._again: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._again:
            self._again.cancel()

    # The modem's side

    def watch(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def ask(self, request: Request, now: float) -> None:
        match request:
            case network.Attach():
                self._wants_attach = True
                self._attach()
            case network.Detach():
                self._wants_attach = False
                self._forget()
                self._ue.detach(self._station.now)
            case network.Connect(cid, apn, pdp_type):
                self._connect(cid, apn.lower(), pdp_type)
            case network.Disconnect(cid):
                claim = self._claims.get(cid)
                if claim and claim.bearer is not None and self._ue.state is State.REGISTERED:
                    self._ue.disconnect(claim.bearer, self._station.now)
        self._loop.call_soon(self._station.settle)

    def tick(self, now: float) -> list[Event]:
        events, self._events = self._events, []
        return events

    @property
    def deadline(self) -> float | None:
        return None  # what happens next is up to the core

    # The UE's side

    def hear(self, effect: UeEffect) -> None:
        """Something happened to the UE."""
        match effect:
            case Registered():
                self._tell(network.Registered(self._cell, self._roaming))
            case AttachRejected(cause):
                self._wants_attach = False
                self._tell(network.AttachRejected(ILLEGAL_UE if cause is None else cause))
            case NoAnswer("attach"):
                self._again = self._loop.call_later(T3411_S, self._attach_again)
            case NoAnswer("PdnConnectivityRequest"):
                self._refused("", NETWORK_FAILURE)
            case BearerUp(linked=None):
                self._free[effect.bearer] = effect
                self._give()
            case ConnectRejected(_, apn, cause):
                self._refused(apn, cause)
            case BearerDown(bearer, by_network):
                self._free.pop(bearer, None)
                for cid in [cid for cid, claim in self._claims.items() if claim.bearer == bearer]:
                    del self._claims[cid]
                    self._tell(network.Disconnected(cid, by_network))
            case Detached():
                self._detached(effect)
            case DisconnectRejected():
                pass  # the connection stands; the modem's command finds that in time
        if self._events:
            self._loop.call_soon(self._wake)

    def _detached(self, effect: Detached) -> None:
        self._forget()
        # That the connections are gone goes without saying.
        self._events = [event for event in self._events if not isinstance(event, network.Disconnected)]
        if effect.by_network and not effect.reattach:
            self._wants_attach = False
            self._tell(network.DetachedByNetwork())
        elif effect.by_network:  # as if the cell had been away: the modem attaches by itself
            self._tell(network.CoverageLost())
            self._tell(network.CoverageBack())
        elif self._wants_attach:
            self._attach_again()

    def _attach(self) -> None:
        if self._ue.state is State.DEREGISTERED:
            self._forget()
            self._ue.attach(Wanted("", IPV4V6, ims=False), self._station.now)

    def _attach_again(self) -> None:
        if self._wants_attach:
            self._attach()
            self._loop.call_soon(self._station.settle)

    def _connect(self, cid: int, apn: str, pdp_type: str) -> None:
        if self._ue.state not in (State.REGISTERED, State.REQUESTING_SERVICE):
            self._tell(network.ConnectRejected(cid, NETWORK_FAILURE))
            self._loop.call_soon(self._wake)
            return
        self._claims[cid] = Claim(apn)
        if not self._give():
            self._ue.connect(Wanted(apn, _PDN_TYPES.get(pdp_type, IPV4V6), apn == IMS_APN), self._station.now)

    def _give(self) -> bool:
        """Give a free bearer to the context that waits for one of its APN; whether there was such a pair."""
        for cid, claim in self._claims.items():
            for bearer, up in self._free.items():
                if claim.bearer is None and (not claim.apn or _is_apn(up.apn, claim.apn)):
                    claim.bearer = bearer
                    del self._free[bearer]
                    self._tell(network.Connected(cid, up.apn, _bearer(up)))
                    self._loop.call_soon(self._wake)
                    return True
        return False

    def _refused(self, apn: str, cause: int) -> None:
        for cid, claim in self._claims.items():
            if claim.bearer is None and apn in ("", claim.apn):
                del self._claims[cid]
                self._tell(network.ConnectRejected(cid, cause))
                return

    def _forget(self) -> None:
        if self._again:
            self._again.cancel()
            self._again = None
        self._claims.clear()
        self._free.clear()

    def _tell(self, event: Event) -> None:
        self._events.append(event)


def _is_apn(given: str, wanted: str) -> bool:
    """Whether it is this APN; a core may add the operator's part (TS 23.003 9.1.2)."""
    return given.lower() == wanted or given.lower().startswith(f"{wanted}.mnc")


def _bearer(up: BearerUp) -> Bearer:
    """What the modem tells its host of a PDN connection.  IPv6 is left to the router advertisement."""
    addresses: tuple[BearerAddress, ...] = ()
    if up.address.ipv4:
        own = IPv4Interface((up.address.ipv4, PREFIX))
        first, second = own.network[1], own.network[2]
        addresses = (BearerAddress(own, str(second if own.ip == first else first)),)
    return Bearer(addresses, up.pco.dns, up.pco.pcscf, up.pco.mtu or DEFAULT_MTU)
