"""Handoffs that fail, at each step: the UE goes back if the old connection lives, or ends; then another one works."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from living import FAR, MOVING, PORT_PAIRS, Living, living, run

from testbed.core.core import CoreOptions
from testbed.errors import ProductFailure
from testbed.ue.handle import UeHandle

PATIENCE_S = 3.0
BACK, ENDED = "went-back", "ended"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    options = CoreOptions(connections=2 * PORT_PAIRS, warm_up=False)
    with living(tmp_path_factory.mktemp("failing"), options=options) as made:
        yield made


@pytest.fixture(autouse=True)
def whole(up: Living) -> Iterator[None]:
    """Whatever a test breaks is mended for the next one."""
    yield
    for access in ("lte", "wifi"):
        up.rig.lever(access).restore()
        up.rig.lever(access).clear()


@asynccontextmanager
async def in_a_call(up: Living) -> AsyncIterator[tuple[UeHandle, UeHandle, str]]:
    up.events.clear()
    async with up.ue() as ue, up.ue(FAR) as far:
        for handle, access in ((ue, "lte"), (far, "far")):
            await handle.order("attach", access=access)
            await handle.order("register", access=access, move="add")
        await ue.order("subscribe", access="lte")
        call = (await ue.order("call", access="lte", to=up.plan.ues[FAR].impus[0]))["call_id"]
        yield ue, far, call
        await ue.order("hang-up", allow_refusal=True)
        for handle in (ue, far):
            for connection in (await handle.order("state"))["connections"]:
                if connection["state"] == "active":
                    await handle.order("deregister", access=connection["name"])


def order(**more: Any) -> dict[str, Any]:
    return {"to": "wifi", "patience_s": PATIENCE_S, **more}


async def state(ue: UeHandle) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    said = await ue.order("state")
    connections = {each["name"]: each["state"] for each in said["connections"]}
    return connections, {each["call_id"]: (each["state"], each["over"]) for each in said["sessions"]}


async def goes_on(up: Living, ue: UeHandle, call: str) -> None:
    """The call is where it was, and the next handoff takes it along."""
    connections, sessions = await state(ue)
    assert connections["lte"] == "active" and connections.get("wifi", "ended") == "ended"
    assert sessions[call] == ("up", "lte")
    for mend in (up.rig.lever("wifi").restore, up.rig.lever("wifi").clear):
        mend()
    await ue.order("handoff", old="lte", order={"to": "wifi"})
    assert (await state(ue))[1][call] == ("up", "wifi")


def test_the_new_access_does_not_come_up_and_the_old_one_lives(up: Living) -> None:
    async def work() -> None:
        async with in_a_call(up) as (ue, _, call):
            up.rig.lever("wifi").cut()
            failed = await ue.order("handoff", old="lte", order=order(), allow_refusal=True)
            assert (failed["step"], failed["outcome"]) == ("access", BACK)
            told = await up.heard("handoff-failed", ue=MOVING)
            assert (told["step"], told["outcome"], told["from"], told["to"]) == ("access", BACK, "lte", "wifi")
            await goes_on(up, ue, call)

    run(work())


def test_nobody_answers_the_register_and_the_old_access_lives(up: Living) -> None:
    async def work() -> None:
        async with in_a_call(up) as (ue, _, call):
            up.rig.lever("wifi").blackhole()
            with pytest.raises(ProductFailure, match=r"failed \(register\).*the UE went back"):
                await ue.order("handoff", old="lte", order=order())
            await goes_on(up, ue, call)

    run(work())


def test_a_silence_that_was_no_loss_ends_where_it_began(up: Living) -> None:
    """The UE takes a silence for the loss of its access, finds no other one, and the old one lives after all."""

    async def work() -> None:
        async with in_a_call(up) as (ue, _, call):
            up.rig.lever("wifi").blackhole()
            await ue.order("arm", old="lte", order=order(silence_ms=100))
            up.rig.lever("lte").blackhole()
            await up.heard("silence", ue=MOVING)
            up.rig.lever("lte").clear()
            failed = await ue.order("wait-handoff", allow_refusal=True)
            assert (failed["step"], failed["outcome"]) == ("register", BACK)
            await goes_on(up, ue, call)

    run(work())


def test_the_core_refuses_and_the_ue_goes_back(up: Living) -> None:
    async def work() -> None:
        async with in_a_call(up) as (ue, _, call):
            hss = up.core.process("hss")
            os.kill(hss.pid, signal.SIGSTOP)  # the S-CSCF says 504, once the vector that it has is used
            try:
                outcomes = [
                    await ue.order("handoff", old=old, order=order(to=new, patience_s=20), allow_refusal=True)
                    for old, new in (("lte", "wifi"), ("wifi", "lte"))
                ]
            finally:
                os.kill(hss.pid, signal.SIGCONT)
            failed = next(each for each in outcomes if "step" in each)
            assert (failed["step"], failed["outcome"]) == ("register", BACK) and "504" in failed["why"]
            sessions = (await state(ue))[1]
            assert sessions[call][0] == "up"

    run(work())


def test_the_far_end_does_not_answer_the_reinvite_and_the_bindings_come_back(up: Living) -> None:
    async def work() -> None:
        async with in_a_call(up) as (ue, far, call):
            assert far._process is not None
            os.kill(far._process.pid, signal.SIGSTOP)
            try:
                failed = await ue.order("handoff", old="lte", order=order(), allow_refusal=True)
            finally:
                os.kill(far._process.pid, signal.SIGCONT)
            assert (failed["step"], failed["outcome"]) == ("session", BACK)
            await asyncio.sleep(2)  # the far end finds a re-INVITE to the new place, and one that takes it back
            before = (await ue.order("media"))["received"]
            await asyncio.sleep(1)
            assert (await ue.order("media"))["received"] > before
            await goes_on(up, ue, call)

    run(work())


@pytest.mark.parametrize("step", ["access", "register"])
def test_both_accesses_are_gone_and_everything_ends(up: Living, step: str) -> None:
    async def work() -> None:
        async with in_a_call(up) as (ue, _, call):
            wifi = up.rig.lever("wifi")
            (wifi.cut if step == "access" else wifi.blackhole)()
            await ue.order("arm", old="lte", order=order())
            up.rig.lever("lte").cut()
            failed = await ue.order("wait-handoff", allow_refusal=True)
            assert (failed["step"], failed["outcome"]) == (step, ENDED)
            ended = await up.heard("call-ended", ue=MOVING, call_id=call)
            assert ended["reason"] == f"the handoff failed ({step})"
            assert set((await state(ue))[0].values()) == {"ended"}
            # From here it begins anew, and the next handoff works.
            for mend in (wifi.restore, wifi.clear, up.rig.lever("lte").restore):
                mend()
            await ue.order("attach", access="lte")
            await ue.order("register", access="lte", move="global")
            call = (await ue.order("call", access="lte", to=up.plan.ues[FAR].impus[0]))["call_id"]
            await ue.order("handoff", old="lte", order={"to": "wifi"})
            assert (await state(ue))[1][call] == ("up", "wifi")

    run(work())


def test_a_new_access_that_dies_in_the_middle_is_noticed_at_once(up: Living) -> None:
    async def work() -> None:
        async with in_a_call(up) as (ue, _, call):
            up.rig.lever("wifi").blackhole()
            handoff = asyncio.ensure_future(
                ue.order("handoff", old="lte", order=order(patience_s=30), allow_refusal=True)
            )
            await asyncio.sleep(1)  # the REGISTER is on its way into the hole
            up.rig.lever("wifi").cut()
            failed = await asyncio.wait_for(handoff, 20)
            assert (failed["step"], failed["outcome"]) == ("register", BACK)
            assert "access was lost" in failed["why"]
            await goes_on(up, ue, call)

    run(work())
