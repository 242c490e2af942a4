"""What comes out of the UE and the eNB: things to send, and things that happened.  They do no I/O of their own."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Literal

from drivers.virtual.ran.nas.elements import Guti, PdnAddress
from drivers.virtual.ran.nas.pco import Pco

EstablishmentCause = Literal["mo-Signalling", "mo-Data", "mt-Access"]  # TS 36.331 6.2.2

# The UE's


@dataclass(frozen=True)
class Uplink:
    """A NAS message for the network; with a cause it asks for a new RRC connection."""

    nas: bytes
    cause: EstablishmentCause | None = None
    s_tmsi: tuple[int, int] | None = None


@dataclass(frozen=True)
class Registered:
    guti: Guti | None
    periodic_update_s: int | None


@dataclass(frozen=True)
class AttachRejected:
    """`cause` is EMM's; None where the network gave none.

    `esm_cause` says more where it is 19, ESM failure.  `own_cause` is the UE's, where it had refused the challenge.
    """

    cause: int | None
    esm_cause: int | None = None
    own_cause: int | None = None


@dataclass(frozen=True)
class NoAnswer:
    """A procedure was given up: its timer ran out, or the connection went in the middle of it."""

    procedure: str


@dataclass(frozen=True)
class Detached:
    """The registration is over; `by_network` with its EMM cause, where it gave one, and whether to attach again."""

    by_network: bool = False
    cause: int | None = None
    reattach: bool = False


@dataclass(frozen=True)
class BearerUp:
    """A default bearer, or a dedicated one of the connection `linked`.  `transaction` is the request it answers."""

    bearer: int
    apn: str
    address: PdnAddress
    pco: Pco
    qci: int
    linked: int | None = None
    transaction: int = 0
    tft: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class BearerDown:
    bearer: int
    by_network: bool
    cause: int | None = None


@dataclass(frozen=True)
class ConnectRejected:
    transaction: int
    apn: str
    cause: int  # ESM


@dataclass(frozen=True)
class DisconnectRejected:
    bearer: int
    cause: int  # ESM


@dataclass(frozen=True)
class Updated:
    """A tracking area update was accepted."""


@dataclass(frozen=True)
class ServiceRefused:
    cause: int  # EMM


@dataclass(frozen=True)
class Dropped:
    """A message that was not taken, and why."""

    why: str


UeEffect = (
    Uplink | Registered | AttachRejected | NoAnswer | Detached | BearerUp | BearerDown | ConnectRejected
    | DisconnectRejected | Updated | ServiceRefused | Dropped
)  # fmt: skip

# The eNB's


@dataclass(frozen=True)
class ToMme:
    """An S1AP message; `stream` 0 is for what is about no UE (TS 36.412 7)."""

    data: bytes
    stream: int = 0


@dataclass(frozen=True)
class S1Up:
    mme: str


@dataclass(frozen=True)
class S1Refused:
    cause: str


@dataclass(frozen=True)
class Downlink:
    ue: Hashable
    nas: bytes


@dataclass(frozen=True)
class BearersEstablished:
    """The UE's context is set up: what it may take for the acceptance of a service request."""

    ue: Hashable


@dataclass(frozen=True)
class ConnectionReleased:
    ue: Hashable
    cause: str


@dataclass(frozen=True)
class Paged:
    s_tmsi: tuple[int, int]


@dataclass(frozen=True)
class TunnelUp:
    """A GTP-U tunnel for a bearer: what arrives with `teid` is the UE's, what it sends goes to the peer's."""

    ue: Hashable
    bearer: int
    teid: int
    peer: IPv4Address
    peer_teid: int


@dataclass(frozen=True)
class TunnelDown:
    ue: Hashable
    bearer: int
    teid: int


@dataclass(frozen=True)
class S1Fault:
    """The MME reported an error, or sent what cannot be read."""

    what: str


EnbEffect = (
    ToMme | S1Up | S1Refused | Downlink | BearersEstablished | ConnectionReleased | Paged | TunnelUp | TunnelDown
    | S1Fault
)  # fmt: skip
