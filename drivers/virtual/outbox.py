"""What a modem is going to say, and when: most of it at once, a late answer later."""

from __future__ import annotations

import heapq
import itertools


class Outbox:
    """Bytes with the time they are due; those of one time keep their order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, bytes]] = []
        self._numbers = itertools.count()

    def put(self, due: float, data: bytes) -> None:
        if data:
            heapq.heappush(self._waiting, (due, next(self._numbers), data))

    def take(self, now: float) -> bytes:
        """What is due by now."""
        data = bytearray()
        while self._waiting and self._waiting[0][0] <= now:
            data += heapq.heappop(self._waiting)[2]
        return bytes(data)

    def clear(self) -> None:
        self._waiting.clear()

    @property
    def deadline(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None
