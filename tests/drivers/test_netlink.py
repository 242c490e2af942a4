"""Netlink sockets against the kernel's own routing messages, and the decoding of whatever bytes."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from drivers.errors import DriverError
from drivers.host import netns
from drivers.link.interfaces import SET, CableEnd, address, bridge, cable, neighbour, route, swallow, switch
from drivers.link.netlink import BATCH, Netlink, attribute, attributes, encode, messages

_numbers = itertools.count()


@pytest.fixture
def netlink() -> Iterator[Netlink]:
    """A socket in a namespace of its own, which vanishes with it."""
    with netns.staying_at_home():
        assert netns._libc.unshare(netns.CLONE_NEWNET) == 0
        with Netlink(socket.NETLINK_ROUTE, "test") as netlink:
            netlink.batch([switch(1, True, "lo")])
            yield netlink


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_messages_and_attributes_or_to_nothing(data: bytes) -> None:
    assert all(len(payload) <= len(data) for _, _, payload in messages(data))
    assert all(len(value) <= len(data) for value in attributes(data).values())


@given(st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=40), max_size=5))
def test_attributes_come_back_as_they_were_encoded(values: dict[int, bytes]) -> None:
    assert attributes(b"".join(attribute(kind, value) for kind, value in values.items())) == values


def test_a_message_that_says_it_is_shorter_than_its_header_ends_the_reading() -> None:
    assert list(messages(struct.pack("IHHII", 4, 1, 0, 0, 0) * 3)) == []


@pytest.mark.parametrize("kind", [ifinfmsg, ifaddrmsg, rtmsg, ndmsg, fibmsg, tcmsg], ids=lambda kind: kind.__name__)
def test_a_message_without_attributes_is_encoded_as_pyroute2_does(kind: type[nlmsg]) -> None:
    values = {name: number for number, (name, form) in enumerate(kind.fields, 1) if form[-1] not in "xs"}
    theirs = kind()
    theirs.update(values)
    theirs.encode()
    assert encode(kind, **values) == bytes(theirs.data[16:])


@pytest.mark.rig
def test_more_requests_than_one_datagram_takes_are_all_carried_out(netlink: Netlink) -> None:
    netlink.batch([bridge("br0", 2, "02:00:00:00:00:01"), address(2, "10.0.0.1", 8)])
    many = [
        neighbour(2, f"10.0.{number // 200}.{number % 200 + 2}", "02:00:00:00:00:02") for number in range(2 * BATCH + 7)
    ]
    netlink.batch(many)
    with pytest.raises(DriverError, match="File exists"):
        netlink.batch(many[-1:])


@pytest.mark.rig
def test_where_one_of_a_batch_is_refused_it_is_named_and_those_behind_it_are_carried_out(netlink: Netlink) -> None:
    netlink.batch([bridge("br0", 2, "02:00:00:00:00:01")])
    with pytest.raises(DriverError, match=r"test: address 10.0.0.1/8: No such device") as refused:
        netlink.batch([address(99, "10.0.0.1", 8), address(98, "10.0.0.2", 8), address(2, "10.0.0.3", 8)])
    assert "10.0.0.2" not in str(refused.value)
    with pytest.raises(DriverError, match="File exists"):
        netlink.batch([address(2, "10.0.0.3", 8)])


@pytest.mark.rig
def test_the_kernels_own_words_are_part_of_the_error(netlink: Netlink) -> None:
    with pytest.raises(DriverError, match=r"route 10.0.0.0/8 via 192.0.2.1: .*\(Nexthop has invalid gateway\)"):
        netlink.batch([route("10.0.0.0/8", "192.0.2.1")])


@pytest.mark.rig
def test_an_address_may_be_set_again_but_not_be_new_again(netlink: Netlink) -> None:
    netlink.batch([bridge("br0", 2, "02:00:00:00:00:01")])
    for own in ("10.0.0.1", "fd00::1"):
        netlink.batch([address(2, own, 64 if ":" in own else 24), address(2, own, 64 if ":" in own else 24, SET)])
        with pytest.raises(DriverError, match="exists"):
            netlink.batch([address(2, own, 64 if ":" in own else 24)])


@pytest.mark.rig
def test_what_is_for_a_swallowed_network_goes_nowhere_and_nothing_comes_back(netlink: Netlink) -> None:
    netlink.batch([swallow("10.0.0.0/8", 4096), swallow("fd00::/64", 4096)])
    for family, other in ((socket.AF_INET, "10.1.2.3"), (socket.AF_INET6, "fd00::3")):
        with socket.socket(family, socket.SOCK_DGRAM) as sender, pytest.raises(OSError, match="Invalid argument"):
            sender.sendto(b"x", (other, 9))  # our own is told at once; what only passes by vanishes (tests/rig)


def test_a_cable_whose_ends_have_the_same_number_is_refused_before_it_is_made() -> None:
    near, far = CableEnd("a", 7, "02:00:00:00:00:01"), CableEnd("b", 7, "02:00:00:00:00:02")
    with pytest.raises(ValueError, match="both ends of the cable a-b have the number 7"):
        cable(near, far, 0)
