"""The UE's mobility management: attach, detach, idle and back, and what the network may not make it do."""

from __future__ import annotations

import pytest
from attached import INTERNET, Pair
from scripted_core import GUTI, IMSI, Core, K, aka

from drivers.errors import DriverError
from drivers.virtual.ran.effects import (
    AttachRejected,
    BearerDown,
    Detached,
    Dropped,
    NoAnswer,
    Registered,
    ServiceRefused,
    Updated,
    Uplink,
)
from drivers.virtual.ran.mobility import DETACH_TRIES, T3410_S, T3417_S, T3421_S, T3440_S, State
from drivers.virtual.ran.nas import emm
from drivers.virtual.ran.nas.elements import EpsIdentity, Identity, Timer
from drivers.virtual.ran.nas.message import decode_esm, encode
from testbed.ims.aka import resynchronise


@pytest.mark.parametrize("ciphering", [0, 2])
def test_a_ue_attaches_with_eea0_and_eea2(ciphering: int) -> None:
    pair = Pair(core=Core(ciphering))
    pair.attach()
    assert pair.ue.state is State.REGISTERED
    assert pair.effects[0] == Registered(GUTI, 3240)
    assert pair.ue.deadline is None


def test_it_gives_its_imsi_first_and_its_guti_with_its_keys_later() -> None:
    pair = Pair()
    pair.ue.attach(INTERNET, pair.now)
    (first,) = pair.settle()
    assert isinstance(first, emm.AttachRequest)
    assert (first.identity.value, first.key_set) == (Identity(1, IMSI), emm.NO_KEY)
    pair = Pair()
    pair.attach()
    pair.ue.detach(pair.now)
    pair.settle()
    pair.give(pair.core.seal(encode(emm.DetachAccept())))
    pair.idle()
    pair.ue.attach(INTERNET, pair.now)
    (again,) = pair.settle()  # the core has checked its code
    assert isinstance(again, emm.AttachRequest)
    assert (again.identity.value, again.key_set) == (GUTI, 0)


def test_an_identity_is_told_when_the_network_asks() -> None:
    pair = Pair()
    pair.ue.attach(INTERNET, pair.now)
    pair.settle()
    (response,) = pair.give(encode(emm.IdentityRequest(1, 0)))
    assert response == emm.IdentityResponse(EpsIdentity(Identity(1, IMSI)))


def test_a_foreign_networks_challenge_is_refused_with_mac_failure() -> None:
    pair = Pair(card=aka(k=bytes(16)))
    pair.ue.attach(INTERNET, pair.now)
    pair.settle()
    assert pair.give(pair.core.challenge()) == [emm.AuthenticationFailure(20)]
    pair.give(encode(emm.AuthenticationReject()))
    assert pair.effects == [AttachRejected(None, None, own_cause=20)]
    assert pair.ue.state is State.DEREGISTERED


def test_a_stale_challenge_brings_auts_with_the_cards_sequence_number() -> None:
    pair = Pair(card=aka(sqn_ms=32 * 1000))
    pair.ue.attach(INTERNET, pair.now)
    pair.settle()
    challenge = pair.core.challenge(sqn=32)
    (failure,) = pair.give(challenge)
    assert isinstance(failure, emm.AuthenticationFailure) and failure.auts
    assert failure.cause == 21
    rand = challenge[3:19]
    sqn = resynchronise(K, bytes(range(16, 32)), rand, failure.auts)
    assert sqn == 32 * 1000
    (response,) = pair.give(pair.core.challenge(sqn=sqn + 33))
    assert response == emm.AuthenticationResponse(pair.core.expected)


def test_a_challenge_that_is_not_for_eps_is_refused() -> None:
    pair = Pair()
    pair.ue.attach(INTERNET, pair.now)
    pair.settle()
    assert pair.give(pair.core.challenge(amf=b"\0\0")) == [emm.AuthenticationFailure(26)]


def test_capabilities_that_were_changed_on_the_way_and_foreign_algorithms_are_refused() -> None:
    for capability, integrity in ((b"\xa0\x60", 2), (b"\xa0\x20", 1)):
        pair = Pair()
        pair.ue.attach(INTERNET, pair.now)
        pair.settle()
        pair.give(pair.core.challenge())
        assert pair.give(pair.core.security_mode(capability, integrity)) == [emm.SecurityModeReject(23)]


@pytest.mark.parametrize(
    "message",
    [emm.AttachAccept(1, 0, Timer(60), b"\0\0\xf1\x10\0\1", b""), emm.DetachRequestByNetwork(1, 0)],
    ids=lambda message: type(message).__name__,
)
def test_nothing_that_needs_protection_is_taken_without(message: emm.AttachAccept) -> None:
    pair = Pair()
    pair.ue.attach(INTERNET, pair.now)
    pair.settle()
    assert pair.give(encode(message)) == []
    assert isinstance(pair.effects[-1], Dropped)
    assert pair.ue.state is State.ATTACHING


def test_once_there_are_keys_a_plain_reject_is_not_believed() -> None:
    pair = Pair()
    pair.attach()
    assert pair.give(encode(emm.ServiceReject(9))) == []
    assert isinstance(pair.effects[-1], Dropped)


def test_a_reject_names_its_causes() -> None:
    pair = Pair()
    pair.ue.attach(INTERNET, pair.now)
    pair.settle()
    pair.give(encode(emm.AttachReject(19, bytes.fromhex("0201d11b"))))
    assert pair.effects == [AttachRejected(19, 27)]


def test_an_attach_that_nobody_answers_is_given_up_after_t3410() -> None:
    pair = Pair()
    pair.ue.attach(INTERNET, pair.now)
    pair.settle()
    pair.pass_time(T3410_S)
    assert pair.effects == [NoAnswer("attach")]
    pair.idle()
    pair.ue.attach(INTERNET, pair.now)


def test_the_ue_detaches_and_asks_again_until_it_is_answered() -> None:
    pair = Pair()
    pair.attach()
    pair.ue.detach(pair.now)
    (request,) = pair.settle()
    assert request == emm.DetachRequestByUe(1, 0, EpsIdentity(GUTI))
    for _ in range(DETACH_TRIES):
        assert pair.pass_time(T3421_S) == [request]
    pair.give(pair.core.seal(encode(emm.DetachAccept())))
    assert pair.effects[-2:] == [BearerDown(5, False), Detached()]


@pytest.mark.parametrize("released", [True, False])
def test_the_next_attach_waits_until_the_network_has_released_the_connection(released: bool) -> None:
    pair = Pair()
    pair.attach()
    pair.ue.detach(pair.now)
    pair.settle()
    pair.give(pair.core.seal(encode(emm.DetachAccept())))
    pair.ue.attach(INTERNET, pair.now)
    assert pair.settle() == []
    if released:
        pair.ue.connection_released(pair.now)
    else:
        pair.pass_time(T3440_S)
    assert pair.ue.state is State.ATTACHING
    assert pair.effects[-1] == Detached()


def test_a_ue_that_is_switched_off_waits_for_nobody() -> None:
    pair = Pair()
    pair.attach()
    pair.ue.detach(pair.now, switch_off=True)
    assert pair.settle() == [emm.DetachRequestByUe(9, 0, EpsIdentity(GUTI))]
    assert pair.effects[-1] == Detached()


def test_the_network_throws_the_ue_off() -> None:
    pair = Pair()
    pair.attach()
    answer = pair.give(pair.core.seal(encode(emm.DetachRequestByNetwork(emm.REATTACH_REQUIRED, 0, cause=10))))
    assert answer == [emm.DetachAccept()]
    assert pair.effects[-2:] == [BearerDown(5, True), Detached(True, 10, reattach=True)]


def test_paged_the_ue_comes_back_by_a_service_request() -> None:
    pair = Pair()
    pair.attach()
    pair.idle()
    pair.ue.paged((9, 9), pair.now)
    assert pair.ue.take() == []
    pair.ue.paged(GUTI.s_tmsi, pair.now)
    (request,) = pair.ue.take()
    assert isinstance(request, Uplink)
    assert (request.cause, request.s_tmsi) == ("mt-Access", GUTI.s_tmsi)
    assert pair.core.opens_service_request(request.nas)
    pair.ue.bearers_established(pair.now)
    assert pair.ue.state is State.REGISTERED and pair.pass_time(T3417_S) == []
    assert not any(isinstance(effect, NoAnswer) for effect in pair.effects)


def test_a_refused_service_request_that_costs_the_identity_ends_the_registration() -> None:
    pair = Pair()
    pair.attach()
    pair.idle()
    pair.ue.request_service(pair.now)
    pair.ue.take()
    pair.give(encode(emm.ServiceReject(9)))
    assert pair.effects[-3:] == [ServiceRefused(9), BearerDown(5, True), Detached(True, 9, reattach=True)]
    assert pair.ue.guti is None


def test_the_tracking_area_is_updated_periodically_and_a_new_guti_confirmed() -> None:
    pair = Pair()
    pair.attach()
    pair.idle()
    assert pair.ue.deadline == pair.now + 3240
    (request,) = pair.pass_time(3240)
    assert isinstance(request, emm.TrackingAreaUpdateRequest) and request.update_type == emm.PERIODIC_UPDATING
    accept = emm.TrackingAreaUpdateAccept(0, 0, guti=EpsIdentity(GUTI), t3412=Timer(60))
    assert pair.give(pair.core.seal(encode(accept))) == [emm.TrackingAreaUpdateComplete()]
    assert pair.effects[-1] == Updated()
    pair.idle()
    assert pair.ue.deadline == pair.now + 60


def test_what_cannot_be_now_is_said_with_the_state() -> None:
    pair = Pair()
    with pytest.raises(DriverError, match="cannot ask for a PDN connection: it is deregistered"):
        pair.ue.connect(INTERNET, pair.now)


def test_an_apn_is_told_only_under_protection() -> None:
    within = Pair().attach()
    assert bytes(within).find(b"internet") < 0
    assert decode_esm(bytes(within), "ue") == within
