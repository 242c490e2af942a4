"""What of a handoff can be read on the wire, at a core that no other test has used."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from core_bench import Bench, core_bench
from test_core_sessions import LINGER_S, Handoff, released

from drivers.host import netns
from testbed.core.core import CoreOptions

ETH_P_ALL, SO_RCVBUFFORCE = 3, 33
HEADERS = 14 + 20 + 8  # of Ethernet, IPv4 and UDP


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=LINGER_S, connections=10, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options) as made:
        yield made
        made.hang_up()


def test_of_all_sip_only_the_first_register_and_its_challenge_are_in_the_clear(bench: Bench) -> None:
    with netns.inside(bench.rig.namespace("ue")):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with tap:
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        handoff = Handoff(bench, ealg="aes-cbc")
        released(handoff.old, LINGER_S + 10)
        released(handoff.far)
        bench.wait_for_the_end(handoff.old, 10)
        tap.setblocking(False)
        packets = []
        with suppress(BlockingIOError):
            while True:
                packets.append(tap.recv(4096))
    readable = [packet[HEADERS:].split(b"\r\n")[0] for packet in packets if b"SIP/2.0" in packet]
    accesses = 2
    assert len(packets) > 20
    register, challenge = b"REGISTER sip:home1.net SIP/2.0", b"SIP/2.0 401 Unauthorized - Challenging the UE"
    assert readable == [register, challenge] * accesses
