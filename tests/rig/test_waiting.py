"""What takes its time, for its whole time: timers of hours, and of a week, in simulated time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from living import PORT_PAIRS, Living, living

from testbed.core.core import CoreOptions
from testbed.rig.sleep import asleep
from testbed.scenario.growth import Sample, everything, grown
from testbed.ue.handle import UeHandle

pytestmark = [pytest.mark.simulated, pytest.mark.timeout(0)]  # a limit would be one of simulated time
LATE_S = 1.0
WEEK_S = 7 * 86_400


async def until(moment_s: float) -> None:
    """Sleep until this moment of the monotonic clock."""
    await asyncio.sleep(moment_s - time.monotonic())


def refreshes(up: Living) -> list[str]:
    """What the UE has said of its refreshes."""
    return [event["event"] for event in up.events if event["event"].startswith("refresh")]


async def all_there_is(up: Living, ue: UeHandle, since_s: float) -> dict[str, Sample]:
    return await everything(up.rig, {ue.name: ue}, up.core, time.monotonic() - since_s)


@pytest.mark.parametrize(("expires_s", "refreshed_after_s"), [(1260, 660), (600, 300)])
def test_a_registration_is_refreshed_600_s_before_its_end_or_at_half_of_it(
    tmp_path: Path, expires_s: int, refreshed_after_s: int
) -> None:
    """TS 24.229 5.1.1.4.1; twice in a row, and nothing is left of the associations before."""

    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            registered = await ue.order("register", access="lte")
            begun = time.monotonic()
            assert registered["expires_s"] == expires_s
            associations = len((await ue.order("state"))["associations"])
            for number in range(1, 3):
                await until(begun + number * refreshed_after_s + LATE_S)
                assert refreshes(up) == ["refreshed"] * number
            state = await ue.order("state")
            (connection,) = state["connections"]
            assert connection["state"] == "active"
            assert len(connection["bindings"]) == len(registered["bindings"])
            assert len(state["associations"]) == associations

    options = CoreOptions(connections=PORT_PAIRS, max_expires_s=expires_s)
    with living(tmp_path, options=options) as up:
        asyncio.run(work())


def test_a_refresh_long_after_the_last_authentication_brings_new_keys_in_place_of_the_old_ones(tmp_path: Path) -> None:
    """TS 24.229 5.4.1.2.2, TS 33.203 7.4: challenged over the old associations, answered over new ones."""

    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            spis = [set((await ue.order("register", access="lte"))["spi"])]
            begun = time.monotonic()
            there = []
            for number in range(1, 5):  # every other one is challenged
                await until(begun + number * 300 + 250)
                assert refreshes(up) == ["refreshed"] * number
                (connection,) = (await ue.order("state"))["connections"]
                spis.append(set(connection["spi"]))
                there.append(await all_there_is(up, ue, begun))
                assert up.core.pcscf_state("pcscf-lte").associations == 4, "the former ones live on"
            assert spis[0] == spis[1] and spis[2] == spis[3], "not challenged: the same associations go on"
            assert not spis[0] & spis[2] and not spis[2] & spis[4], "challenged: four new ones"
            assert [each["ue"].associations for each in there] == [4, 4, 4, 4]
            assert [*grown(there[1], there[3])] == []

    with living(tmp_path, options=CoreOptions(connections=PORT_PAIRS, max_expires_s=600, reauthenticate_s=500)) as up:
        asyncio.run(work())
    assert (tmp_path / "logs" / "hss.log").read_text().count("Multimedia-Auth of") >= 3


def test_a_short_registration_is_refreshed_for_an_hour_and_nothing_grows(tmp_path: Path) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            await ue.order("register", access="lte")
            begun = time.monotonic()
            await ue.order("subscribe", access="lte")
            await until(begun + 900 + 12 * LATE_S)
            before = await all_there_is(up, ue, begun)
            await until(begun + 3600 + 12 * LATE_S)  # each is asked for when the one before it has been answered
            assert refreshes(up) == ["refreshed"] * 12
            assert [*grown(before, await all_there_is(up, ue, begun))] == []

    with living(tmp_path, options=CoreOptions(connections=PORT_PAIRS, max_expires_s=600)) as up:
        asyncio.run(work())


def test_a_registration_of_600000_s_is_refreshed_once_in_a_week_with_new_keys_and_nothing_grows(tmp_path: Path) -> None:
    """TS 24.229 5.1.1.4.1.  Nothing is due for most of the week: core and HSS sleep then, or it would take hours."""

    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            registered = await ue.order("register", access="lte")
            begun = time.monotonic()
            assert registered["expires_s"] == 600_000
            await until(begun + 60)
            before = await all_there_is(up, ue, begun)
            with asleep(up.rig, [ue.pid]):
                await until(begun + 599_280)
            await until(begun + 599_400 - LATE_S)
            assert refreshes(up) == []
            await until(begun + 599_400 + LATE_S)
            assert refreshes(up) == ["refreshed"]
            await until(begun + 599_460)
            with asleep(up.rig, [ue.pid]):
                await until(begun + WEEK_S - 10)
            await until(begun + WEEK_S)
            after = await all_there_is(up, ue, begun)
            assert [*grown(before, after)] == []
            assert after["pcscf-lte"].associations == after["ue"].associations == 4
            (connection,) = (await ue.order("state"))["connections"]
            assert not set(connection["spi"]) & set(registered["spi"])
            assert connection["bindings"] == registered["bindings"]
            assert (await ue.order("refresh", access="lte"))["state"] == "active"

    with living(tmp_path, options=CoreOptions(connections=PORT_PAIRS)) as up:
        asyncio.run(work())
