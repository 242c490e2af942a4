"""Which clocks a topology can be run by: simulated time reaches no further than the kernel that simulates it."""

from __future__ import annotations

from testbed.errors import UsageError
from testbed.topology.model import Topology


def refuse_simulated(topology: Topology) -> None:
    """Raises UsageError when a part of this topology keeps its own time."""
    physical = [name for name, access in topology.accesses.items() if access.is_physical]
    if physical:
        named = ", ".join(f"`{name}` ({topology.accesses[name].kind})" for name in physical)
        what = f"time cannot be simulated for what is not in this machine: {named}"
        mend = "use --clock real, or a topology without physical accesses"
        raise UsageError(what, where=f"--clock simulated, topology {topology.name}", mend=mend)
