"""The network behind a virtual stick, as its firmware sees it: requests one way, events the other.

What the radio and the packet core make of a request comes later, as an event.  :class:`ConfiguredNetwork` is a stand-in
that gives what it was told; a packet core takes its place by serving the same :class:`Network`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from typing import Protocol

Interface = IPv4Interface | IPv6Interface
# 3GPP TS 24.301 table 9.9.3.9.1 (EMM) and 9.9.4.4.1 (ESM)
EMM_PLMN_NOT_ALLOWED, EMM_ROAMING_NOT_ALLOWED, EMM_NO_SUITABLE_CELLS = 11, 13, 15
ESM_UNKNOWN_APN, ESM_NOT_SUBSCRIBED = 27, 33


@dataclass(frozen=True)
class BearerAddress:
    """One family of a PDN connection: the UE's address with its prefix length, and the gateway's address."""

    own: Interface
    gateway: str

    @property
    def family(self) -> int:
        return self.own.version


@dataclass(frozen=True)
class Bearer:
    """What a PDN connection brings (protocol configuration options, TS 24.008 10.5.6.3); `mtu` in bytes."""

    addresses: tuple[BearerAddress, ...]
    dns: tuple[str, ...] = ()
    pcscf: tuple[str, ...] = ()
    mtu: int = 1500


@dataclass(frozen=True)
class Cell:
    """Where the modem camps: `tac` and `ci` are the numbers that +CEREG prints in hexadecimal."""

    plmn: str = "00101"
    operator: str = "Rig"
    tac: int = 0x0001
    ci: int = 0x0000101
    pci: int = 1
    earfcn: int = 1800
    band: int = 3


# Requests


@dataclass(frozen=True)
class Attach:
    imsi: str


@dataclass(frozen=True)
class Detach:
    pass


@dataclass(frozen=True)
class Connect:
    """A PDN connection for a context; an empty `apn` asks for the subscription's default."""

    cid: int
    apn: str
    pdp_type: str  # IP, IPV6 or IPV4V6


@dataclass(frozen=True)
class Disconnect:
    cid: int


Request = Attach | Detach | Connect | Disconnect

# Events


@dataclass(frozen=True)
class Registered:
    cell: Cell
    roaming: bool = False


@dataclass(frozen=True)
class AttachRejected:
    cause: int  # EMM


@dataclass(frozen=True)
class CoverageLost:
    """No cell: the modem searches."""


@dataclass(frozen=True)
class CoverageBack:
    """There is a cell again; the modem attaches by itself."""


@dataclass(frozen=True)
class Connected:
    cid: int
    apn: str
    bearer: Bearer


@dataclass(frozen=True)
class ConnectRejected:
    cid: int
    cause: int  # ESM


@dataclass(frozen=True)
class Disconnected:
    """A PDN connection is over; `by_network` when nobody here asked for it."""

    cid: int
    by_network: bool = False


@dataclass(frozen=True)
class DetachedByNetwork:
    """The network ended the registration; the modem stays without until it is told to attach."""


Event = (
    Registered | AttachRejected | CoverageLost | CoverageBack
    | Connected | ConnectRejected | Disconnected | DetachedByNetwork
)  # fmt: skip


class Network(Protocol):
    """No I/O at this interface: `now` goes in, :attr:`deadline` tells when to come back.

    A packet core does its work behind it, in tasks of its own, and calls `wake` when it has events.
    """

    def watch(self, wake: Callable[[], None]) -> None:
        """Call back when there are events before the deadline; the caller then asks :meth:`tick`."""

    def ask(self, request: Request, now: float) -> None:
        """The modem wants something; its answer is an event."""

    def tick(self, now: float) -> list[Event]:
        """What has happened by now, and has not been told yet."""

    @property
    def deadline(self) -> float | None:
        """When something happens next, as far as that is known."""


@dataclass
class ConfiguredNetwork:
    """Gives what it was configured to give, after the delays it was given.

    `pdns` are the PDN connections that may be had, by APN in lower case; the first is the default.  `attach_cause` and
    `connect_causes` refuse; a rig sets them while the stick runs.
    """

    pdns: Mapping[str, Bearer]
    cell: Cell = field(default_factory=Cell)
    roaming: bool = False
    attach_s: float = 0.2
    connect_s: float = 0.1
    covered: bool = True
    attach_cause: int | None = None
    connect_causes: dict[str, int] = field(default_factory=dict)
    _wake: Callable[[], None] = lambda: None
    _due: list[tuple[float, int, Event]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def watch(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def ask(self, request: Request, now: float) -> None:
        if isinstance(request, Attach):
            if self.covered:
                self._later(now + self.attach_s, self._attach_answer())
        elif isinstance(request, Connect):
            self._later(now + self.connect_s, self._connect_answer(request))
        elif isinstance(request, Disconnect):
            self._later(now + self.connect_s, Disconnected(request.cid))
        else:
            self._forget_answers()

    def tick(self, now: float) -> list[Event]:
        events = []
        while self._due and self._due[0][0] <= now:
            events.append(heapq.heappop(self._due)[2])
        return events

    @property
    def deadline(self) -> float | None:
        return self._due[0][0] if self._due else None

    # What a rig does to it

    def cover(self, covered: bool, now: float) -> None:
        """Take the cells away, or bring them back."""
        if covered == self.covered:
            return
        self.covered = covered
        self._forget_answers()
        self._later(now, CoverageBack() if covered else CoverageLost())
        self._wake()

    def deactivate(self, cid: int, now: float) -> None:
        """End a PDN connection from the network's side."""
        self._later(now, Disconnected(cid, by_network=True))
        self._wake()

    def detach(self, now: float) -> None:
        """End the registration from the network's side."""
        self._later(now, DetachedByNetwork())
        self._wake()

    def _forget_answers(self) -> None:
        """A modem that has left, or cannot be reached, is answered nothing any more."""
        self._due = [due for due in self._due if isinstance(due[2], CoverageLost | CoverageBack)]
        heapq.heapify(self._due)

    def _attach_answer(self) -> Event:
        if self.attach_cause is not None:
            return AttachRejected(self.attach_cause)
        return Registered(self.cell, self.roaming)

    def _connect_answer(self, request: Connect) -> Event:
        apn = request.apn.lower() or next(iter(self.pdns), "")
        cause = self.connect_causes.get(apn)
        if cause is None and apn not in self.pdns:
            cause = ESM_UNKNOWN_APN
        if cause is not None:
            return ConnectRejected(request.cid, cause)
        bearer = self.pdns[apn]
        wanted = {"IP": (4,), "IPV6": (6,)}.get(request.pdp_type, (4, 6))
        addresses = tuple(address for address in bearer.addresses if address.family in wanted)
        if not addresses:
            return ConnectRejected(request.cid, ESM_NOT_SUBSCRIBED)
        return Connected(request.cid, apn, Bearer(addresses, bearer.dns, bearer.pcscf, bearer.mtu))

    def _later(self, when: float, event: Event) -> None:
        heapq.heappush(self._due, (when, next(self._numbers), event))
