"""Calls of hours in simulated time: session timers (RFC 4028), refreshes, and TCP streams that lie idle."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from living import FAR, MOVING, PORT_PAIRS, Living, living

from testbed.core.core import CoreOptions
from testbed.rig.sleep import asleep
from testbed.ue.handle import UeHandle

pytestmark = [pytest.mark.simulated, pytest.mark.timeout(0)]  # a limit would be one of simulated time
TWO_HOURS_S, REFRESH_S = 7200, 900
WAKING_S = 60  # for a core whose clock has jumped


async def silent_call(up: Living, ue: UeHandle, far: UeHandle) -> str:
    """A call on hold at both ends: its media would be all that the time is spent on."""
    for handle, access in ((ue, "lte"), (far, "far")):
        await handle.order("attach", access=access)
        await handle.order("register", access=access, move="add")
    await ue.order("subscribe", access="lte")
    call: str = (await ue.order("call", access="lte", to=up.plan.ues[FAR].impus[0]))["call_id"]
    for handle in (ue, far):
        await handle.order("hold", call_id=call)
    return call


async def session(handle: UeHandle, call: str) -> dict[str, Any]:
    return next(each for each in (await handle.order("state"))["sessions"] if each["call_id"] == call)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_of_two_hours_with_a_handoff_in_the_middle_stays_up(tmp_path: Path, transport: str) -> None:
    async def work() -> None:
        async with up.ue(transport=transport) as ue, up.ue(FAR, transport=transport) as far:
            call = await silent_call(up, ue, far)
            await asyncio.sleep(TWO_HOURS_S / 2)
            await ue.order("handoff", old="lte", order={"to": "wifi"})
            await asyncio.sleep(TWO_HOURS_S / 2)
            for handle in (ue, far):
                assert (await session(handle, call))["state"] == "held"
            await ue.order("resume", call_id=call)  # requests get through, both ways
            await far.order("resume", call_id=call)
            assert (await session(ue, call))["state"] == "up"
            assert not [event for event in up.events if event["event"] == "refresh-failed"]
            assert [event["event"] for event in up.events].count("refreshed") == 4

    options = CoreOptions(connections=PORT_PAIRS, max_expires_s=3600, transport=transport)
    with living(tmp_path, options=options) as up:
        asyncio.run(work())
    said = {name: (tmp_path / f"ue-{name}.log").read_text() for name in (MOVING, FAR)}
    updates = sum(text.count("UPDATE over") for text in said.values())
    assert updates >= TWO_HOURS_S / 1800, said
    # Kamailio answers each keep-alive, but for those on the connection that everything has left.
    unanswered = [line for text in said.values() for line in text.splitlines() if "keep-alive" in line]
    assert all(" lte.1 " in line for line in unanswered), unanswered


def test_a_session_refresh_that_falls_into_a_handoff_costs_neither_time_nor_the_call(tmp_path: Path) -> None:
    async def work(late_s: float) -> None:
        """The access goes so long after the refresh is due."""
        async with up.ue() as ue, up.ue(FAR) as far:
            call = await silent_call(up, ue, far)
            due = time.monotonic() + REFRESH_S
            await ue.order("arm", old="lte", order={"to": "wifi"})
            with asleep(up.rig, {ue.pid, far.pid}):
                await asyncio.sleep(REFRESH_S - WAKING_S)
            await asyncio.sleep(due + late_s - time.monotonic())
            up.rig.lever("lte").cut()
            moved = await ue.order("wait-handoff", deadline_s=40)
            assert moved["failed"] == [] and dict(moved["steps"])["session-moved"] < 500
            assert (await session(ue, call))["over"] == "wifi"
            await ue.order("resume", call_id=call)
            await ue.order("hang-up")
            for handle, access in ((ue, "wifi"), (far, "far")):
                await handle.order("deregister", access=access)
        up.rig.lever("lte").restore()

    with living(tmp_path, options=CoreOptions(connections=PORT_PAIRS)) as up:
        for times, late_s in enumerate((-0.03, 0.01), 1):  # it begins while the UE registers; it is on its way
            asyncio.run(work(late_s))
            said = (tmp_path / f"ue-{MOVING}.log").read_text()
            assert said.count("the access was lost before UPDATE") == times


def test_a_session_that_the_other_end_does_not_refresh_is_ended(tmp_path: Path) -> None:
    async def work() -> None:
        async with up.ue() as ue, up.ue(FAR) as far:
            call = await silent_call(up, ue, far)
            begun = time.monotonic()
            up.rig.lever("lte").blackhole()  # neither end hears of the other any more
            await asyncio.sleep(1900)
            sessions = [await session(handle, call) for handle in (ue, far)]
            assert [each["state"] for each in sessions] == ["ended", "ended"]
            reasons = [each["reason"] for each in sessions]
            assert any("refresh" in reason for reason in reasons), reasons
            assert time.monotonic() - begun >= 1900

    with living(tmp_path, options=CoreOptions(connections=PORT_PAIRS)) as up:
        asyncio.run(work())
