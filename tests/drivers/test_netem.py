"""Shapes on a real device: put in force, read back, changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from drivers.errors import DriverError
from drivers.host import netns
from drivers.link.interfaces import bridge
from drivers.link.netem import NetemShaper
from drivers.link.netlink import Netlink
from drivers.protocols import Shape

pytestmark = pytest.mark.rig
SHAPES = [
    Shape(),
    Shape(delay_ms=0.1),
    Shape(delay_ms=25.0, jitter_ms=2.0),
    Shape(delay_ms=600.0, jitter_ms=0.5, loss_percent=0.1),
    Shape(loss_percent=100.0),
    Shape(delay_ms=25.0, loss_percent=33.3),
]


@pytest.fixture
def netlink() -> Iterator[Netlink]:
    with netns.staying_at_home():
        assert netns._libc.unshare(netns.CLONE_NEWNET) == 0
        with Netlink(socket.NETLINK_ROUTE, "test") as netlink:
            netlink.batch([bridge("one", 2, "02:00:00:00:00:01"), bridge("two", 3, "02:00:00:00:00:02")])
            yield netlink


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_shape_is_read_back_as_it_was_asked_for(netlink: Netlink, shape: Shape) -> None:
    shaper = NetemShaper(netlink, 2, "test/one")
    shaper.apply(shape)
    assert vars(shaper.read()) == pytest.approx(vars(shape), rel=1e-3, abs=1e-3)


def test_a_shape_replaces_the_one_before_whatever_it_was(netlink: Netlink) -> None:
    shaper = NetemShaper(netlink, 2, "test/one")
    for shape in [*SHAPES, *reversed(SHAPES)]:
        shaper.apply(shape)
        assert vars(shaper.read()) == pytest.approx(vars(shape), rel=1e-3, abs=1e-3)


def test_a_change_prepared_beforehand_is_in_force_once_it_is_sent(netlink: Netlink) -> None:
    shaper, shape = NetemShaper(netlink, 2, "test/one"), Shape(delay_ms=10.0)
    gone = shaper.request(replace(shape, loss_percent=100.0))
    shaper.apply(shape)
    netlink.batch([gone])
    assert shaper.read().loss_percent == pytest.approx(100)
    assert shaper.read().delay_ms == pytest.approx(10)


def test_the_shape_of_one_device_is_not_taken_for_that_of_another(netlink: Netlink) -> None:
    NetemShaper(netlink, 2, "test/one").apply(Shape(delay_ms=10.0))
    with pytest.raises(DriverError, match="test/two: no netem is in force"):
        NetemShaper(netlink, 3, "test/two").read()


def test_a_device_that_is_not_there_is_said(netlink: Netlink) -> None:
    with pytest.raises(DriverError, match=r"No such device|Cannot find device"):
        NetemShaper(netlink, 9, "test/nine").apply(Shape(delay_ms=1.0))
