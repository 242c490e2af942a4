"""What netem draws repeats where it is seeded and the kernel knows seeds; elsewhere that is said."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
from collections.abc import Iterator

import pytest

from drivers.link.interfaces import switch
from drivers.link.netem import NetemShaper
from drivers.link.netlink import Netlink
from drivers.protocols import Shape

PACKETS = 200
LOSSY = Shape(loss_percent=50.0)


@pytest.fixture
def loopback() -> Iterator[Netlink]:
    """A socket in a network namespace of our own, whose only device is up."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x40000000) == 0
    netlink = Netlink(socket.NETLINK_ROUTE, "test")
    netlink.batch([switch(1, True, "lo")])
    yield netlink
    netlink.close()
    assert libc.setns(before, 0) == 0
    os.close(before)


def arrived() -> list[int]:
    """Which of so many packets over loopback came through."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(PACKETS):
                sender.sendto(bytes([number]), receiver.getsockname())
        came = []
        while True:
            try:
                came.append(receiver.recv(16)[0])
            except BlockingIOError:
                return came


def known() -> bool:
    return tuple(int(part) for part in platform.release().split(".")[:2]) >= (6, 6)


def test_a_seed_is_taken_where_the_kernel_knows_seeds_and_losses_repeat(loopback: Netlink) -> None:
    shaper = NetemShaper(loopback, 1, "lo", seed=0x0123456789ABCDEF)
    patterns = []
    for _ in range(3):
        shaper.apply(LOSSY)
        patterns.append(arrived())
    assert shaper.seeded == known()
    assert 0 < len(patterns[0]) < PACKETS
    assert (patterns[0] == patterns[1] == patterns[2]) == known()


def test_another_seed_and_none_draw_otherwise(loopback: Netlink) -> None:
    patterns = []
    for seed in (1, 2, None):
        shaper = NetemShaper(loopback, 1, "lo", seed)
        shaper._present = bool(patterns)
        shaper.apply(LOSSY)
        patterns.append(tuple(arrived()))
        assert shaper.seeded == (known() and seed is not None)
    assert len(set(patterns)) == 3
