"""What time and accidents do at the S-CSCF: bindings that run out, calls that nobody has answered yet, a restart.

TS 24.229 5.4.1.4.2, 5.4.2.1.2; RFC 3261 16.7; RFC 6665 4.2.2.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

import pytest
from calls import call, invite, notified, subscribe
from core_bench import Bench, core_bench
from sip_client import Line

from testbed.core.core import CoreOptions
from testbed.ims.message import Request
from testbed.ims.reginfo import RegInfo

GLOBAL = ";imsglobreg"
ONE, TWO = "sip:one@home1.net", "sip:two@home1.net"
SHORT_S, LINGER_S = 3, 4
SOON_S = 20.0  # a busy machine may take its time


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=LINGER_S, min_expires_s=2, connections=16, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options, sets=((ONE,), (TWO,))) as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


def released(line: Line) -> Request:
    """The next BYE on a line, answered."""
    _, bye, sock, remote = line.incoming("BYE", SOON_S)
    line.reply(bye.response(200), sock, remote)
    return bye


def rings(caller: Line, callee: Line, to: str) -> tuple[Request, Request]:
    """A call that rings: the INVITE as it was sent and as it arrived."""
    request = invite(caller, to)
    caller.send(request)
    _, arrived, sock, remote = callee.incoming("INVITE")
    ringing = arrived.response(180, to_tag=f"{random.getrandbits(32):x}")
    ringing.headers.add("Contact", callee.contact)
    callee.reply(ringing, sock, remote)
    caller.response(request, final=False)
    return request, arrived


def test_a_binding_that_runs_out_takes_its_sessions_with_it_and_watchers_are_told(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte, wifi = bench.registered(phone, "lte", expires=SHORT_S), bench.registered(phone, "wifi", impu=TWO)
    subscribe(wifi)
    notified(wifi)
    ours, _, _ = call(lte, far)
    staying, far_staying, _ = call(wifi, far, impu=TWO)
    for line in (lte, far):  # at once: nobody has asked that they linger
        assert released(line).headers.get("Call-ID") == ours.call_id
    document = RegInfo.parse(notified(wifi, SOON_S)[1].body)
    (gone,) = next(each for each in document.registrations if each.aor == ONE).contacts
    assert (gone.state, gone.event.value, gone.uri) == ("terminated", "expired", f"sip:{lte.name}")
    state = bench.state
    assert ONE not in state.bindings and state.sessions == [staying.call_id] and not state.lingering
    bench.wait_for_the_end(lte, SOON_S)
    assert staying.exchange("BYE", far_staying)[0].status == 200


def test_a_refresh_keeps_a_binding_alive(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte", expires=SHORT_S)
    assert line.reregister(expires=600).status == 200
    line.silence(SHORT_S + 3)
    assert bench.bound(ONE) == [line.name]


def test_a_subscription_that_runs_out_is_ended_with_a_last_notify(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    subscribe(line, expires=SHORT_S)
    notified(line)
    _, last = notified(line, SOON_S)
    assert last.headers.get("Subscription-State") == "terminated;reason=timeout"
    assert bench.state.watchers == 0


def test_a_session_that_rings_on_a_connection_left_may_still_be_answered_there(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    request, arrived = rings(far, lte, ONE)
    bench.registered(phone, "wifi", to_params=GLOBAL)
    bench.wait_for_state(lte, "inactive")
    answer = arrived.response(200, to_tag="x")
    answer.headers.add("Contact", lte.contact)
    lte.reply(answer, lte.sockets[lte.port_s], _from(lte))
    assert far.response(request)[1].status == 200
    assert bench.state.sessions == list(bench.state.lingering) == [request.headers.get("Call-ID")]


def test_a_session_that_rings_on_a_connection_left_is_cancelled_when_its_time_is_over(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    request, arrived = rings(far, lte, ONE)
    bench.registered(phone, "wifi", to_params=GLOBAL)
    _, cancel, sock, remote = lte.incoming("CANCEL", SOON_S)
    lte.reply(cancel.response(200), sock, remote)
    lte.reply(arrived.response(487, to_tag="x"), sock, remote)
    assert far.response(request, SOON_S)[1].status == 487
    assert bench.state.sessions == []


def test_without_the_extension_a_session_that_rings_on_the_old_connection_is_cancelled_at_once(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte", tags="")
    request, arrived = rings(far, lte, ONE)
    bench.registered(phone, "wifi", tags="")
    assert bench.state.sessions == []
    _, cancel, sock, remote = lte.incoming("CANCEL")
    lte.reply(cancel.response(200), sock, remote)
    lte.reply(arrived.response(487, to_tag="x"), sock, remote)
    assert far.response(request, SOON_S)[1].status == 487


def test_a_caller_who_gives_up_leaves_no_session(bench: Bench) -> None:
    far, lte = bench.registered(bench.phone("far"), "far"), bench.registered(bench.phone("ue"), "lte")
    request, arrived = rings(far, lte, ONE)
    cancel = Request("CANCEL", request.uri)
    for name in ("Via", "Max-Forwards", "Route", "From", "To", "Call-ID"):
        for value in request.headers.values(name):
            cancel.headers.add(name, value)
    cancel.headers.add("CSeq", "1 CANCEL")
    far.send(cancel)
    _, came, sock, remote = lte.incoming("CANCEL")
    lte.reply(came.response(200), sock, remote)
    lte.reply(arrived.response(487, to_tag="x"), sock, remote)
    assert far.response(request)[1].status == 487
    assert bench.state.sessions == []


def test_a_session_that_was_replaced_need_not_linger_and_is_forgotten_when_nobody_ends_it(bench: Bench) -> None:
    """RFC 3891: the far end ends what was replaced.  This one forgets to."""
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    ours, _, _ = call(lte, far)
    wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
    assert list(bench.state.lingering) == [ours.call_id]
    tags = [name.split("tag=")[1] for name in (ours.remote, ours.local)]
    replaces = f"{ours.call_id};to-tag={tags[0]};from-tag={tags[1]}"
    new, far_new, _ = call(wifi, far, Replaces=replaces)
    assert not bench.state.lingering and set(bench.state.sessions) == {ours.call_id, new.call_id}
    bench.wait_for_the_end(lte, 2 * SOON_S)
    assert bench.state.sessions == [new.call_id]
    assert not [message for message in (*lte.silence(0.1), *far.silence(0.1)) if isinstance(message, Request)]
    assert new.exchange("BYE", far_new)[0].status == 200


def test_a_call_that_is_refused_is_no_session(bench: Bench) -> None:
    far, lte = bench.registered(bench.phone("far"), "far"), bench.registered(bench.phone("ue"), "lte")
    request, arrived = rings(far, lte, ONE)
    assert bench.state.sessions == [request.headers.get("Call-ID")]
    lte.reply(arrived.response(486, to_tag="x"), lte.sockets[lte.port_s], _from(lte))
    assert far.response(request)[1].status == 486
    assert bench.state.sessions == []


def _from(line: Line) -> tuple[str, int]:
    """Where the P-CSCF's requests to a line come from."""
    assert line.security and line.security.server and line.security.server.port_c
    return line.pcscf, line.security.server.port_c


def test_what_a_restart_of_the_scscf_in_the_middle_of_lingering_leaves(bench: Bench) -> None:
    """Sessions go on by their route sets, and associations stand; who is registered and what lingers is forgotten."""
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    ours, theirs, _ = call(lte, far)
    wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
    assert list(bench.state.lingering) == [ours.call_id]
    scscf = bench.core.process("scscf")
    scscf.send_signal(signal.SIGKILL)
    scscf.wait()
    bench.core.start_again("scscf", 60.0)
    state = bench.state
    assert (state.bindings, state.connections, state.sessions, state.lingering) == ({}, {}, [], {})
    # the session lives where it was, for as long as its ends want: nobody releases it any more
    lte.silence(LINGER_S + 2)
    assert theirs.exchange("UPDATE", ours)[0].status == 200
    assert bench.associations(lte) == bench.associations(wifi) == 4
    # nobody can be called, and a refresh is challenged
    request = invite(far, ONE)
    far.send(request)
    assert far.response(request)[1].status in (403, 404)
    assert wifi.reregister().status == 401
    # whoever registers anew is served again, and takes the session along
    again = bench.registered(phone, "wifi", to_params=GLOBAL)
    assert bench.bound(ONE) == [again.name]
    ours.line, ours.routes = again, again.service_route
    assert ours.exchange("INVITE", theirs, sdp=True)[0].status == 200
    assert ours.exchange("BYE", theirs)[0].status == 200
