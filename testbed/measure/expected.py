"""What a scenario plans and expects: the yardstick that the captures are held against.

Plain data, free of numpy, for the runner makes it while the rig is up.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.measure.floor import Delays, Floor, floor
from testbed.measure.words import Procedure, TriggerKind


@dataclass(frozen=True)
class PlannedHandoff:
    """One handoff as the scenario planned it; the n-th belongs to the n-th `trigger` marker."""

    trigger: TriggerKind
    old_access: str
    new_access: str
    procedure: Procedure
    old_delay_ms: float  # one way, UE to its P-CSCF over the old access
    new_delay_ms: float
    far_delay_ms: float  # one way, far end to its P-CSCF
    core_delay_ms: float = 0.0  # one way, P-CSCF to S-CSCF
    transport: str = "udp"  # udp | tcp
    detection_ms: float = 0.0  # blackhole: the stated time of media silence; carrier-loss: 0
    access_ms: float = 0.0  # what the new access's own network needs to let a UE on, by the topology
    identities: int = 1  # explicitly registered, and moved
    old_path_drains: bool = True  # what had passed the cut link still arrives (False: queues inside the access vanish)

    @property
    def delays(self) -> Delays:
        """The topology's one-way delays."""
        return Delays(self.old_delay_ms, self.new_delay_ms, self.far_delay_ms, self.core_delay_ms)

    def floor(self) -> Floor:
        """The unavoidable interruption."""
        return floor(
            self.procedure,
            self.delays,
            self.transport,
            self.detection_ms,
            access_ms=self.access_ms,
            old_path_drains=self.old_path_drains,
            identities=self.identities,
        )


@dataclass(frozen=True)
class Expectations:
    """What the scenario expects; None means that it is not judged."""

    call_survives: bool = True  # release7: False, the call must be lost and dialled again
    max_lost: int | None = None  # packets in each direction; make-before-break: 0
    max_over_floor: float | None = None
    max_interruption_ms: float | None = None
    detection_tolerance_ms: float | None = None  # the detect phase against the stated detection time
    protected: bool = True  # nothing but the first REGISTER and its refusal outside ESP
    max_lateness_p99_ms: float = 10.0  # half a packet interval
    max_clock_step_ms: float = 1.0
    required_markers: tuple[str, ...] = ()  # beyond those that the procedure needs anyway
