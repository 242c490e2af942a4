"""What time it is outside a guest whose own time is simulated."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from testbed.rig.kernel.choose import current_clock


def wall_s(folder: Path) -> float:
    """Seconds since the epoch by the host's clock; `folder` is one of the host's that we may write.

    The guest has no clock but its own, but a file that is made in a folder of the host is stamped by the host.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock-") as stamped:
        return Path(stamped.name).stat().st_mtime


def now(folder: Path) -> datetime:
    """The date and time by the host's clock."""
    if current_clock() == "real":
        return datetime.now(UTC)
    return datetime.fromtimestamp(wall_s(folder), UTC)
