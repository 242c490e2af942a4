"""Plays a transcript: a pseudo-terminal that answers as the recorded modem did (:mod:`drivers.modem.transcript`)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Self

from drivers.modem.errors import ModemError
from drivers.modem.pty import PseudoPort
from drivers.modem.transcript import Chunk
from drivers.waiting import within

PATIENCE_S = 30.0  # for the next command


class Player:
    """`speed` 1 keeps the modem's pauses, 2 halves them, 0 leaves them out."""

    def __init__(self, chunks: Iterable[Chunk], *, speed: float = 0.0, where: str = "transcript") -> None:
        self._chunks, self._speed, self._where = tuple(chunks), speed, where
        self._heard = bytearray()
        self._news = asyncio.Event()
        self._port = PseudoPort(self._written)
        self.path = self._port.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()

    async def play(self, patience_s: float = PATIENCE_S) -> None:
        """Play to the end; raises ModemError where the program writes something else than the transcript has."""
        before = 0.0
        for number, chunk in enumerate(self._chunks, start=1):
            if chunk.direction == "out":
                await self._hear(chunk.data, number, patience_s)
            else:
                if self._speed and chunk.t_s > before:
                    await asyncio.sleep((chunk.t_s - before) / self._speed)
                self._port.write(chunk.data)
            before = chunk.t_s

    async def _hear(self, wanted: bytes, number: int, patience_s: float) -> None:
        while len(self._heard) < len(wanted):
            self._news.clear()
            if not await within(self._news, patience_s):
                raise self._differs(number, wanted, bytes(self._heard))
        heard = bytes(self._heard[: len(wanted)])
        del self._heard[: len(wanted)]
        if not all(one in (ord("*"), other) for one, other in zip(wanted, heard, strict=True)):
            raise self._differs(number, wanted, heard)

    def _differs(self, number: int, wanted: bytes, heard: bytes) -> ModemError:
        what = f"the program wrote {heard[:60]!r} where the transcript has {wanted[:60]!r}"
        return ModemError(what, where=f"{self._where}, chunk {number}")

    def _written(self, data: bytes) -> None:
        self._heard += data
        self._news.set()
