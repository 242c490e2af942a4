"""Connections, identities and contact sets of the real UE at the real core, and what that refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from living import MOVING, Living, living, run

from testbed.errors import ProductFailure
from testbed.ue.handle import UeHandle


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("registrations")) as made:
        yield made


def impus(up: Living) -> tuple[str, ...]:
    return up.plan.ues[MOVING].impus


async def attached(ue: UeHandle, *accesses: str) -> None:
    for access in accesses:
        await ue.order("attach", access=access)


async def connections(ue: UeHandle) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in (await ue.order("state"))["connections"]}


async def leave(ue: UeHandle) -> None:
    for name, connection in (await connections(ue)).items():
        if connection["state"] == "active":
            await ue.order("deregister", access=name)


def test_an_identity_is_added_refreshed_and_taken_away_over_one_connection(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await attached(ue, "lte")
            await ue.order("register", access="lte", move="add", impu=impus(up)[1])
            added = await ue.order("add-identity", access="lte", impu=impus(up)[0])
            assert set(added["identities"]) == set(impus(up)[:2]) and added["status"] == 200
            refreshed = await ue.order("refresh", access="lte", impu=impus(up)[0])
            assert refreshed["status"] == 200 and refreshed["spi"] == added["spi"]
            await leave(ue)

    run(work())


def test_two_connections_over_one_access_are_told_apart_by_name(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await attached(ue, "lte")
            first = await ue.order("register", access="lte", move="add")
            second = await ue.order("register", access="lte", move="add", name="lte-2")
            assert first["contact"] != second["contact"] and first["address"] == second["address"]
            assert {name: each["state"] for name, each in (await connections(ue)).items()} == {
                "lte": "active",
                "lte-2": "active",
            }
            assert len((await ue.order("state"))["associations"]) == 8
            await leave(ue)

    run(work())


def test_a_contact_is_removed_over_another_connection(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await attached(ue, "lte", "wifi")
            await ue.order("register", access="lte", move="add")
            await ue.order("subscribe", access="lte")
            await ue.order("register", access="wifi", move="add")
            await ue.order("remove-contact", over="wifi", of="lte")
            there = await connections(ue)
            assert (there["lte"]["state"], there["lte"]["bindings"]) == ("inactive", [])
            assert there["wifi"]["state"] == "active"
            contact = there["wifi"]["contact"]
            async with asyncio.timeout(10):
                while True:
                    known = (await ue.order("state"))["registrations"]
                    if [[each["uri"] for each in known.get(impu, [])] for impu in impus(up)] == [[contact]] * 3:
                        break
                    await asyncio.sleep(0.02)
            assert all(each["pub_gruu"] for (each,) in known.values())
            await leave(ue)

    run(work())


def test_an_explicit_move_takes_only_what_is_named(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await attached(ue, "lte", "wifi")
            await ue.order("register", access="lte", move="add")
            moved = await ue.order("register", access="wifi", move="explicit", drop=["lte"])
            assert moved["bindings"] == list(impus(up))
            assert (await connections(ue))["lte"]["state"] == "inactive"
            await leave(ue)

    run(work())


def test_a_refused_registration_changes_nothing(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await attached(ue, "lte", "wifi")
            await ue.order("register", access="lte", move="add")
            before = await ue.order("state")
            stranger = "{}, <sip:user1_public1@10.9.9.9:5060>;expires=600"
            arguments: dict[str, Any] = {"access": "wifi", "move": "add", "changes": {"Contact": stranger}}
            refused = await ue.order("register", allow_refusal=True, **arguments)
            assert refused["status"] == 403
            with pytest.raises(ProductFailure, match="registration refused: 403"):
                await ue.order("register", **arguments)
            unanswered = await ue.order("register", access="wifi", move="add", answer=False, allow_refusal=True)
            assert unanswered["status"] == 401 and "WWW-Authenticate" in unanswered["headers"]
            after = await ue.order("state")
            assert after["connections"] == before["connections"]
            assert {each["spi"] for each in after["associations"]} == {each["spi"] for each in before["associations"]}
            await leave(ue)

    run(work())


def test_requests_by_hand_get_nowhere_outside_their_associations(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await attached(ue, "lte")
            registered = await ue.order("register", access="lte", move="add")

            async def answer(**arguments: Any) -> Any:
                return (await ue.order("request", access="lte", **arguments))["status"]

            own = impus(up)[0]
            assert await answer(method="MESSAGE", to=own, flow="open") == 403
            assert await answer(method="MESSAGE", to=own, flow="to-protected-port") is None
            wrong = {"Security-Verify": registered["security_verify"] + "0"}
            assert await answer(method="MESSAGE", to=own, changes=wrong) == 494
            assert await answer(method="REGISTER", flow="open", changes={"Security-Client": None}) == 421
            assert await answer(method="MESSAGE", to=own) == 405  # inside them it arrives: at ourselves
            await leave(ue)

    run(work())


def test_registrations_and_subscriptions_that_are_short_are_refreshed_in_time(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            up.events.clear()
            await attached(ue, "lte")
            await ue.order("register", access="lte", move="add", expires_s=60)
            await ue.order("add-identity", access="lte", impu=impus(up)[1])
            said = await up.heard("refreshed", impu=impus(up)[0])
            assert said["expires_s"] == 60
            await leave(ue)

    run(work())
