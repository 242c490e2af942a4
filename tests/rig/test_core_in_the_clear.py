"""What of the signalling can be read on the wire, and what becomes of cleartext at protected ports (TS 33.203 7.1)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from calls import invite
from core_bench import Bench, core_bench
from test_core_sessions import LINGER_S, Handoff, released

from drivers.host import netns
from drivers.protocols import Family
from testbed.core.core import CoreOptions

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, SO_RCVBUFFORCE = 0x3, 0x800, 0x86DD, 33
HEADERS = 14 + 20 + 8  # of Ethernet, IPv4 and UDP
QUIET_S = 1.5  # longer than a message and its first retransmission take


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=LINGER_S, connections=10, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options) as made:
        yield made


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


@contextmanager
def tapped(bench: Bench) -> Iterator[list[bytes]]:
    """The packets at the UE's accesses during the block; the list is filled at its end."""
    with netns.inside(bench.rig.namespace("ue")):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    packets: list[bytes] = []
    with tap:
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        yield packets
        tap.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                packets.append(tap.recv(4096))


def is_plain_from(address: str, packet: bytes) -> bool:
    """Whether an Ethernet frame holds UDP or TCP from there, not within ESP."""
    source = ip_address(address)
    kind, protocol_at, source_at = (ETH_P_IP, 9, 12) if source.version == 4 else (ETH_P_IPV6, 6, 8)
    header = packet[14:]
    return (
        packet[12:14] == kind.to_bytes(2, "big")
        and header[source_at:].startswith(source.packed)
        and header[protocol_at] in (socket.IPPROTO_UDP, socket.IPPROTO_TCP)
    )


def dropped(bench: Bench, server: str, counter: str) -> int:
    """A counter of the kernel's for what its policies of a server's have stopped (`XfrmInPolBlock`)."""
    with netns.inside(bench.rig.namespace(server)):
        lines = Path("/proc/thread-self/net/xfrm_stat").read_text().splitlines()
    return int(dict(line.split() for line in lines)[counter])


def test_of_all_sip_only_the_first_register_and_its_challenge_are_in_the_clear(bench: Bench) -> None:
    with tapped(bench) as packets:
        handoff = Handoff(bench, ealg="aes-cbc")
        released(handoff.old, LINGER_S + 10)
        released(handoff.far)
        bench.wait_for_the_end(handoff.old, 10)
    readable = [packet[HEADERS:].split(b"\r\n")[0] for packet in packets if b"SIP/2.0" in packet]
    accesses = 2
    assert len(packets) > 20
    register, challenge = b"REGISTER sip:home1.net SIP/2.0", b"SIP/2.0 401 Unauthorized - Challenging the UE"
    assert readable == [register, challenge] * accesses


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("family", [4, 6])
def test_without_associations_a_pcscf_sends_nothing_from_its_protected_ports(
    bench: Bench, transport: str, family: Family
) -> None:
    """A connection whose associations have gone, while the P-CSCF still has something to send over it."""
    ue = bench.registered(bench.phone("ue", transport=transport), "lte", family)
    far = bench.registered(bench.phone("far"), "far")
    bench.lose_associations(ue)
    before = dropped(bench, "pcscf-lte", "XfrmOutPolBlock")
    with tapped(bench) as packets:
        far.send(invite(far, ue.phone.impu))
        far.silence(QUIET_S)
    assert [packet for packet in packets if is_plain_from(ue.pcscf, packet)] == []
    assert dropped(bench, "pcscf-lte", "XfrmOutPolBlock") > before, "the P-CSCF had nothing to send"
    ue.service_route = []  # it cannot deregister any more


@pytest.mark.parametrize("family", [4, 6])
def test_cleartext_to_a_protected_port_gets_nowhere(bench: Bench, family: Family) -> None:
    """From a port that no policy of the P-CSCF's selects, to each of its protected ports."""
    line = bench.registered(bench.phone("ue"), "lte", family)
    assert line.security and line.security.server
    server = line.security.server
    request = invite(line, "sip:user2_public1@home1.net").encode()
    sock = line.sockets[line.bind()]
    before = dropped(bench, "pcscf-lte", "XfrmInPolBlock")
    for port in (server.port_c, server.port_s):
        assert port
        sock.sendto(request, (line.pcscf, port))
    assert line.silence(QUIET_S) == []
    assert dropped(bench, "pcscf-lte", "XfrmInPolBlock") >= before + 2


def test_a_connections_flow_in_the_clear_gets_nowhere(bench: Bench) -> None:
    """The very ports of a connection, without ESP: the UE has lost its policies, the P-CSCF has not."""
    line = bench.registered(bench.phone("ue"), "lte")
    assert line.security
    request = invite(line, "sip:user2_public1@home1.net")
    line.security.remove()
    line.send(request)
    assert line.silence(QUIET_S) == []
    line.service_route = []
