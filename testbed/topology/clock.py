"""Which clocks and kernels a topology can be run by: neither simulated time nor a guest reaches what is real."""

from __future__ import annotations

from testbed.errors import UsageError
from testbed.topology.model import Topology


def refuse_simulated(topology: Topology) -> None:
    """Raises UsageError when a part of this topology keeps its own time."""
    if named := _physical(topology):
        what = f"time cannot be simulated for what is not in this machine: {named}"
        mend = "use --clock real, or a topology without physical accesses"
        raise UsageError(what, where=f"--clock simulated, topology {topology.name}", mend=mend)


def refuse_guest(topology: Topology) -> None:
    """Raises UsageError when a part of this topology is out of a guest's reach."""
    if named := _physical(topology):
        what = f"a guest's kernel cannot reach what is in this machine: {named}"
        mend = "run as root with --kernel host (`testbed doctor` says what that kernel lacks)"
        raise UsageError(what, where=f"--kernel uml, topology {topology.name}", mend=mend)


def _physical(topology: Topology) -> str:
    """The accesses that real hardware plays, in words."""
    physical = [name for name, access in topology.accesses.items() if access.is_physical]
    return ", ".join(f"`{name}` ({topology.accesses[name].kind})" for name in physical)
