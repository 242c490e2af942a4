"""What the controller may ask of each kind of thing on a bench.  Drivers fulfil these; the controller knows no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from drivers.epc.settings import SubscriberSettings

Family = Literal[4, 6]


@dataclass(frozen=True)
class AccessAddress:
    """What an access network gave us when we attached: one family's address, gateway and P-CSCF."""

    family: Family
    address: str
    prefix: int
    gateway: str  # empty on a point-to-point link
    pcscf: str


# What may happen to an access by itself; after one of LOSSES nothing gets through any more.
Happening = Literal[
    "carrier-lost",
    "carrier-back",
    "context-lost",  # its PDP context was deactivated
    "service-lost",  # it is no longer registered in its network
    "modem-gone",  # it has left the bus
    "modem-back",
    "signal-low",
    "signal-back",
]
LOSSES: frozenset[Happening] = frozenset({"carrier-lost", "context-lost", "service-lost", "modem-gone"})


@dataclass(frozen=True)
class AccessEvent:
    """Something that happened to an access network by itself; `detail` in the words of who told it."""

    access: str
    what: Happening
    detail: str = ""


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


@dataclass(frozen=True)
class AssociatedStation:
    """A station of an access point; None where it is not told."""

    address: str
    signal_dbm: int | None  # of what the station sends
    authorized: bool  # it has passed the key exchange
    connected_s: int | None
    idle_ms: int | None


class AccessPoint(Protocol):
    """A Wi-Fi access point (IEEE 802.11).  Everything raises DriverError that says what it did not do."""

    name: str

    async def start(self) -> None:
        """Beacons are sent when it returns."""

    async def stop(self) -> None:
        """End it, whatever state it is in."""

    async def enable(self) -> None:
        """Send beacons again after :meth:`disable`."""

    async def disable(self) -> None:
        """Send nothing more; stations are told first."""

    async def set_channel(self, channel: int) -> None:
        """Go to another channel."""

    async def deauthenticate(self, station: str, reason: int = 3) -> None:
        """Send a station away, with a reason code (IEEE 802.11-2020 table 9-49)."""

    async def request_transition(self, station: str, target: str, target_channel: int) -> None:
        """Ask a station to go to another access point, by its BSSID (BSS Transition Management)."""

    async def stations(self) -> Sequence[AssociatedStation]:
        """Who is associated."""

    def set_power_dbm(self, dbm: float) -> None:
        """Transmit with so much power."""

    def power_dbm(self) -> float:
        """The transmit power in force."""


class LinkShaper(Protocol):
    """One direction of a link that can be made worse."""

    def apply(self, shape: Shape) -> None:
        """Put a shape in force; raises DriverError when what is read back differs."""

    def read(self) -> Shape:
        """The shape in force."""


class Attenuator(Protocol):
    """Anything that makes a radio link weaker by so many dB: a device, an access point's power, a medium."""

    def set_attenuation_db(self, db: float) -> float:
        """Set the nearest step that there is and return it; raises DriverError, also when what is read back differs."""

    def attenuation_db(self) -> float:
        """The attenuation in force."""


class PowerSwitch(Protocol):
    """Something that can be switched: a relay, the power of a USB port."""

    def set_on(self, on: bool) -> None:
        """Switch it; raises DriverError, also when what is read back differs."""

    def is_on(self) -> bool:
        """How it is."""


class Service(Protocol):
    """A daemon of the rig."""

    def start(self) -> None:
        """Start it."""

    def wait_ready(self, deadline_s: float) -> None:
        """Wait until it serves; raises RigError with its own words when it does not."""

    def stop(self) -> None:
        """End it; it may be gone already."""


@dataclass(frozen=True)
class Completed:
    """What a command came to."""

    status: int  # as a shell says it: 128 + the signal's number for one that a signal ended
    stdout: str
    stderr: str


class LongProcess(Protocol):
    """A process that was started and goes on by itself."""

    @property
    def status(self) -> int | None:
        """None while it runs, then as in :class:`Completed`."""

    def wait(self, timeout_s: float) -> int:
        """Wait for its end and return its status; raises DriverError when the time is up."""

    def end(self, patience_s: float = 5.0) -> list[str]:
        """SIGTERM to it, and SIGKILL to it and its children that are still there after `patience_s`.

        Returns what was ended, as sentences; nothing when it had ended already.
        """


class Host(Protocol):
    """A machine, or a network namespace that stands for one.

    Arguments are lists and reach the command as they are.  Nothing waits for ever: each call has a time limit and
    raises DriverError that says what was waited for.
    """

    name: str

    def execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        timeout_s: float = 30.0,
    ) -> Completed:
        """Run a command to its end, whatever its status."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        timeout_s: float = 30.0,
    ) -> str:
        """Run a command and return what it printed; raises CommandFailed when its status is not 0."""

    def start(
        self,
        argv: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] = {},
    ) -> LongProcess:
        """Start a command that goes on.

        `on_line` gets each line that it prints, on either stream, as it comes, in a thread of its own; the same is
        appended to `log`, a file of ours.
        """

    def read(self, path: str, *, timeout_s: float = 30.0) -> bytes:
        """What a file holds."""

    def write(self, path: str, data: bytes, *, mode: int = 0o644, timeout_s: float = 30.0) -> None:
        """Make a file hold this and have these permissions: the old file or the new one is there, never a part."""

    def mode(self, path: str, *, timeout_s: float = 30.0) -> int:
        """A file's permissions."""

    def remove(self, path: str, *, timeout_s: float = 30.0) -> None:
        """Take a file away; it may be gone already."""

    def close(self) -> None:
        """Let go of the host; what runs there runs on, unless it is tied to the connection."""


@dataclass(frozen=True)
class CoreSession:
    """A PDN connection as a packet core sees it."""

    imsi: str
    apn: str
    address: str


class PacketCore(Protocol):
    """An EPC: MME, gateways, HSS, PCRF and their database."""

    name: str
    database: str  # what holds the subscribers: a result says so where it is a stand-in

    def version(self) -> str:
        """Product, release, and the database."""

    def start(self) -> None:
        """Start everything; on an error all of it is taken back."""

    def wait_ready(self, deadline_s: float) -> None:
        """Wait until every daemon has its peers; raises DriverError with the daemon's own words."""

    def check(self) -> None:
        """Raises DriverError when a daemon has ended by itself."""

    def stop(self) -> None:
        """End everything; it may be gone already."""

    def provision(self, subscriber: SubscriberSettings) -> None:
        """Add a subscriber or change one; raises DriverError when he is there with another key."""

    def remove(self, imsi: str) -> bool:
        """Whether the subscriber was there."""

    def sessions(self) -> Sequence[CoreSession]:
        """The PDN connections that stand; raises DriverError where the core does not tell."""

    def detach(self, imsi: str) -> None:
        """Have the network end a subscriber's registration; raises DriverError where the core has no way to."""

    def release_bearer(self, imsi: str, apn: str) -> None:
        """Have the network end a PDN connection; raises DriverError where the core has no way to."""
