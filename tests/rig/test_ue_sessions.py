"""Sessions of the real UE at the real core: more than one, held, ringing, crossing, arriving while it moves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from living import FAR, MOVING, Living, living, run

from testbed.errors import ProductFailure
from testbed.ue.handle import UeHandle


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("sessions")) as made:
        yield made


@asynccontextmanager
async def both(up: Living, **options: Any) -> AsyncIterator[tuple[UeHandle, UeHandle]]:
    """The UE over lte and the far one, registered; at the end nothing of them is left at the core."""
    up.events.clear()
    async with up.ue(**options) as ue, up.ue(FAR, **options) as far:
        for handle, access in ((ue, "lte"), (far, "far")):
            await handle.order("attach", access=access)
            await handle.order("register", access=access)
        yield ue, far
        for handle in (ue, far):
            await handle.order("hang-up", allow_refusal=True)
            for connection in (await handle.order("state"))["connections"]:
                if connection["state"] == "active":
                    await handle.order("deregister", access=connection["name"])


def impu(up: Living, name: str = FAR) -> str:
    return up.plan.ues[name].impus[0]


async def sessions(handle: UeHandle) -> dict[str, dict[str, Any]]:
    return {each["call_id"]: each for each in (await handle.order("state"))["sessions"]}


async def become(handle: UeHandle, call_id: str, **wanted: Any) -> None:
    """Wait until a session is like that."""
    async with asyncio.timeout(20):
        while True:
            session = (await sessions(handle)).get(call_id, {})
            if all(session.get(key) == value for key, value in wanted.items()):
                return
            await asyncio.sleep(0.02)


def test_several_calls_move_together_and_what_is_held_stays_held(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            first = (await ue.order("call", access="lte", to=impu(up)))["call_id"]
            held = await ue.order("hold", call_id=first)
            assert held["state"] == "held" and held["status"] == 200
            await become(far, first, state="held")
            second = (await far.order("call", access="far", to=impu(up, MOVING)))["call_id"]
            moved = await ue.order("handoff", old="lte", order={"to": "wifi"})
            assert moved["failed"] == []
            for handle in (ue, far):
                states = {call: each["state"] for call, each in (await sessions(handle)).items()}
                assert states == {first: "held", second: "up"}
            assert {each["over"] for each in (await sessions(ue)).values()} == {"wifi"}
            await ue.order("resume", call_id=first)
            await become(far, first, state="up")

    run(work())


def test_media_of_two_calls_goes_on_and_a_held_one_is_silent(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):

            async def received() -> int:
                before = (await far.order("media"))["received"]
                await asyncio.sleep(1)
                after: int = (await far.order("media"))["received"]
                return after - before

            calls = [(await ue.order("call", access="lte", to=impu(up)))["call_id"] for _ in range(2)]
            assert await received() > 75  # of two streams, 50 packets a second each
            await ue.order("hold", call_id=calls[0])
            assert 25 < await received() < 75
            await ue.order("hold", call_id=calls[1])
            await asyncio.sleep(0.2)
            assert await received() == 0
            await ue.order("resume", call_id=calls[1])
            assert 25 < await received() < 75

    run(work())


def test_a_call_rings_and_is_answered_or_given_up_or_declined(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            await far.order("answering", mode="ring")
            call = (await ue.order("dial", access="lte", to=impu(up)))["call_id"]
            await up.heard("call-ringing", call_id=call)
            assert (await sessions(ue))[call]["state"] == (await sessions(far))[call]["state"] == "early"
            await far.order("answer")
            await up.heard("call-answered", ue=MOVING, call_id=call)
            await become(ue, call, state="up")

            given_up = (await ue.order("dial", access="lte", to=impu(up)))["call_id"]
            await up.heard("call-incoming", call_id=given_up)
            assert (await ue.order("cancel", call_id=given_up))["status"] == 487
            await up.heard("call-ended", ue=FAR, call_id=given_up)

            declined = (await ue.order("dial", access="lte", to=impu(up)))["call_id"]
            await up.heard("call-incoming", call_id=declined)
            await far.order("hang-up", call_id=declined)
            said = await up.heard("call-ended", ue=MOVING, call_id=declined)
            assert said["reason"].startswith("603")

    run(work())


def test_a_busy_ue_refuses_with_486(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            await far.order("answering", mode="busy")
            refused = await ue.order("call", access="lte", to=impu(up), allow_refusal=True)
            assert (refused["status"], refused["reason"]) == (486, "Busy Here")
            with pytest.raises(ProductFailure, match="486 Busy Here"):
                await ue.order("call", access="lte", to=impu(up))

    run(work())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_reinvites_that_cross_are_both_done_in_the_end(up: Living, transport: str) -> None:
    async def work() -> None:
        async with both(up, transport=transport) as (ue, far):
            call = (await ue.order("call", access="lte", to=impu(up)))["call_id"]
            answers = await asyncio.gather(*(each.order("hold", call_id=call) for each in (ue, far)))
            assert [each["status"] for each in answers] == [200, 200]
            for handle in (ue, far):
                assert (await sessions(handle))[call]["media"]["wanted"] == "sendonly"
                await become(handle, call, state="held")

    run(work())
    said = "".join((up.folder / f"ue-{name}.log").read_text() for name in (MOVING, FAR))
    assert "491" in said, "they did not cross"


def test_a_call_that_arrives_while_the_ue_moves_is_answered(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            await ue.order("call", access="lte", to=impu(up))
            handoff = asyncio.ensure_future(ue.order("handoff", old="lte", order={"to": "wifi"}))
            calls = [await far.order("dial", access="far", to=impu(up, MOVING)) for _ in range(4)]
            await handoff
            for call in calls:
                await become(far, call["call_id"], state="up")
                await become(ue, call["call_id"], state="up", over="wifi")

    run(work())


def test_a_call_that_rings_here_follows_once_it_is_answered(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            await ue.order("answering", mode="ring")
            call = (await far.order("dial", access="far", to=impu(up, MOVING)))["call_id"]
            await up.heard("call-incoming", call_id=call)
            await ue.order("handoff", old="lte", order={"to": "wifi"})
            assert (await sessions(ue))[call]["state"] == "early"
            await ue.order("answer", call_id=call)
            await become(ue, call, state="up", over="wifi")
            await become(far, call, state="up")

    run(work())


def test_a_call_that_rings_there_is_cancelled_and_dialled_again(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            await far.order("answering", mode="ring")
            call = (await ue.order("dial", access="lte", to=impu(up)))["call_id"]
            await up.heard("call-ringing", call_id=call)
            await ue.order("handoff", old="lte", order={"to": "wifi"})
            again = await up.heard("call-redialled", was=call)
            await up.heard("call-incoming", call_id=again["call_id"])
            assert (await sessions(far))[call]["state"] == "ended"
            await far.order("answer", call_id=again["call_id"])
            await become(ue, again["call_id"], state="up", over="wifi")

    run(work())


def test_a_session_moves_by_replaces_and_keeps_its_stream(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            call = (await ue.order("call", access="lte", to=impu(up)))["call_id"]
            await ue.order("attach", access="wifi")
            await ue.order("register", access="wifi", move="add")
            moved = await ue.order("move", call_id=call, access="wifi", how="replaces")
            assert moved["call_id"] != call
            await become(ue, moved["call_id"], state="up", over="wifi")
            await become(far, call, state="ended")
            before = (await far.order("media"))["received"]
            await asyncio.sleep(0.5)
            assert (await far.order("media"))["received"] > before

    run(work())


def test_a_gruu_is_learnt_and_reaches_its_ue(up: Living) -> None:
    async def work() -> None:
        async with both(up) as (ue, far):
            identities = (await ue.order("state"))["connections"][0]["identities"]
            gruu = identities[impu(up, MOVING)]["pub_gruu"]
            assert re.match(r"sip:user1_public1@home1\.net;gr=urn:uuid:", gruu)
            call = (await far.order("call", access="far", to=gruu))["call_id"]
            await become(ue, call, state="up", direction="incoming")

    run(work())
