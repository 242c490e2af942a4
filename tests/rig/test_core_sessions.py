"""What becomes of sessions at the core: C1-062198 2.3, 3(4), 3(5), and release 7 without it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from calls import Leg, call, invite, notified, subscribe
from core_bench import Bench, core_bench
from sip_client import Line

from testbed.core.core import CoreOptions
from testbed.ims.message import Request

GLOBAL = ";imsglobreg"
LINGER_S = 3.0
A_SECOND = 1.2  # the S-CSCF's timers count in seconds
NO_ANSWER_S = 5.0  # how long the P-CSCF waits for a UE


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=LINGER_S, connections=10, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options) as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


class Handoff:
    """A call over lte, and the global re-registration that has left that connection inactive."""

    def __init__(self, bench: Bench, transport: str = "udp", *, far_calls: bool = False, ealg: str = "null") -> None:
        self.bench = bench
        self.phone = bench.phone("ue", transport=transport)
        self.far = bench.registered(bench.phone("far", transport=transport), "far")
        self.old = bench.registered(self.phone, "lte", ealg=ealg)
        if far_calls:
            self.theirs, self.ours, _ = call(self.far, self.old)
        else:
            self.ours, self.theirs, _ = call(self.old, self.far)
        self.new = bench.line(self.phone, "wifi", ealg=ealg)
        assert self.new.register(to_params=GLOBAL).status == 200
        self.at = time.perf_counter()

    def move(self) -> None:
        """Our end takes the session to the new connection by a re-INVITE."""
        self.ours.line = self.new
        self.ours.routes = self.new.service_route
        assert self.ours.exchange("INVITE", self.theirs, sdp=True)[0].status == 200


def released(line: Line, deadline_s: float = 5.0) -> tuple[float, Request]:
    """The next BYE on a line, answered, and when it came."""
    at, bye, sock, remote = line.incoming("BYE", deadline_s)
    line.reply(bye.response(200), sock, remote)
    return at, bye


def quiet(lines: list[Line], seconds: float) -> bool:
    """Whether no request comes on these lines for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for line in lines:
            line.pump(0.05)
    return not any(isinstance(heard[1], Request) for line in lines for heard in line.heard)


@pytest.mark.parametrize("far_calls", [False, True])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_session_that_moved_outlives_the_linger_time_on_its_new_connection(
    bench: Bench, transport: str, far_calls: bool
) -> None:
    handoff = Handoff(bench, transport, far_calls=far_calls)
    handoff.move()
    bench.wait_for_the_end(handoff.old, 2 + A_SECOND)
    assert quiet([handoff.new, handoff.far], handoff.at + LINGER_S + A_SECOND - time.perf_counter())
    # the far end's own requests follow, though its route set still names the old P-CSCF
    for asks, answers in ((handoff.theirs, handoff.ours), (handoff.ours, handoff.theirs)):
        assert asks.exchange("UPDATE", answers)[0].status == 200
        assert asks.exchange("INVITE", answers, sdp=True)[0].status == 200
    assert handoff.theirs.exchange("BYE", handoff.ours)[0].status == 200


def test_a_session_that_does_not_move_is_released_on_both_sides_when_its_time_is_over(bench: Bench) -> None:
    handoff = Handoff(bench)
    to_old, bye_old = released(handoff.old, LINGER_S + 10)
    to_far, bye_far = released(handoff.far)
    for at in (to_old, to_far):
        assert at - handoff.at >= LINGER_S - A_SECOND  # not before its time; a busy machine may take longer
    assert bye_old.headers.get("From") == handoff.theirs.local and bye_old.headers.get("To") == handoff.ours.local
    assert bye_far.headers.get("From") == handoff.ours.local and bye_far.headers.get("To") == handoff.theirs.local
    assert bye_far.cseq.number > handoff.ours.cseq
    bench.wait_for_the_end(handoff.old, 10)


def test_while_it_lingers_the_old_connection_still_carries_its_session(bench: Bench) -> None:
    handoff = Handoff(bench)
    assert handoff.theirs.exchange("UPDATE", handoff.ours)[0].status == 200
    assert handoff.ours.exchange("UPDATE", handoff.theirs)[0].status == 200
    assert handoff.ours.exchange("BYE", handoff.theirs)[0].status == 200
    bench.wait_for_the_end(handoff.old, 10)
    assert quiet([handoff.far, handoff.new], 0.3)


def test_only_what_has_not_moved_is_released(bench: Bench) -> None:
    """Two sessions, one moves (row 8)."""
    phone = bench.phone("ue")
    far = bench.registered(bench.phone("far"), "far")
    old = bench.registered(phone, "lte")
    moving, far_moving, _ = call(old, far)
    staying, far_staying, _ = call(old, far)
    new = bench.line(phone, "wifi")
    assert new.register(to_params=GLOBAL).status == 200
    moving.line, moving.routes = new, new.service_route
    assert moving.exchange("INVITE", far_moving, sdp=True)[0].status == 200
    _, bye = released(old, LINGER_S + 10)
    assert bye.headers.get("Call-ID") == staying.call_id == far_staying.call_id
    released(far)
    assert far_moving.exchange("BYE", moving)[0].status == 200


def replace(handoff: Handoff) -> tuple[Leg, Leg]:
    """An INVITE with Replaces over the new connection, which the far end accepts (RFC 3891)."""
    ours, theirs = handoff.ours, handoff.theirs
    tags = [name.split("tag=")[1] for name in (ours.remote, ours.local)]
    replaces = f"{ours.call_id};to-tag={tags[0]};from-tag={tags[1]}"
    request = invite(handoff.new, handoff.far.phone.impu, Replaces=replaces, Require="replaces, sec-agree")
    handoff.new.send(request)
    _, arrived, sock, remote = handoff.far.incoming("INVITE")
    assert arrived.headers.get("Replaces") == replaces and arrived.option_tags("Require") == {"replaces"}
    answer = arrived.response(200, to_tag="new")
    answer.headers.add("Contact", handoff.far.contact)
    handoff.far.reply(answer, sock, remote)
    assert handoff.new.response(request)[1].status == 200
    return ours, theirs


def test_replaces_moves_a_session_too(bench: Bench) -> None:
    handoff = Handoff(bench)
    ours, theirs = replace(handoff)
    assert theirs.exchange("BYE", ours)[0].status == 200  # the far end ends what was replaced, over the old connection
    bench.wait_for_the_end(handoff.old, 10)
    assert quiet([handoff.new], handoff.at + LINGER_S + A_SECOND - time.perf_counter())


def test_the_far_ends_request_to_a_dead_connection_reaches_the_ue_over_its_new_one(bench: Bench) -> None:
    handoff = Handoff(bench)
    lte = bench.rig.lever("lte")
    lte.blackhole()
    try:
        ours, theirs = replace(handoff)
        bye = theirs.request("BYE")
        began = handoff.far.send(bye)
        at, arrived, sock, remote = handoff.new.incoming("BYE", NO_ANSWER_S + 3)
        assert at - began < NO_ANSWER_S + 1 and arrived.headers.get("Call-ID") == ours.call_id
        handoff.new.reply(arrived.response(200), sock, remote)
        assert handoff.far.response(bye)[1].status == 200
    finally:
        lte.clear()


def test_a_call_to_the_gruu_comes_to_the_connection_that_has_it_now(bench: Bench) -> None:
    handoff = Handoff(bench)
    answer = handoff.new.reregister()
    gruu = answer.headers.values("Contact")[0].split('pub-gruu="')[1].split('"')[0]
    theirs, ours, _ = call(handoff.far, handoff.new, gruu)
    assert ours.exchange("BYE", theirs)[0].status == 200


def test_back_and_forth(bench: Bench) -> None:
    """The session returns to the first access, on a connection of its own, before the first one's time is over."""
    handoff = Handoff(bench)
    handoff.move()
    third = bench.line(handoff.phone, "lte")
    assert third.register(to_params=GLOBAL).status == 200
    handoff.old, handoff.new = handoff.new, third
    handoff.move()
    assert quiet([third, handoff.far], LINGER_S + A_SECOND)
    assert handoff.theirs.exchange("BYE", handoff.ours)[0].status == 200


@pytest.mark.parametrize("far_calls", [False, True])
def test_without_the_extension_the_old_binding_and_its_sessions_go_at_once(bench: Bench, far_calls: bool) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far", tags="")
    old = bench.registered(phone, "lte", tags="")
    subscribe(old)
    notified(old)
    call(*((far, old) if far_calls else (old, far)))
    new = bench.line(phone, "wifi")
    response = new.register(tags="")
    registered = time.perf_counter()
    assert [contact.split("@")[1].split(":")[0] for contact in response.headers.values("Contact")] == [new.address]
    for line in (far, old):
        at, bye = released(line)
        assert at - registered < 0.5 and bye.headers.get("Reason")
    _, told = notified(new)
    assert f"<contact id='{phone.user}@{old.host}:{old.port_s}' state='terminated' event='deactivated'" in (
        told.body.decode()
    )
    bench.wait_for_the_end(old, 10)
    redialled, answered, _ = call(new, far)
    assert redialled.exchange("BYE", answered)[0].status == 200


def test_a_far_end_that_is_not_registered_is_not_found(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    request = invite(line, "sip:user2_public1@home1.net")
    line.send(request)
    assert line.response(request)[1].status == 404
