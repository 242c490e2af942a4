"""The triggers act at once, with real packets on their way."""

from __future__ import annotations

import asyncio
import select
import socket
import statistics
import time
from collections.abc import Iterator

import pytest
from rig_eyes import Ends, attach, attached, brought_up, ip, received, took_ms, wired

from drivers.host import netns
from drivers.link.interfaces import IFF_LOWER_UP
from drivers.link.netlink import Netlink
from drivers.protocols import AccessEvent
from testbed.errors import RigError
from testbed.rig.lever import AccessLever
from testbed.rig.rig import Rig

pytestmark = pytest.mark.simulated  # how long something takes is then what the kernel waits for, and nothing else
RTM_NEWLINK, RTNLGRP_LINK = 16, 1
UPLINK_MS = 25  # of lte, one way


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with brought_up(tmp_path_factory.mktemp("state")) as rig:
        attach(rig, "lte")
        yield rig


@pytest.fixture
def lever(rig: Rig) -> Iterator[AccessLever]:
    lever = rig.lever("lte")
    yield lever
    lever.clear()
    lever.restore()
    attach(rig, "lte")


class Carrier:
    """What the kernel tells the UE of its device's carrier, with the time of the telling."""

    def __init__(self, rig: Rig, access: str) -> None:
        with netns.inside(rig.namespace("ue")):
            self._netlink = Netlink(socket.NETLINK_ROUTE, "test", (RTNLGRP_LINK,))
            self._index = socket.if_nametoindex(access)

    def told_after_ms(self, expected: bool, begin: float) -> float:
        while select.select([self._netlink], [], [], max(begin + 2 - time.perf_counter(), 0))[0]:
            for kind, payload in self._netlink.notifications():
                index = int.from_bytes(payload[4:8], "little")
                carrier = bool(int.from_bytes(payload[8:12], "little") & IFF_LOWER_UP)
                if (kind, index, carrier) == (RTM_NEWLINK, self._index, expected):
                    return (time.perf_counter() - begin) * 1000
        raise AssertionError("the kernel said nothing of the carrier within 2 s")


def test_a_lever_acts_within_a_few_milliseconds(lever: AccessLever) -> None:
    acts = (lever.cut, lever.restore, lever.blackhole, lever.clear)
    times = [[took_ms(act) for act in acts] for _ in range(15)]
    assert all(statistics.median(each) < 3 for each in zip(*times, strict=True)), times


def test_what_had_passed_the_cable_still_arrives_after_a_cut_and_nothing_else_does(
    rig: Rig, lever: AccessLever
) -> None:
    def cut_with_packets_on_their_way(ends: Ends) -> float:
        for number in range(5):
            ends.uplink(b"before %d" % number)
        begin = time.perf_counter()
        ends.downlink(b"too late")  # still on the shaped link when the cable is cut
        lever.cut()
        return (time.perf_counter() - begin) * 1000

    with Ends(rig, "lte", "pcscf-lte", 4) as ends:
        ends.round_trip_ms()
        while cut_with_packets_on_their_way(ends) > UPLINK_MS / 2:  # this machine had something else to do
            lever.restore()
            received(ends.server, 0.1)
            received(ends.ue, 0.1)
        ends.uplink(b"after")
        assert sorted(received(ends.server, 0.3)) == [b"before %d" % number for number in range(5)]
        assert received(ends.ue, 0.1) == []


@pytest.mark.parametrize("family", [4, 6])
def test_after_a_cut_the_network_swallows_packets_for_the_ue_without_an_error(
    rig: Rig, lever: AccessLever, family: int
) -> None:
    with Ends(rig, "lte", "pcscf-lte", family) as ends:  # type: ignore[arg-type]
        ends.round_trip_ms()
        lever.cut()
        ends.server.connect(ends.ue.getsockname())  # a connected socket is told of ICMP errors
        for _ in range(3):
            ends.server.send(b"lost")
        assert received(ends.server, 0.3) == []


def test_the_kernel_tells_the_ue_of_the_carrier_at_once_each_time(rig: Rig, lever: AccessLever) -> None:
    carrier = Carrier(rig, "lte")
    for _ in range(4):  # a kernel that took the events for harmless would tell one a second
        for act, expected in ((lever.cut, False), (lever.restore, True)):
            begin = time.perf_counter()
            act()
            assert carrier.told_after_ms(expected, begin) < 100


def test_a_restored_access_carries_packets_of_both_families_each_time(rig: Rig, lever: AccessLever) -> None:
    for _ in range(3):
        lever.cut()
        lever.restore()
        for family in (4, 6):
            with Ends(rig, "lte", "pcscf-lte", family) as ends:
                ends.round_trip_ms()


def test_a_ue_that_left_and_attaches_anew_is_answered_at_once(rig: Rig, lever: AccessLever) -> None:
    async def first_round_trips() -> list[float]:
        device, times = wired(rig, "lte"), []
        try:
            for number in range(30):
                await device.detach()
                await device.attach()
                with Ends(rig, "lte", "pcscf-lte", 4 if number % 2 else 6) as ends:
                    times.append(ends.round_trip_ms())
        finally:
            device.close()
        return times

    assert max(asyncio.run(first_round_trips())) < 900, "an address resolution was lost and tried again"


def test_a_wired_access_tells_of_a_cut_and_of_its_end(rig: Rig, lever: AccessLever) -> None:
    async def events() -> list[AccessEvent]:
        device = wired(rig, "lte")
        told: asyncio.Queue[AccessEvent] = asyncio.Queue()
        device.watch(told.put_nowait)
        try:
            await device.attach()
            lever.cut()
            first = await asyncio.wait_for(told.get(), 2)
            lever.restore()
            return [first, await asyncio.wait_for(told.get(), 2)]
        finally:
            device.close()

    assert [event.what for event in asyncio.run(events())] == ["carrier-lost", "carrier-back"]


def test_attaching_to_a_cut_access_says_that_there_is_no_carrier(
    rig: Rig, lever: AccessLever, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.link.wired.DEADLINE_S", 0.3)
    lever.cut()
    with pytest.raises(Exception, match=r"access lte: no carrier within 0.3 s\n  mend: plug the cable in"):
        asyncio.run(attached(rig, "lte"))


@pytest.mark.parametrize("family", [4, 6])
def test_a_blackhole_takes_packets_both_ways_and_tells_nobody_but_what_had_passed_arrives(
    rig: Rig, lever: AccessLever, family: int
) -> None:
    carrier = Carrier(rig, "lte")
    with Ends(rig, "lte", "pcscf-lte", family) as ends:  # type: ignore[arg-type]
        ends.round_trip_ms()
        for number in range(5):
            ends.uplink(b"before %d" % number)
        lever.blackhole()
        ends.uplink(b"after")
        ends.downlink(b"after")
        assert sorted(received(ends.server, 0.3)) == [b"before %d" % number for number in range(5)]
        assert received(ends.ue, 0.1) == []
        (device,) = ip(rig.namespace("ue"), "link", "show", "lte")
        assert "LOWER_UP" in device["flags"]
        assert list(carrier._netlink.notifications()) == []
        lever.clear()
        assert min(ends.round_trip_ms() for _ in range(4)) >= 2 * UPLINK_MS - 5


def test_an_access_that_is_not_up_has_no_lever(rig: Rig) -> None:
    with pytest.raises(RigError, match="no access dsl"):
        rig.lever("dsl")
