"""Steps for long times in which nothing is due, and what must not have grown over them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from testbed.rig.sleep import asleep
from testbed.scenario.growth import grown
from testbed.scenario.language.expecting import Subject
from testbed.scenario.language.verb import Keys, NewWeight, Seconds, Weight, Word

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench


class Idle(Keys):
    """Time passes in which nothing is due but at the UEs: core, HSS and captures are stopped meanwhile.

    It is meant for simulated time, in which an idle core costs 17 ms of the machine's for each second.  End it at
    least half a minute before the core is wanted: it wakes to a clock that has jumped.
    """

    acts: ClassVar[bool] = False
    s: Seconds = Field(description="Seconds.")
    for_: str = Field(alias="for", min_length=1, max_length=100, description="What the time is for.")

    def said(self) -> str:
        return f"{self.s:g} s pass, in which core, HSS and captures sleep: {self.for_}"

    async def do(self, bench: Bench) -> str | None:
        with asleep(bench.rig, [ue.pid for ue in bench.ues.values()]) as stopped:
            await asyncio.sleep(self.s)
        return f"{stopped} processes slept"


class Weigh(Word):
    """What every host has, under a name, for `expect: {no-growth-since: NAME}`: associations, open files, memory."""

    acts: ClassVar[bool] = False
    root: NewWeight

    def said(self) -> str:
        return f"what every host has, as `{self.root}`"

    async def do(self, bench: Bench) -> str | None:
        bench.weights[self.root] = await bench.weigh()
        return None


class ExpectNoGrowth(Subject):
    """No host has more than it had: associations, open files, memory, and what the UEs and the S-CSCF keep."""

    union_tag: ClassVar[str] = "expect.no-growth-since"
    no_growth_since: Weight = Field(alias="no-growth-since")
    within_s: Seconds = Field(default=0.0, description="For how long it may take to become so.")

    def said(self) -> str:
        return f"nothing has grown since `{self.no_growth_since}`"

    async def found(self, bench: Bench) -> str | None:
        return "; ".join(grown(bench.weights[self.no_growth_since], await bench.weigh())) or None
