"""A capture in a namespace, by dumpcap, with the kernel's timestamps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class CaptureStats:
    """What dumpcap says at its end."""

    received: int
    dropped: int


class Capture:
    """One dumpcap on all interfaces of a namespace (None: this process's own), writing `path`.

    `start()` returns when packets are really being captured; `stop()` when the file is complete.
    """

    def __init__(self, path: Path, *, namespace: str | None = None, log: Path | None = None) -> None:
        raise NotImplementedError

    def start(self, timeout: float = 10.0) -> None:
        """Start and wait until it captures.  RigError when it does not."""
        raise NotImplementedError

    def stop(self, timeout: float = 10.0) -> CaptureStats:
        """End it cleanly; the file is complete afterwards.  RigError when it died on the way."""
        raise NotImplementedError

    def kill(self) -> None:
        """End it at once, for clean-up after a failure; the file may lack its end."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
