"""An I-CSCF before the S-CSCF (TS 24.229 5.3): the HSS names who serves a user, for registrations and for calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from calls import call, invite
from core_bench import Bench, core_bench
from sip_client import Line

from testbed.core.core import CoreOptions
from testbed.ims.message import Request, Response

FAR = "sip:user2_public1@home1.net"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=3, connections=10, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options, "with-icscf") as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


def asked(bench: Bench, command: str) -> list[str]:
    """What the HSS has answered to requests of a kind so far."""
    said = (bench.folder / "logs" / "hss.log").read_text().splitlines()
    return [line.rpartition(": ")[2].split()[0] for line in said if f" {command} of " in line]


def answered(line: Line, request: Request) -> Response:
    line.send(request)
    return line.response(request)[1]


def test_both_registers_of_a_registration_are_authorized_by_the_hss(bench: Bench) -> None:
    before = len(asked(bench, "User-Authorization"))
    line = bench.registered(bench.phone("ue"), "lte")
    first, second = asked(bench, "User-Authorization")[before:]
    assert (first, second) == ("2001", "2001")  # DIAMETER_FIRST_REGISTRATION: nobody serves the user before the 200
    assert bench.bound(bench.plan.ues["ue"].impus[0]) == [line.name]
    line.reregister()
    assert asked(bench, "User-Authorization")[before + 2 :] == ["2002"]  # DIAMETER_SUBSEQUENT_REGISTRATION


def test_a_call_goes_to_whom_the_hss_locates_and_is_handed_over(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    old = bench.registered(phone, "lte")
    before = len(asked(bench, "Location-Info"))
    ours, theirs, _ = call(old, far)
    assert asked(bench, "Location-Info")[before:] == ["2001"]
    new = bench.registered(phone, "wifi", to_params=";imsglobreg")
    ours.line, ours.routes = new, new.service_route
    assert ours.exchange("INVITE", theirs, sdp=True)[0].status == 200
    bench.wait_for_the_end(old, 5)
    for asks, answers in ((theirs, ours), (ours, theirs)):
        assert asks.exchange("UPDATE", answers)[0].status == 200
    assert theirs.exchange("BYE", ours)[0].status == 200
    assert bench.state.sessions == []
    # the I-CSCF is in nobody's route set: what follows the INVITE asks the HSS nothing
    assert asked(bench, "Location-Info")[before:] == ["2001"]


def test_who_is_called_and_not_registered_or_not_known_is_told_by_the_hss(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    assert answered(line, invite(line, FAR)).status == 480
    assert answered(line, invite(line, "sip:nobody@home1.net")).status == 604


def test_whom_the_hss_does_not_know_gets_no_further_than_the_icscf(bench: Bench) -> None:
    nobody = {"impi": "nobody@home1.net", "impus": ("sip:nobody@home1.net",), "implicit_sets": ()}
    stranger = dataclasses.replace(bench.subscribers["ue"], **nobody)  # type: ignore[arg-type]
    before = len(asked(bench, "Multimedia-Auth"))
    assert bench.line(bench.phone("ue", subscriber=stranger), "lte").register().status == 403
    assert len(asked(bench, "Multimedia-Auth")) == before
