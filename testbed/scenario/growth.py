"""Whether anything grows over many handoffs: associations, dialogs, open files and memory, host by host.

Nothing may: a handoff leaves what was before it.  The first handoffs are not counted, for they fill caches and tables.
What a program keeps of dialogs and the like nobody sees from outside: it is asked, and `kept` is what it said.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from testbed.core.core import Core
from testbed.rig.rig import Rig
from testbed.topology.plan import Plan
from testbed.ue.handle import UeHandle

MEMORY_MAY_GROW = 0.05  # of what it was, over all handoffs: the allocators' own breathing
MEMORY_MAY_GROW_KIB = 2048
# A transaction is kept for 64*T1 after its last response (RFC 3261 17.1.1.2, 17.2.2): before so much time has passed
# they grow, and later their number breathes.
TRANSACTIONS, TRANSACTIONS_FROM_S = "transactions", 150.0
BREATHES = {TRANSACTIONS: 0.2}
_COUNT = re.compile(r"count (\d+)")


@dataclass(frozen=True)
class Sample:
    """What one host has: its associations, and the open files and memory of all that the rig started there."""

    associations: int
    files: int
    memory_kib: int
    kept: Mapping[str, int] = field(default_factory=dict)  # sessions, subscriptions, ...: how many its program has


def weighed_after(handoffs: int) -> tuple[int, ...]:
    """After which two of so many handoffs back and forth everything is weighed; none where they are too few.

    Both times the call is where it began, and at the first everything has been filled that fills at first.
    """
    first, last = max(2, 2 * (handoffs // 8)), handoffs - handoffs % 2
    return (first, last) if first < last else ()


async def everything(rig: Rig, ues: Mapping[str, UeHandle], core: Core, since_s: float) -> dict[str, Sample]:
    """All of a run that may not grow, `since_s` seconds after it began to make transactions."""
    kept = {name: dict((await ue.order("state"))["alive"]) for name, ue in ues.items()}
    if since_s < TRANSACTIONS_FROM_S:
        for each in kept.values():
            del each[TRANSACTIONS]
    return sample(rig, kept | await asyncio.to_thread(_core, rig.plan, core))


def _core(plan: Plan, core: Core) -> dict[str, dict[str, int]]:
    """What the CSCFs keep."""
    state = core.scscf_state()
    kept = {
        plan.server("scscf").name: {
            "bindings": sum(map(len, state.bindings.values())),
            "connections": len(state.connections),
            "sessions": len(state.sessions),
            "subscriptions": state.watchers,
        }
    }
    for server in plan.pcscfs():
        kept[server.name] = {"connections": len(core.pcscf_state(server.name).connections)}
    return kept


def sample(rig: Rig, kept: Mapping[str, Mapping[str, int]] = MappingProxyType({})) -> dict[str, Sample]:
    """All hosts of a rig on which something was started, now; `kept` is what the programs of a host say they keep."""
    members: dict[str, list[Path]] = {}
    hosts = rig.sessions()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            session = int((process / "stat").read_text().rpartition(")")[2].split()[3])
            if session in hosts:
                members.setdefault(hosts[session], []).append(process)
    return {
        host: Sample(
            _associations(rig.namespace(host)),
            sum(map(_files, found)),
            sum(map(_memory_kib, found)),
            kept.get(host, {}),
        )
        for host, found in sorted(members.items())
    }


def tell(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> Iterator[str]:
    """A line for each host."""
    for host, now in after.items():
        then = before.get(host, now)
        yield (
            f"{host}: {then.associations} → {now.associations} SAs, {then.files} → {now.files} open files, "
            f"{then.memory_kib / 1024:.1f} → {now.memory_kib / 1024:.1f} MiB"
            + "".join(f", {then.kept[what]} → {count} {what}" for what, count in now.kept.items() if what in then.kept)
        )


def grown(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> Iterator[str]:
    """What grew that must not."""
    for host, now in after.items():
        then = before.get(host, now)
        if now.associations > then.associations:
            yield f"the security associations of {host} grew from {then.associations} to {now.associations}"
        if now.files > then.files:
            yield f"the open files of {host} grew from {then.files} to {now.files}"
        for what, count in then.kept.items():
            if now.kept.get(what, 0) > count * (1 + BREATHES.get(what, 0.0)):
                yield f"the {what} of {host} grew from {count} to {now.kept[what]}"
        allowed = max(MEMORY_MAY_GROW_KIB, MEMORY_MAY_GROW * then.memory_kib)
        if now.memory_kib - then.memory_kib > allowed:
            yield f"the memory of {host} grew from {then.memory_kib} to {now.memory_kib} KiB"


def _associations(namespace: str) -> int:
    counted = subprocess.run(
        ["ip", "-n", namespace, "xfrm", "state", "count"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = _COUNT.search(counted.stdout)
    return int(found[1]) if found else 0


def _files(process: Path) -> int:
    with contextlib.suppress(OSError):
        return len(list((process / "fd").iterdir()))
    return 0


def _memory_kib(process: Path) -> int:
    """Its part of what it shares with others, and without the files that are mapped: those come and go."""
    with contextlib.suppress(OSError):
        lines = (line.split() for line in (process / "smaps_rollup").read_text().splitlines())
        return sum(int(words[1]) for words in lines if words and words[0] in ("Pss_Anon:", "Pss_Shmem:"))
    return 0
