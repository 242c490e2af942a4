"""The UE's security associations in the kernel, looked at with `ip xfrm` and with packets."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from drivers.errors import DriverError
from drivers.host import netns
from drivers.link.xfrm import SecurityAssociation, Xfrm
from testbed.ims.secagree import SecurityMechanism
from testbed.ue.security import SecuritySet

CK, IK = bytes(range(16)), bytes(range(100, 116))
UE, PCSCF = "sectest-ue", "sectest-pcscf"
ADDRESSES = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd00:9::1", "fd00:9::2")}
P_PORT_C, P_PORT_S, P_SPI_C, P_SPI_S = 41000, 41001, 0x3001, 0x3002


@pytest.fixture
def cable() -> Iterator[None]:
    """Two namespaces with a cable between them."""
    for name in (UE, PCSCF):
        ip("netns", "add", name)
    try:
        ip("-n", UE, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", PCSCF)
        for place, name in enumerate((UE, PCSCF)):
            ip("-n", name, "link", "set", "eth0", "up")
            for family, addresses in ADDRESSES.items():
                prefix = "24" if family == 4 else "64"
                ip("-n", name, "addr", "add", f"{addresses[place]}/{prefix}", "dev", "eth0", "nodad")
        yield
    finally:
        for name in (UE, PCSCF):
            ip("netns", "del", name)


@dataclass
class Ends:
    """A UE with an offer, and the kernel's other end as a P-CSCF would set it up."""

    ue: str
    pcscf: str
    xfrm: Xfrm
    security: SecuritySet

    def install(self, ealg: str = "null", alg: str = "hmac-sha-1-96") -> SecurityMechanism:
        server = SecurityMechanism(alg=alg, ealg=ealg, spi_c=P_SPI_C, spi_s=P_SPI_S, port_c=P_PORT_C, port_s=P_PORT_S)
        self.security.block()
        self.security.install([server], CK, IK, 60)
        with netns.inside(PCSCF):
            other = Xfrm()
        for sa in self.security.associations:
            turned = type(sa)(**{**vars(sa), "direction": "in" if sa.direction == "out" else "out"})
            other.add(turned)
            other.protect(turned)
        other.close()
        return server


def ends(family: int, ealg: str = "null", alg: str = "hmac-sha-1-96") -> Ends:
    ue, pcscf = ADDRESSES[family]
    with netns.inside(UE):
        xfrm = Xfrm()
    return Ends(ue, pcscf, xfrm, SecuritySet(xfrm, ue, pcscf, (40000, 40001), alg, ealg))


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


def xfrm_state(namespace: str) -> str:
    return ip("-n", namespace, "xfrm", "state")


def xfrm_policy(namespace: str) -> str:
    return ip("-n", namespace, "xfrm", "policy")


def bound(namespace: str, address: str, port: int, kind: int = socket.SOCK_DGRAM) -> socket.socket:
    with netns.inside(namespace):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.settimeout(2)
    return sock


def errors(namespace: str) -> dict[str, int]:
    text = ip("netns", "exec", namespace, "cat", "/proc/net/xfrm_stat")
    return {name: int(count) for name, count in (line.split() for line in text.splitlines()) if int(count)}


@pytest.mark.usefixtures("cable")
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("alg", "ealg"),
    [("hmac-sha-1-96", "null"), ("hmac-sha-1-96", "aes-cbc"), ("hmac-md5-96", "null"), ("hmac-md5-96", "des-ede3-cbc")],
)
def test_four_associations_carry_udp_and_tcp_both_ways(family: int, alg: str, ealg: str) -> None:
    both = ends(family, ealg, alg)
    both.install(ealg, alg)
    assert len(re.findall(r"^src ", xfrm_state(UE), re.MULTILINE)) == 4
    kernel = {"hmac-sha-1-96": "hmac(sha1)", "hmac-md5-96": "hmac(md5)"}[alg]
    assert xfrm_state(UE).count(kernel) == 4
    with bound(UE, both.ue, 40000) as ours, bound(PCSCF, both.pcscf, P_PORT_S) as theirs:
        ours.sendto(b"request", (both.pcscf, P_PORT_S))
        data, back = theirs.recvfrom(100)
        assert data == b"request"
        theirs.sendto(b"answer", back)
        assert ours.recv(100) == b"answer"
    with bound(PCSCF, both.pcscf, P_PORT_C) as theirs, bound(UE, both.ue, 40001) as ours:
        theirs.sendto(b"to you", (both.ue, 40001))
        assert ours.recv(100) == b"to you"
    with bound(PCSCF, both.pcscf, P_PORT_S, socket.SOCK_STREAM) as server:
        server.listen()
        with bound(UE, both.ue, 40000, socket.SOCK_STREAM) as client:
            client.connect((both.pcscf, P_PORT_S))
            client.send(b"stream")
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(100) == b"stream"
    counted = {sa.spi: sa.packets for sa in both.xfrm.associations()}
    assert counted[P_SPI_S] >= 4  # the request, and at least SYN, ACK and data of the stream
    assert errors(UE) == {} and errors(PCSCF) == {}
    both.security.remove()
    assert xfrm_state(UE) == "" and xfrm_policy(UE) == ""


@pytest.mark.usefixtures("cable")
@pytest.mark.parametrize("family", [4, 6])
def test_cleartext_to_a_protected_port_does_not_arrive(family: int) -> None:
    both = ends(family)
    both.install()
    with bound(UE, both.ue, 40001) as ours, bound(PCSCF, both.pcscf, 5555) as stranger:
        ours.settimeout(0.3)
        stranger.sendto(b"unprotected", (both.ue, 40001))
        with pytest.raises(TimeoutError):
            ours.recv(100)
    assert errors(UE).get("XfrmInPolBlock") == 1


@pytest.mark.usefixtures("cable")
def test_a_wrong_key_is_counted_and_nothing_arrives() -> None:
    both = ends(4)
    both.install()
    sa = next(sa for sa in both.security.associations if sa.spi == P_SPI_S)
    with netns.inside(PCSCF):
        other = Xfrm()
    other.remove(sa)
    other.add(type(sa)(**{**vars(sa), "direction": "in", "auth_key": bytes(20)}))
    with bound(UE, both.ue, 40000) as ours, bound(PCSCF, both.pcscf, P_PORT_S) as theirs:
        theirs.settimeout(0.3)
        ours.sendto(b"request", (both.pcscf, P_PORT_S))
        with pytest.raises(TimeoutError):
            theirs.recv(100)
    assert errors(PCSCF).get("XfrmInStateProtoError") == 1
    assert next(each for each in other.associations() if each.spi == P_SPI_S).integrity_failed == 1
    other.close()


@pytest.mark.usefixtures("cable")
def test_an_offer_that_is_never_answered_leaves_nothing() -> None:
    both = ends(4)
    assert len(both.xfrm.associations()) == 2  # the two reserved SPIs
    both.security.remove()
    assert both.xfrm.associations() == [] and both.xfrm.policy_count() == 0


@pytest.mark.usefixtures("cable")
def test_a_second_challenge_replaces_the_keys_under_the_same_spis() -> None:
    both = ends(4)
    both.install()
    spis = both.security.spis
    both.security.remove()
    server = SecurityMechanism(
        alg="hmac-sha-1-96", ealg="null", spi_c=P_SPI_C, spi_s=P_SPI_S, port_c=P_PORT_C, port_s=P_PORT_S
    )
    both.security.install([server], IK, CK, 60)
    assert both.security.spis == spis and len(both.xfrm.associations()) == 4


@pytest.mark.usefixtures("cable")
def test_an_algorithm_that_is_not_known_is_refused_with_the_known_ones() -> None:
    ue, pcscf = ADDRESSES[4]
    with netns.inside(UE):
        xfrm = Xfrm()
    with pytest.raises(DriverError, match=r"'hmac-sha-9' is not known(.|\n)*hmac-sha-1-96"):
        xfrm.add(SecurityAssociation(ue, pcscf, 1, 2, 0x5000, "out", "hmac-sha-9", b"", "null", b""))
