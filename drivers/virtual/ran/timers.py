"""Timers without a clock: they are started with the time, and told what time it is."""

from __future__ import annotations

from collections.abc import Callable


class Timers:
    """Running timers by their names in the standard."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[float, Callable[[float], None]]] = {}

    def start(self, name: str, now: float, seconds: float, expired: Callable[[float], None]) -> None:
        """Start it, or start it anew."""
        self._running[name] = (now + seconds, expired)

    def stop(self, name: str) -> None:
        self._running.pop(name, None)

    def stop_all(self) -> None:
        self._running.clear()

    def runs(self, name: str) -> bool:
        return name in self._running

    def tick(self, now: float) -> None:
        """Let what is due expire, the earliest first."""
        while due := [(when, name) for name, (when, _) in self._running.items() if when <= now]:
            when, name = min(due)
            _, expired = self._running.pop(name)
            expired(when)

    @property
    def deadline(self) -> float | None:
        return min((when for when, _ in self._running.values()), default=None)
