"""The floor: the interruption that the topology's own delays make unavoidable for a procedure."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.measure.words import Procedure


@dataclass(frozen=True)
class Delays:
    """One-way delays in milliseconds: each access from its end to the P-CSCF, and P-CSCF to S-CSCF."""

    old_access: float
    new_access: float
    far_access: float
    core: float = 0.0


@dataclass(frozen=True)
class Floor:
    """Milliseconds in each direction."""

    uplink: float
    downlink: float


def floor(
    procedure: Procedure,
    delays: Delays,
    transport: str = "udp",
    detection_ms: float = 0.0,
    *,
    old_path_drains: bool = True,
) -> Floor:
    """The floor of one handoff."""
    raise NotImplementedError
