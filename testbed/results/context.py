"""What the scenario runner knows about a run and the captures cannot tell: the second argument of `analyse`.

Plain data with plain numbers.  Times are milliseconds, one way where they are delays; addresses are text of either
family, and every address that an end had on an access belongs in its tuple.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from testbed.measure.capture import CaptureStats
from testbed.measure.expected import Expectations, PlannedHandoff
from testbed.measure.sip_check import Check


@dataclass(frozen=True)
class KernelInfo:
    """The kernel a run ran on; `clock` is `real` or `simulated`."""

    name: str  # host | uml
    release: str
    clock: str = "real"
    build: str | None = None  # of a uml: debian | rig


@dataclass(frozen=True)
class Lateness:
    """How late one end's media sender was against its own schedule."""

    p50: float
    p99: float
    max: float | None = None


@dataclass(frozen=True)
class ConnectionInfo:
    """An IMS connection as the UE saw it at the end of the run."""

    access: str
    pcscf: str
    state: str  # active | inactive | ended
    bindings: tuple[str, ...] = ()
    spi: tuple[int, ...] = ()


@dataclass
class StepRecord:
    """A step of a scenario, and what came of it; `checks` are those that the captures decide."""

    number: int
    verb: str
    text: str
    state: str = "not reached"  # passed | failed | not reached
    found: str = ""
    fault: str = ""  # what was expected and what was there
    figure: str | None = None  # what its duration is called
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class RunContext:
    """Everything `analyse` needs beside the run's folder."""

    scenario: str
    topology: str
    kernel: KernelInfo
    started: datetime
    ended: datetime
    ue_addresses: dict[str, tuple[str, ...]]  # access -> addresses of the UE on it
    far_addresses: tuple[str, ...]
    handoffs: tuple[PlannedHandoff, ...]
    pcscf_addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)  # access (and "far") -> addresses
    connections: tuple[ConnectionInfo, ...] = ()
    lateness_ms: dict[str, Lateness] = field(default_factory=dict)  # end ("ue", "far") -> lateness
    capture_stats: dict[str, CaptureStats] = field(default_factory=dict)  # end -> what stop() returned
    clock_step_ms: float = 0.0  # change of CLOCK_REALTIME minus CLOCK_MONOTONIC over the run
    expectations: Expectations = field(default_factory=Expectations)
    failures: tuple[str, ...] = ()  # sentences of ProductFailure that ended the run
    rig_errors: tuple[str, ...] = ()  # sentences of RigError and DriverError
    ptime_ms: float = 20.0
    timings_s: dict[str, float] = field(default_factory=dict)  # stage of the run -> seconds, by the program's clock
    rows: tuple[int, ...] = ()  # of the proposal's table
    steps: tuple[StepRecord, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader of the result must know, such as a stand-in database
