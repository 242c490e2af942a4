"""What the P-CSCF lets over a connection (TS 24.229 5.2, TS 33.203 7): its identities, its contact, its protection."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calls import call, invite
from core_bench import Bench, core_bench
from sip_client import Line, NameAddr

from drivers.host import netns
from testbed.core.core import CoreOptions
from testbed.ims.message import Request, Response

SETS = (
    ("sip:user1_public1@home1.net", "sip:user1_public2@home1.net"),
    ("sip:user1_work1@home1.net", "sip:user1_work2@home1.net"),
)
(DEFAULT, IMPLICIT), (WORK, IMPLICIT_WORK) = SETS
FAR = "sip:user2_public1@home1.net"
OPTIONS = CoreOptions(linger_s=3, connections=16, warm_up=False)
QUIET_S = 1.5


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with core_bench(tmp_path_factory.mktemp("core"), OPTIONS, "same-pcscf", SETS) as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


def asserted(line: Line, far: Line, preferred: str) -> str:
    """The identity in whose name a request comes to the far end, when the UE prefers this one."""
    request = invite(line, far.phone.impu, impu=preferred)
    line.send(request)
    _, arrived, sock, remote = far.incoming("INVITE")
    far.reply(arrived.response(486, to_tag="busy"), sock, remote)
    line.response(request)
    return str(NameAddr.parse(arrived.headers.get("P-Asserted-Identity") or "").uri)


def answered(line: Line, request: Request) -> Response:
    """What the network says to a request over a line."""
    line.send(request)
    return line.response(request)[1]


def test_identities_registered_one_after_the_other_share_a_connection(bench: Bench) -> None:
    line, far = bench.registered(bench.phone("ue"), "lte"), bench.registered(bench.phone("far"), "far")
    assert asserted(line, far, WORK) == DEFAULT  # not registered, so not its own
    assert line.reregister(impu=WORK, expires=6000).status == 200
    assert bench.associations(line) == 4
    state = bench.core.pcscf_state("pcscf")
    assert state.contacts >= 1 and state.associations == 4
    (connection,) = state.connections.values()
    assert (connection.user, connection.identities[0]) == (line.phone.subscriber.impi, DEFAULT)
    assert set(connection.identities) == {*SETS[0], *SETS[1]}
    assert connection.expires_s > 500_000  # as the longer of the two registrations
    for impu in (*SETS[0], *SETS[1]):
        assert asserted(line, far, impu) == impu
        ours, theirs, _ = call(far, line, impu)
        assert ours.exchange("BYE", theirs)[0].status == 200
    assert asserted(line, far, FAR) == DEFAULT


def test_what_is_deregistered_is_that_identitys_set_alone_and_the_associations_go_with_the_last(bench: Bench) -> None:
    line, far = bench.registered(bench.phone("ue"), "lte"), bench.registered(bench.phone("far"), "far")
    line.reregister(impu=WORK)
    assert line.reregister(impu=WORK, expires=0).status == 200
    assert asserted(line, far, IMPLICIT_WORK) == DEFAULT
    ours, theirs, _ = call(far, line, IMPLICIT)
    assert ours.exchange("BYE", theirs)[0].status == 200
    assert bench.associations(line) == 4
    assert line.reregister(expires=0).status == 200
    bench.wait_for_the_end(line, 5)
    state = bench.core.pcscf_state("pcscf")
    assert (state.associations, state.connections) == (0, {})
    line.service_route = []


def test_the_default_identity_may_go_first(bench: Bench) -> None:
    line, far = bench.registered(bench.phone("ue"), "lte"), bench.registered(bench.phone("far"), "far")
    line.reregister(impu=WORK)
    assert line.reregister(expires=0).status == 200
    assert asserted(line, far, DEFAULT) == WORK
    ours, theirs, _ = call(far, line, IMPLICIT_WORK)
    assert ours.exchange("BYE", theirs)[0].status == 200


def test_a_global_registration_takes_all_identities_to_the_new_connection(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    bench.registered(phone, "lte").reregister(impu=WORK)
    new = bench.registered(phone, "wifi", to_params=";imsglobreg")
    for impu in (*SETS[0], *SETS[1]):
        assert asserted(new, far, impu) == impu


def test_two_connections_through_one_pcscf_do_not_touch_each_other(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    first, second = bench.registered(phone, "lte"), bench.registered(phone, "wifi", impu=WORK)
    assert first.pcscf == second.pcscf
    assert (asserted(first, far, WORK), asserted(second, far, WORK)) == (DEFAULT, WORK)
    for line, impu in ((first, IMPLICIT), (second, IMPLICIT_WORK)):
        ours, theirs, _ = call(far, line, impu)
        assert theirs.exchange("BYE", ours)[0].status == 200
    first.reregister(expires=0)
    bench.wait_for_the_end(first, 5)
    first.service_route = []
    assert bench.associations(second) == 4
    ours, theirs, _ = call(second, far)
    assert theirs.exchange("BYE", ours)[0].status == 200


@pytest.mark.simulated
def test_associations_last_as_long_as_the_longest_registration_over_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    options = dataclasses.replace(OPTIONS, min_expires_s=5)
    with core_bench(tmp_path_factory.mktemp("core"), options, "same-pcscf", SETS) as bench:
        line = bench.registered(bench.phone("ue"), "lte", expires=3600)
        assert line.reregister(impu=WORK, expires=5).status == 200
        line.silence(60)
        assert bench.associations(line) == 4
        assert line.reregister(expires=5).status == 200


FOREIGN = {
    "of another UE": lambda line, far: far.contact,
    "of the UE's other connection": lambda line, far: line.contact.replace(line.address, "10.2.0.2"),
    "at the UE's address, of no connection": lambda line, far: line.contact_of(line.port_s + 1),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_contact_that_is_not_the_connections_own_changes_nothing_whether_it_comes_or_goes(
    bench: Bench, name: str
) -> None:
    line, far = bench.registered(bench.phone("ue"), "lte"), bench.registered(bench.phone("far"), "far")
    foreign = FOREIGN[name](line, far)
    before = bench.bound(DEFAULT), bench.bound(FAR)
    response = line.reregister(contacts=(f"{foreign};expires=600",))
    assert (response.status, response.reason) == (403, "Contact is not this connection's own")
    assert line.reregister(contacts=(f"{foreign};expires=0",)).status == 200
    assert (bench.bound(DEFAULT), bench.bound(FAR)) == before
    ours, theirs, _ = call(line, far)
    assert ours.exchange("BYE", theirs)[0].status == 200


@pytest.mark.parametrize("name", FOREIGN)
def test_a_session_begins_with_the_connections_own_contact(bench: Bench, name: str) -> None:
    line, far = bench.registered(bench.phone("ue"), "lte"), bench.registered(bench.phone("far"), "far")
    request = invite(line, FAR)
    request.headers.set("Contact", FOREIGN[name](line, far))
    response = answered(line, request)
    assert (response.status, response.reason) == (403, "Contact is not this connection's own")


@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_security_verify_that_differs_by_one_character_is_refused_and_told_the_right_one(
    bench: Bench, place: int
) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    assert line.security
    (right,) = line.security.verify
    place %= len(right)
    wrong = right[:place] + chr(ord(right[place]) ^ 1) + right[place + 1 :]
    line.security.verify = [wrong]
    for response in (answered(line, invite(line, FAR)), line.reregister()):
        assert response.status == 494
        assert response.headers.values("Security-Server") == [right]
    line.security.verify = [right]
    assert line.reregister().status == 200


def test_the_answer_to_a_challenge_that_verifies_something_else_is_refused(bench: Bench) -> None:
    def spoil(request: Request) -> None:
        line.security.verify = [line.security.verify[0].replace("ealg=null", "ealg=nul1")]  # type: ignore[union-attr]

    line = bench.line(bench.phone("ue"), "lte")
    line.change = lambda request: line.security and spoil(request)  # type: ignore[assignment,return-value]
    response = line.register()
    assert response.status == 494 and "ealg=null" in response.headers.values("Security-Server")[0]
    assert bench.bound(DEFAULT) == []


def test_a_register_of_another_user_inside_these_associations_is_refused(bench: Bench) -> None:
    line, far = bench.registered(bench.phone("ue"), "lte"), bench.registered(bench.phone("far"), "far")
    before = bench.bound(DEFAULT), bench.bound(FAR)

    def pretend(request: Request) -> None:
        request.headers.set("From", f"<{FAR}>;tag=1")
        request.headers.set("To", f"<{FAR}>")

    line.change, mine, line.digest = pretend, line.digest, far.digest
    response = line.reregister(expires=0)
    line.digest = mine
    assert (response.status, response.reason) == (403, "Not the user of these associations")
    assert (bench.bound(DEFAULT), bench.bound(FAR)) == before


def test_a_registration_is_not_finished_inside_the_associations_of_another_connection(bench: Bench) -> None:
    """The answer to the challenge over wifi, with all that it says, through the associations of lte."""
    phone = bench.phone("ue")
    first, second = bench.registered(phone, "lte"), bench.line(phone, "wifi")
    second.send, second.response = diverted(first, second)  # type: ignore[method-assign]
    response = second.register()
    assert response.status == 494
    assert response.headers.values("Security-Server") == first.security.verify  # type: ignore[union-attr]
    assert bench.bound(DEFAULT) == [first.name]


def diverted(first: Line, second: Line) -> tuple[Callable[..., float], Callable[..., Any]]:
    """`send` and `response` of a line whose protected requests go over another one."""
    send, response = second.send, second.response

    def sending(message: Request, protected: bool = True) -> float:
        return first.send(message) if protected else send(message, protected)

    def responding(request: Request, *arguments: Any) -> Any:
        protected = request.headers.get("Security-Verify") is not None
        return first.response(request) if protected else response(request, *arguments)

    return sending, responding


def test_a_packet_in_the_association_of_another_connection_is_dropped_by_the_kernel(bench: Bench) -> None:
    """Ports and addresses of one connection, SPI and keys of the other: TS 33.203 7.2, selectors."""
    phone = bench.phone("ue")
    first, second = bench.registered(phone, "lte"), bench.registered(phone, "wifi")
    ours = [one for one in first.security.associations if one.direction == "out"]  # type: ignore[union-attr]
    theirs = [one for one in second.security.associations if one.direction == "out"]  # type: ignore[union-attr]
    for right, other in zip(theirs, ours, strict=True):
        second.xfrm.remove(right)
        second.xfrm.remove(other)
        keys = {"spi": other.spi, "auth_key": other.auth_key, "encr_key": other.encr_key}
        second.xfrm.add(dataclasses.replace(right, **keys))  # type: ignore[arg-type]
    before = mismatches(bench)
    for _ in range(8):  # until their sequence numbers are beyond those that the P-CSCF has seen in this association
        second.send(invite(second, FAR))
    assert second.silence(QUIET_S) == []
    assert mismatches(bench) > before
    first.service_route = second.service_route = []


def mismatches(bench: Bench) -> int:
    """What the kernel has dropped at the P-CSCF because it came in an association that is not its own."""
    with netns.inside(bench.rig.namespace("pcscf")):
        lines = Path("/proc/thread-self/net/xfrm_stat").read_text().splitlines()
    counted = dict(line.split() for line in lines)
    return sum(int(counted[name]) for name in ("XfrmInStateMismatch", "XfrmInTmplMismatch"))
