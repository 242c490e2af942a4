"""What the controller may ask of each kind of thing on a bench.  Drivers fulfil these; the controller knows no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Family = Literal[4, 6]


@dataclass(frozen=True)
class AccessAddress:
    """What an access network gave us when we attached: one family's address, gateway and P-CSCF."""

    family: Family
    address: str
    prefix: int
    gateway: str
    pcscf: str


@dataclass(frozen=True)
class AccessEvent:
    """Something that happened to an access network by itself."""

    access: str
    what: Literal["carrier-lost", "carrier-back"]


@dataclass(frozen=True)
class Shape:
    """What a link does to packets in one direction."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0


class AccessNetwork(Protocol):
    """An IP-CAN seen from the UE (TS 23.228 annex E and L)."""

    async def attach(self) -> Sequence[AccessAddress]:
        """Get on the network; addresses and routes are in force when it returns."""

    async def detach(self) -> None:
        """Leave the network."""

    def watch(self, on_event: Callable[[AccessEvent], None]) -> None:
        """Call back for what happens by itself, until :meth:`close`."""

    def close(self) -> None:
        """Stop watching."""


class LinkShaper(Protocol):
    """One direction of a link that can be made worse."""

    def apply(self, shape: Shape) -> None:
        """Put a shape in force; raises DriverError when what is read back differs."""

    def read(self) -> Shape:
        """The shape in force."""


class Service(Protocol):
    """A daemon of the rig."""

    def start(self) -> None:
        """Start it."""

    def wait_ready(self, deadline_s: float) -> None:
        """Wait until it serves; raises RigError with its own words when it does not."""

    def stop(self) -> None:
        """End it; it may be gone already."""


class Host(Protocol):
    """A machine, or a network namespace that stands for one."""

    def run(self, argv: Sequence[str], *, timeout_s: float = 30.0) -> str:
        """Run a command to its end and return what it printed; raises DriverError otherwise."""

    def start(self, argv: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Service:
        """Start a long-running command."""
