"""From a run's folder to its verdict: the one call that the scenario runner makes after the run."""

from __future__ import annotations

from testbed.results.context import RunContext
from testbed.results.folder import RunFolder
from testbed.results.model import Result


def analyse(folder: RunFolder, context: RunContext) -> Result:
    """Read the captures, judge, and write `result.json`, `timeline.jsonl` and `report.html` into the folder.

    It never raises for what the captures hold or lack: that is the verdict's to say.
    """
    raise NotImplementedError
