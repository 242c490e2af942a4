"""Processes of a rig put to sleep while nothing is due, so that a week of simulated time costs next to nothing.

Simulated time jumps from one event to the next, but an idle Kamailio is never without one for long: its timer
processes tick 16 times a second, which costs an idle rig about 17 ms of the machine's time for each simulated second,
and three hours for a week.  So whoever knows that nothing is due may stop everything but the UEs (SIGSTOP), and must
wake it up some time before something is: a core that wakes finds that its clock has jumped, catches up with its
timers, and sees to its Diameter connection, as a machine does that was suspended.

What happens on the wire meanwhile waits in the kernel.  Whoever shows a result must say that the core slept.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.host.processes import bearing
from testbed.rig.rig import Rig


@contextmanager
def asleep(rig: Rig, awake: Collection[int]) -> Iterator[int]:
    """Everything that the rig started sleeps for the time of a `with` block; how many processes do.

    `awake` are the leaders of those sessions that stay awake (see `Rig.spawn`).
    """
    stopped = _signal(rig, awake, signal.SIGSTOP)
    try:
        yield stopped
    finally:
        _signal(rig, awake, signal.SIGCONT)


def _signal(rig: Rig, awake: Collection[int], number: signal.Signals) -> int:
    signalled = 0
    with bearing(rig.token) as found:
        for process in found:
            if _session(process.pid) not in awake:
                process.signal(number)
                signalled += 1
    return signalled


def _session(pid: int) -> int:
    """Of a process (proc(5), stat); 0 where it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return 0
