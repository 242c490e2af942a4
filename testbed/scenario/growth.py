"""Whether anything grows over many handoffs: associations, dialogs, open files and memory, host by host.

Nothing may: a handoff leaves what was before it.  The first handoffs are not counted, for they fill caches and tables.
What a program keeps of dialogs and the like nobody sees from outside: it is asked, and `kept` is what it said.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from testbed.rig.rig import Rig

MEMORY_MAY_GROW = 0.05  # of what it was, over all handoffs: the allocators' own breathing
MEMORY_MAY_GROW_KIB = 2048
# A transaction lives on for 64*T1 after its end (RFC 3261 17.2.2): those of the last few handoffs are still there.
BREATHES = {"transactions": 0.2}
_COUNT = re.compile(r"count (\d+)")


@dataclass(frozen=True)
class Sample:
    """What one host has: its associations, and the open files and memory of all that the rig started there."""

    associations: int
    files: int
    memory_kib: int
    kept: Mapping[str, int] = field(default_factory=dict)  # sessions, subscriptions, ...: how many its program has


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
            + "".join(f", {then.kept.get(what, 0)} → {count} {what}" for what, count in now.kept.items())
        )


def grown(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> Iterator[str]:
    """What grew that must not."""
    for host, now in after.items():
        then = before.get(host, now)
        if now.associations > then.associations:
            yield f"the security associations of {host} grew from {then.associations} to {now.associations}"
        if now.files > then.files:
            yield f"the open files of {host} grew from {then.files} to {now.files}"
        for what, count in now.kept.items():
            before_it = then.kept.get(what, 0)
            if count > before_it * (1 + BREATHES.get(what, 0.0)):
                yield f"the {what} of {host} grew from {before_it} to {count}"
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
