"""Registration of the real UE at the real core: transports, families, algorithms, and everything that goes wrong."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator

import pytest
from living import FAR, MOVING, Living, living, run

from drivers.host import netns
from testbed.core.subscribers import Subscriber
from testbed.errors import ProductFailure


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("registration")) as made:
        yield made


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("ip", [4, 6])
@pytest.mark.parametrize("ealg", ["null", "aes-cbc"])
def test_a_ue_registers_and_its_implicit_identities_with_it(up: Living, transport: str, ip: int, ealg: str) -> None:
    async def work() -> None:
        async with up.ue(transport=transport, ip=ip, ealg=ealg) as ue:
            await ue.order("attach", access="lte")
            connection = await ue.order("register", access="lte")
            assert connection["state"] == "active"
            assert set(connection["bindings"]) == set(up.plan.ues[MOVING].impus)
            assert len(connection["spi"]) == 4
            assert connection["service_route"]
            state = await ue.order("state")
            used = {sa["spi"]: sa["packets"] for sa in state["associations"]}
            assert len(used) == 4 and sum(used.values()) >= 2
            await ue.order("deregister", access="lte")

    run(work())


def test_a_ue_that_holds_another_key_refuses_the_network(up: Living) -> None:
    def other_key(subscriber: Subscriber) -> Subscriber:
        return dataclasses.replace(subscriber, k=bytes(16))

    async def work() -> None:
        async with up.ue(change=other_key) as ue:
            await ue.order("attach", access="lte")
            with pytest.raises(ProductFailure, match=r"(?s)wrong MAC-A.*compare K and OPc"):
                await ue.order("register", access="lte")

    run(work())


def test_a_usim_that_is_ahead_resynchronises_and_registers(up: Living) -> None:
    def ahead(subscriber: Subscriber) -> Subscriber:
        return dataclasses.replace(subscriber, sqn=1 << 20)

    async def work() -> None:
        async with up.ue(change=ahead) as ue:
            await ue.order("attach", access="lte")
            assert (await ue.order("register", access="lte"))["state"] == "active"
            await ue.order("deregister", access="lte")

    run(work())
    assert "resynchronising" in (up.folder / f"ue-{MOVING}.log").read_text()


def test_an_identity_that_the_hss_does_not_know_is_refused(up: Living) -> None:
    def stranger(subscriber: Subscriber) -> Subscriber:
        return dataclasses.replace(
            subscriber, impi="nobody@home1.net", impus=("sip:nobody@home1.net",), implicit_sets=()
        )

    async def work() -> None:
        known = up.plan.ues[FAR]
        assert known.impi != "nobody@home1.net"
        async with up.ue(change=stranger) as ue:
            await ue.order("attach", access="lte")
            with pytest.raises(ProductFailure, match="registration refused: 40"):
                await ue.order("register", access="lte")

    run(work())


def test_what_is_no_sip_and_what_is_unprotected_does_not_stop_a_ue(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            connection = await ue.order("register", access="lte")
            address = connection["address"]
            port = int(connection["contact"].rpartition(":")[2].partition(";")[0])
            with netns.inside(up.rig.namespace("pcscf-lte")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for target in (port, 5060):
                    sock.sendto(b"BYE sip:you SIP/2.0\r\n\r\n", (address, target))
                    sock.sendto(bytes(range(256)), (address, target))
            await ue.order("subscribe", access="lte")
            state = await ue.order("state")
            assert state["connections"][0]["state"] == "active"
            await ue.order("deregister", access="lte")
            assert state["garbage"] == 0  # nothing of it passed the kernel: the protected port takes ESP only

    run(work())


def test_two_connections_over_two_accesses_live_side_by_side(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            for access, move in (("lte", "none"), ("wifi", "add")):
                await ue.order("attach", access=access)
                assert (await ue.order("register", access=access, move=move))["state"] == "active"
            state = await ue.order("state")
            assert [each["state"] for each in state["connections"]] == ["active", "active"]
            assert len(state["associations"]) == 8
            for access in ("lte", "wifi"):
                await ue.order("deregister", access=access)

    run(work())


def test_a_registration_is_refreshed_over_its_own_associations(up: Living) -> None:
    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            before = await ue.order("register", access="lte")
            await ue.order("subscribe", access="lte")
            after = await ue.order("refresh", access="lte")
            assert after["spi"] == before["spi"] and after["contact"] == before["contact"]
            state = await ue.order("state")
            assert {sa["spi"] for sa in state["associations"]} == set(after["spi"])  # what was offered anew is gone
            await ue.order("deregister", access="lte")
            assert not (await ue.order("state"))["associations"]

    run(work())
