"""A peer network whose user agent is SIPp, unmodified: it need not agree with what we think that a UE does."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from calls import Leg, invite
from core_bench import Bench, core_bench
from sip_client import Line, NameAddr
from test_core_sessions import LINGER_S

from drivers.host import netns
from testbed.core.core import PEER_MEDIA_PORT, CoreOptions
from testbed.ims.message import Response

ECHO = "sip:echo@peer.net"
ANSWER_S = 3.0


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=LINGER_S, connections=10, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options, "peer-sipp") as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    assert up.state.sessions == []
    up.hang_up()


def call(line: Line, **headers: str) -> tuple[Leg, Response]:
    """A call to SIPp, acknowledged."""
    request = invite(line, ECHO, **headers)
    line.send(request)
    _, response = line.response(request)
    assert response.status == 200, response
    ours, theirs = request.headers.get("From") or "", response.headers.get("To") or ""
    target = str(NameAddr.parse(response.headers.get("Contact") or "").uri)
    routes = list(reversed(response.headers.values("Record-Route")))
    leg = Leg(line, request.headers.get("Call-ID") or "", ours, theirs, target, routes)
    line.send(leg.request("ACK", cseq=1))
    return leg, response


def answered(leg: Leg, method: str, **options: bool) -> int:
    """A request within a call; the status of its final response."""
    request = leg.request(method, **options)  # type: ignore[arg-type]
    leg.line.send(request)
    status = leg.line.response(request)[1].status
    if method == "INVITE" and status == 200:
        leg.line.send(leg.request("ACK", cseq=request.cseq.number))
    return status


def echoed(bench: Bench, line: Line) -> bool:
    """Whether what is sent from the line's address to SIPp's media port comes back there."""
    peer = bench.plan.optional("peer")
    assert peer
    with netns.inside(line.namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((line.address, 0))
        media.settimeout(ANSWER_S)
        media.sendto(b"\x80\x00" + bytes(170), (peer.addresses[4], PEER_MEDIA_PORT))
        return media.recv(2048) == b"\x80\x00" + bytes(170)


def offers_media(response: Response) -> bool:
    return f"m=audio {PEER_MEDIA_PORT} RTP/AVP 0".encode() in response.body


def test_a_call_to_the_peer_is_handed_over_by_reinvite_with_its_media(bench: Bench) -> None:
    phone = bench.phone("ue")
    old = bench.registered(phone, "lte")
    leg, response = call(old)
    assert offers_media(response) and echoed(bench, old)
    new = bench.registered(phone, "wifi", to_params=";imsglobreg")
    leg.line, leg.routes = new, new.service_route
    assert answered(leg, "INVITE", sdp=True) == 200
    assert echoed(bench, new)
    bench.wait_for_the_end(old, 5)  # nothing is left on it
    assert answered(leg, "BYE") == 200


def test_a_call_to_the_peer_is_handed_over_by_invite_with_replaces(bench: Bench) -> None:
    phone = bench.phone("ue")
    old = bench.registered(phone, "lte")
    leg, _ = call(old)
    new = bench.registered(phone, "wifi", to_params=";imsglobreg")
    theirs, ours = (NameAddr.parse(value).tag for value in (leg.remote, leg.local))
    replacing, response = call(new, Replaces=f"{leg.call_id};to-tag={theirs};from-tag={ours}")
    assert offers_media(response) and echoed(bench, new)
    _, bye, sock, remote = old.incoming("BYE")  # SIPp ends the session that was replaced
    assert bye.headers.get("Call-ID") == leg.call_id
    old.reply(bye.response(200), sock, remote)
    bench.wait_for_the_end(old, 15)
    assert answered(replacing, "BYE") == 200


def test_a_session_that_is_not_moved_is_released_towards_the_peer_too(bench: Bench) -> None:
    phone = bench.phone("ue")
    old = bench.registered(phone, "lte")
    leg, _ = call(old)
    bench.registered(phone, "wifi", to_params=";imsglobreg")
    _, bye, sock, remote = old.incoming("BYE", LINGER_S + 5)
    old.reply(bye.response(200), sock, remote)
    bench.wait_for_the_end(old, 15)
    messages = (bench.folder / "logs" / "peer-messages.log").read_text()
    ended = [one for one in messages.split("-----") if "BYE sip:" in one and leg.call_id in one]
    assert len(ended) >= 1 and "Registration has moved" in ended[-1]


def test_another_domain_is_nobodys(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    request = invite(line, "sip:echo@elsewhere.net")
    line.send(request)
    assert line.response(request)[1].status == 404
