"""`expect` about packets: kept while the run goes on, judged when its captures are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from testbed.measure.sip_check import InterruptionCheck, SipCheck
from testbed.scenario.language.expecting import Subject
from testbed.scenario.language.verb import AccessName, Snapshot

if TYPE_CHECKING:
    from testbed.scenario.bench import Bench


class ExpectSip(Subject):
    """A message that must, or must not, be in a capture by then; in ESP or outside."""

    union_tag: ClassVar[str] = "expect.sip"
    sip: str = Field(pattern=r"^[A-Z]+$", description="The method, of an answer too.")
    at: Literal["ue", "far"] = "ue"
    status: int | None = Field(default=None, ge=100, le=699, description="An answer; a request when not given.")
    over: AccessName | None = None
    headers: dict[str, str] = Field(default={}, description="Headers, each with a part of its value.")
    in_esp: bool | None = Field(default=None, description="Whether it must have been protected, or must not.")
    direction: Literal["sent", "received"] | None = None
    count: int | None = Field(default=None, ge=0, description="So many, copies once; at least one when not given.")
    since: Snapshot | None = Field(default=None, description="Since then, and not since the run began.")

    def said(self) -> str:
        what = f"{self.status} to {self.sip}" if self.status else self.sip
        with_ = "".join(f" with {name}: {value}" for name, value in self.headers.items())
        esp = {None: "", True: " in ESP", False: " outside ESP"}[self.in_esp]
        number = "" if self.count is None else f" {self.count} times"
        over = f" over {self.over}" if self.over else ""
        return f"the capture at {self.at} shows {what}{with_}{esp}{over}{number}"

    async def do(self, bench: Bench) -> str | None:
        bench.judge_later(
            SipCheck(
                end=self.at,
                method=self.sip,
                status=self.status,
                addresses=bench.addresses(self.over) if self.over else None,
                headers=tuple(self.headers.items()),
                protected=self.in_esp,
                direction=self.direction,
                count=self.count,
                since=self.since,
            )
        )
        return None


class ExpectInterruption(Subject):
    """How long the last handoff or move interrupted media."""

    union_tag: ClassVar[str] = "expect.interruption"
    interruption: Literal["both-ways", "uplink", "downlink"] = "both-ways"
    max_ms: float | None = Field(default=None, ge=0)
    max_over_floor: float | None = Field(default=None, ge=1)
    max_lost: int | None = Field(default=None, ge=0, description="Packets in each direction.")

    def said(self) -> str:
        most = [f"{self.max_ms:g} ms"] if self.max_ms is not None else []
        most += [f"{self.max_over_floor:g} times the floor"] if self.max_over_floor is not None else []
        most += [f"{self.max_lost} packets lost"] if self.max_lost is not None else []
        return f"media was interrupted for no more than {', '.join(most) or 'a while'}"

    async def do(self, bench: Bench) -> str | None:
        directions = ("uplink", "downlink") if self.interruption == "both-ways" else (self.interruption,)
        bench.judge_later(
            InterruptionCheck(bench.last_handoff(), directions, self.max_ms, self.max_over_floor, self.max_lost)
        )
        return None
