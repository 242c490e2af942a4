"""What a virtual modem remembers: settings, registration, contexts, signal.  Data only; firmware.py changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from drivers.virtual.network import Bearer, Cell

E_UTRAN = 7  # <AcT> of TS 27.007 7.2
SERVICES = ("+CREG", "+CGREG", "+CEREG")  # a modem attached over LTE is registered in all three


class Stat(IntEnum):
    """<stat> of +CEREG (TS 27.007 10.1.22)."""

    NOT_REGISTERED = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5

    @property
    def registered(self) -> bool:
        return self in (Stat.HOME, Stat.ROAMING)


class SimState(IntEnum):
    """What stands in a card slot; the values are the +CME errors that come of it (TS 27.007 9.2.1), 0 none."""

    READY = 0
    MISSING = 10
    PIN = 11
    PUK = 12


@dataclass
class Context:
    """A PDP context (TS 27.007 10.1.1); `bearer` while it is active."""

    cid: int
    pdp_type: str = "IPV4V6"
    apn: str = ""
    bearer: Bearer | None = None
    bearer_apn: str = ""
    cause: int | None = None  # ESM, of the last rejection

    @property
    def active(self) -> bool:
        return self.bearer is not None

    @property
    def bearer_id(self) -> int:
        """EPS bearer identities begin at 5 (TS 24.007 11.2.3.1.5)."""
        return self.cid + 4


@dataclass
class Signal:
    """The radio as the modem measures it."""

    rsrp_dbm: int = -90
    rsrq_db: int = -10
    sinr_db: int = 15
    rssi_dbm: int = -60


@dataclass
class Settings:
    """What AT commands set, and what ATZ and a reboot bring back."""

    echo: bool = True
    verbose: bool = True
    quiet: bool = False
    cmee: int = 0
    reporting: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, 0))
    cgerep: int = 0
    cops_format: int = 0
    ipv6_colons: bool = False  # +CGPIAF
    signal_urcs: bool = False
    data_urcs: bool = False


@dataclass
class ModemState:
    """All of it."""

    settings: Settings = field(default_factory=Settings)
    functionality: int = 1  # +CFUN
    stat: Stat = Stat.NOT_REGISTERED
    cell: Cell | None = None
    reject_cause: int | None = None  # EMM
    attaching: bool = False
    wants_attach: bool = True  # +CGATT=0 and a detach by the network say no
    cops_mode: int = 0
    contexts: dict[int, Context] = field(default_factory=lambda: {1: Context(1)})
    dialled_cid: int | None = None  # the context that the NIC is to carry as soon as it is up
    data_cid: int | None = None  # the context that the NIC carries
    signal: Signal = field(default_factory=Signal)

    def reset(self) -> None:
        """What a reboot leaves: contexts are kept in the modem's memory, as they were defined."""
        kept = {cid: Context(cid, context.pdp_type, context.apn) for cid, context in self.contexts.items()}
        signal = self.signal
        self.__init__()  # type: ignore[misc]
        self.contexts, self.signal = kept, signal
