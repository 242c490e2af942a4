"""Runs in simulated time, each in a guest of its own: only from its very start does a guest repeat to the last bit.

They are analysed out here: computing takes no time in there, and whoever computes for long is taken for stuck.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from testbed.cli.repeats import Repeats
from testbed.results.folder import RunFolder


def carry_out(repeats: Repeats, times: int, seed: int | None, writable: Sequence[Path]) -> int:
    """Have so many runs carried out in guests, and sum them up; the exit code."""
    from testbed.rig.kernel.choose import repeat_in_guest

    ended: list[int] = []

    def all_of_them() -> None:
        for number in range(1, times + 1):
            folder = RunFolder.create(repeats.runs, repeats.scenario.name)
            argv = [*sys.argv[1:], "--one-of", f"{number}/{times}", "--run-folder", str(folder.path.absolute())]
            status = repeat_in_guest(writable, clock="simulated", seed=seed, argv=argv)
            if status != 0:
                ended.append(status)
                return
            repeats.analyse(folder, times)

    code = repeats.guarded(all_of_them, times)
    return ended[0] if ended else code
