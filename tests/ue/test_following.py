"""A UE that follows its policy: what is decided is carried out, the second time too; a lost access can be had again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from drivers.protocols import AccessEvent
from testbed.errors import ProductFailure
from testbed.ue import following
from testbed.ue.equipment import UserEquipment
from testbed.ue.following import Follower
from testbed.ue.handoff import Handoff
from testbed.ue.policy import AccessRules, Policy

POLICY = Policy(
    "quick",
    ("wifi", "lte"),
    {"wifi": AccessRules(-78, -68), "lte": AccessRules(-118, -110)},
    time_to_trigger_ms=0,
    come_back_after_ms=0,
    minimum_stay_ms=0,
    bar_ms=0,
    on_trend="nothing",
)
PATIENCE_S = 20.0


class World:
    """A UE whose signals are set here, and whose handoffs succeed, or fail as often as `failures` says."""

    def __init__(self, failures: int = 0) -> None:
        self.dbm: dict[str, float | None] = {"wifi": -50.0, "lte": -90.0}
        self.failures = failures
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.marked: list[str] = []
        self.moves: list[tuple[str, str, bool]] = []
        self._news = asyncio.Event()
        self.ue = SimpleNamespace(
            on_access_event=None,
            on_media_silence=None,
            media=SimpleNamespace(watch=lambda silence_ms: None),
            accesses=SimpleNamespace(signal_dbm=self._signal),
            markers=SimpleNamespace(mark=lambda event, **_: self.marked.append(event)),
            told=self._told,
            attach=self._attach,
        )

    def follower(self) -> Follower:
        return Follower(cast(UserEquipment, self.ue), cast(Handoff, SimpleNamespace(go=self._go)), POLICY, "wifi")

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    def _told(self, event: str, detail: dict[str, Any]) -> None:
        self.told.append((event, detail))
        self._news.set()

    async def _signal(self, access: str) -> float | None:
        return self.dbm[access]

    async def _attach(self, access: str) -> None: ...

    async def _go(self, old: str, order: Any, *, broken: bool) -> None:
        if self.failures:
            self.failures -= 1
            raise ProductFailure("refused")
        self.moves.append((old, order.to, broken))


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MEASURE_S", 0.001)


def test_an_access_whose_link_was_lost_is_gone_back_to_when_it_is_heard_again() -> None:
    async def story() -> None:
        world = World()
        follower = world.follower()
        follower.begin()
        for _ in range(2):  # the second time as the first
            world.dbm["wifi"] = None
            world.ue.on_access_event(AccessEvent("wifi", "carrier-lost"))
            await world.until(lambda: follower.serving == "lte")
            world.dbm["wifi"] = -50.0
            await world.until(lambda: follower.serving == "wifi")
        await follower.end()
        assert world.moves == [("wifi", "lte", True), ("lte", "wifi", False)] * 2
        assert world.marked.count("decision") >= 4
        assert world.ue.on_access_event is None

    asyncio.run(story())


def test_a_move_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.ue.deciding.RETRY_S", 0.01)

    async def story() -> None:
        world = World(failures=1)
        follower = world.follower()
        follower.begin()
        world.dbm["wifi"] = -90.0
        await world.until(lambda: follower.serving == "lte")
        await follower.end()
        assert [detail["what"] for event, detail in world.told if event == "decision"].count("make-before-break") == 2

    asyncio.run(story())
