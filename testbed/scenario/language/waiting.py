"""Steps that let time pass, and those that keep how things are for later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from testbed.scenario.language.verb import Keys, NewSnapshot, Seconds, Word

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench


class Wait(Keys):
    """Time passes: media flows, a timer runs.  What is waited for by its event is an `expect` with `within_s`."""

    acts: ClassVar[bool] = False
    s: Seconds = Field(description="Seconds.")
    for_: str = Field(alias="for", min_length=1, max_length=100, description="What the time is for.")

    def said(self) -> str:
        return f"{self.s:g} s pass: {self.for_}"

    async def do(self, bench: Bench) -> str | None:
        await asyncio.sleep(self.s)
        return None


class Remember(Word):
    """How everything is, under a name, for `expect: {unchanged: NAME}`."""

    acts: ClassVar[bool] = False
    root: NewSnapshot

    def said(self) -> str:
        return f"how things are, as `{self.root}`"

    async def do(self, bench: Bench) -> str | None:
        bench.snapshots[self.root] = await bench.look_around()
        return None
