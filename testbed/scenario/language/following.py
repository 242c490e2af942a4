"""Steps of a UE that hands over by its own policy: begin, end, and what it came to."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from testbed.scenario.bench import Unexpected
from testbed.scenario.common import MOVING
from testbed.scenario.language.verb import AccessName, Keys, Ue
from testbed.ue.policy import Policy

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench

NEEDLESS_S = 10.0  # who is back sooner need not have left


class Follow(Keys):
    """The UE hands over by itself from now on, as its policy says; the timeline has every decision with its reason."""

    ue: Ue = MOVING
    serving: AccessName = Field(description="The access that it uses now.")
    policy: dict[str, Any] = Field(description="Its rules (testbed.ue.policy): name, prefer, accesses and their dBm.")

    @field_validator("policy")
    @classmethod
    def _is_a_policy(cls, data: dict[str, Any]) -> dict[str, Any]:
        Policy.from_data(data)
        return data

    def said(self) -> str:
        return f"{self.ue} follows the policy `{self.policy['name']}`"

    async def do(self, bench: Bench) -> str | None:
        await bench.ues[self.ue].order("follow", policy=self.policy, serving=self.serving)
        bench.followed_since = len(bench.events)
        return None


class Unfollow(Keys):
    """The UE stays where it is from now on; how often it has moved, and how often needlessly, may be expected."""

    acts: ClassVar[bool] = True
    ue: Ue = MOVING
    serving: AccessName | None = Field(default=None, description="Where it must be by now.")
    least_moves: int = Field(default=0, ge=0)
    most_moves: int | None = Field(default=None, ge=0)
    most_needless: int | None = Field(default=None, ge=0, description=f"Taken back within {NEEDLESS_S:g} s.")

    def said(self) -> str:
        return f"{self.ue} follows no policy any more"

    async def do(self, bench: Bench) -> str | None:
        ended = await bench.ues[self.ue].order("unfollow")
        stays = [event for event in bench.events[bench.followed_since :] if event["event"] == "moved"]
        moves = [event for event in stays if event["ue"] == self.ue]
        needless = sum(later["at_s"] - one["at_s"] < NEEDLESS_S for one, later in pairwise(moves))
        if moves:
            bench.registered(self.ue, ended["serving"])
        found = f"{len(moves)} handoffs, {needless} of them needless, and it is on {ended['serving']}"
        wrong = (
            len(moves) < self.least_moves
            or (self.most_moves is not None and len(moves) > self.most_moves)
            or (self.most_needless is not None and needless > self.most_needless)
            or (self.serving is not None and ended["serving"] != self.serving)
        )
        if wrong:
            raise Unexpected(f"expected another outcome of the policy than {found}")
        return found
