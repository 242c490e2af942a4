"""Runs in simulated time, each in a guest of its own: only from its very start does a guest repeat to the last bit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from testbed.cli.repeats import Repeats
from testbed.results.folder import RunFolder

RESULT_STATUSES = (0, 1, 3, 4)  # of a command that may have left a result


def carry_out(repeats: Repeats, times: int, seed: int | None, writable: Sequence[Path]) -> int:
    """Have so many runs carried out in guests, and sum them up; the exit code."""
    from testbed.rig.kernel.choose import repeat_in_guest

    for number in range(1, times + 1):
        folder = RunFolder.create(repeats.runs, repeats.scenario.name)
        argv = [*sys.argv[1:], "--one-of", f"{number}/{times}", "--run-folder", str(folder.path.absolute())]
        status = repeat_in_guest(writable, clock="simulated", seed=seed, argv=argv)
        if status not in RESULT_STATUSES or not (folder.path / "result.json").exists():
            repeats.sum_up(times)
            return status
        repeats.results.append(folder.read_result())
    repeats.sum_up(times)
    return repeats.exit_code()
