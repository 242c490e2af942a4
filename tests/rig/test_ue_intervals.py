"""What a UE does when its registration is too brief for the core, and when the last session of a connection is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from living import FAR, MOVING, PORT_PAIRS, Living, living

from testbed.core.core import CoreOptions
from testbed.ue.handle import UeHandle
from testbed.ue.sessions import VACANT_S

pytestmark = [pytest.mark.simulated, pytest.mark.timeout(0)]  # a limit would be one of simulated time
LEAST_S, LINGER_S = 60, 20


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    options = CoreOptions(connections=PORT_PAIRS, min_expires_s=LEAST_S, refuse_brief=True, linger_s=LINGER_S)
    with living(tmp_path_factory.mktemp("intervals"), options=options) as made:
        yield made


def test_a_ue_that_asks_for_too_brief_a_registration_asks_again_for_as_long_as_the_core_wants(up: Living) -> None:
    """RFC 3261 10.2.8, in the open and over associations."""

    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            registered = await ue.order("register", access="lte", move="add", expires_s=10)
            assert registered["expires_s"] == LEAST_S
            refreshed = await ue.order("refresh", access="lte", expires_s=10)
            assert (refreshed["expires_s"], refreshed["spi"]) == (LEAST_S, registered["spi"])
            assert (await ue.order("refresh", access="lte"))["expires_s"] == LEAST_S  # and remembers it
            await ue.order("deregister", access="lte")

    asyncio.run(work())
    said = (up.folder / f"ue-{MOVING}.log").read_text()
    assert said.count("423 Interval Too Brief") == 2


@asynccontextmanager
async def left_behind(up: Living) -> AsyncIterator[tuple[UeHandle, UeHandle]]:
    """The UE has moved to wifi; its call with the far one is still on lte."""
    async with up.ue() as ue, up.ue(FAR) as far:
        for handle, access in ((ue, "lte"), (far, "far"), (ue, "wifi")):
            await handle.order("attach", access=access)
        await ue.order("register", access="lte", move="add")
        await far.order("register", access="far", move="add")
        await ue.order("call", access="lte", to=up.plan.ues[FAR].impus[0])
        await ue.order("register", access="wifi", move="global")
        assert (await connection(ue))["state"] == "inactive"
        yield ue, far
        await ue.order("deregister", access="wifi")
        await far.order("deregister", access="far")


async def connection(ue: UeHandle) -> dict[str, Any]:
    """That over lte."""
    return next(each for each in (await ue.order("state"))["connections"] if each["name"] == "lte")


async def ended(ue: UeHandle) -> None:
    """The connection is over at the UE, and nothing in its kernel is left of it."""
    state = await ue.order("state")
    assert (await connection(ue))["state"] == "ended"
    assert [each["state"] for each in state["sessions"]] == ["ended"]
    assert len(state["associations"]) == 4  # those over wifi


def test_an_inactive_connection_ends_when_the_network_releases_its_last_session(up: Living) -> None:
    async def work() -> None:
        async with left_behind(up) as (ue, far):
            await asyncio.sleep(LINGER_S / 2)
            assert (await connection(ue))["state"] == "inactive"
            await asyncio.sleep(LINGER_S / 2 + 3)  # released; the BYE may come again
            assert (await connection(ue))["state"] == "inactive"
            await asyncio.sleep(VACANT_S)
            await ended(ue)
            assert [each["ended"] for each in (await far.order("state"))["sessions"]] == [True]

    asyncio.run(work())


@pytest.mark.parametrize("who", [MOVING, FAR])
def test_an_inactive_connection_ends_when_somebody_hangs_up_its_last_session(up: Living, who: str) -> None:
    async def work() -> None:
        async with left_behind(up) as (ue, far):
            await (ue if who == MOVING else far).order("hang-up")
            await asyncio.sleep(VACANT_S + 1)
            await ended(ue)

    asyncio.run(work())
