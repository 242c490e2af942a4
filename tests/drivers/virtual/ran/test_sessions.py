"""PDN connections and bearers: asked for, given, modified, taken away by either side."""

from __future__ import annotations

import pytest
from attached import IMS, INTERNET, Pair
from scripted_core import DNS, PCSCF

from drivers.virtual.ran.effects import (
    BearerDown,
    BearerUp,
    ConnectRejected,
    DisconnectRejected,
    NoAnswer,
    Uplink,
)
from drivers.virtual.ran.nas import esm
from drivers.virtual.ran.nas.elements import Apn
from drivers.virtual.ran.nas.message import Esm
from drivers.virtual.ran.nas.pco import PCSCF_IPV4
from drivers.virtual.ran.nas.wire import Message
from drivers.virtual.ran.sessions import T3482_S, TRIES


def asked(messages: list[Message | Esm]) -> Esm:
    (message,) = messages
    assert isinstance(message, Esm)
    return message


def with_ims() -> Pair:
    """A UE with the PDN `ims` on bearer 6."""
    pair = Pair()
    pair.attach()
    pair.ue.connect(IMS, pair.now)
    request = asked(pair.settle())
    assert isinstance(request.message, esm.PdnConnectivityRequest)
    assert request.message.apn == Apn("ims")
    assert request.message.pco and PCSCF_IPV4 in dict(request.message.pco.options)
    answer = pair.give(pair.core.seal(bytes(pair.core.bearer(6, request.transaction, "ims"))))
    assert answer == [Esm(esm.ActivateDefaultBearerAccept(), 6)]
    return pair


def ups(pair: Pair) -> list[BearerUp]:
    return [effect for effect in pair.effects if isinstance(effect, BearerUp)]


def test_the_pdn_for_ims_brings_an_address_and_the_pcscf() -> None:
    internet, ims = ups(with_ims())
    assert (internet.bearer, internet.apn, internet.qci) == (5, "internet", 9)
    assert (ims.bearer, ims.apn, str(ims.address.ipv4)) == (6, "ims", "10.45.0.6")
    assert (ims.pco.pcscf, ims.pco.dns, ims.pco.mtu) == ((PCSCF,), (DNS,), 1400)


def test_esm_information_is_given_when_the_network_asks_for_it() -> None:
    pair = Pair()
    pair.ue.attach(IMS, pair.now)
    pair.settle()
    pair.secure()
    answer = asked(pair.esm(esm.EsmInformationRequest(), 0, 1))
    assert answer == Esm(esm.EsmInformationResponse(Apn("ims"), IMS.pco), 0, 1)
    assert asked(pair.esm(esm.EsmInformationRequest(), 0, 77)).message == esm.EsmStatus(47)


def test_a_dedicated_bearer_comes_and_goes_with_its_connection() -> None:
    pair = with_ims()
    request = esm.ActivateDedicatedBearerRequest(6, 0, b"\x01", b"\x21\x31\x01\x02\x30\x11")
    assert asked(pair.esm(request, 7)) == Esm(esm.ActivateDedicatedBearerAccept(), 7)
    up = ups(pair)[-1]
    assert (up.bearer, up.linked, up.qci, up.apn) == (7, 6, 1, "ims")
    assert asked(pair.esm(esm.ModifyBearerRequest(), 7)) == Esm(esm.ModifyBearerAccept(), 7)
    assert asked(pair.esm(esm.DeactivateBearerRequest(36), 6)) == Esm(esm.DeactivateBearerAccept(), 6)
    assert pair.effects[-2:] == [BearerDown(7, True, 36), BearerDown(6, True, 36)]


def test_bearers_that_are_not_there_are_refused() -> None:
    pair = with_ims()
    dedicated = esm.ActivateDedicatedBearerRequest(9, 0, b"\x01", b"")
    assert asked(pair.esm(dedicated, 8)) == Esm(esm.ActivateDedicatedBearerReject(43), 8)
    assert asked(pair.esm(esm.ModifyBearerRequest(), 8)) == Esm(esm.ModifyBearerReject(43), 8)
    assert asked(pair.esm(esm.PdnConnectivityRequest(1, 1), 0, 9)).message == esm.EsmStatus(97)


def test_a_connection_that_the_ue_ends_is_not_called_the_networks_doing() -> None:
    pair = with_ims()
    pair.ue.disconnect(6, pair.now)
    request = asked(pair.settle())
    assert request.message == esm.PdnDisconnectRequest(6, 0)
    pair.esm(esm.DeactivateBearerRequest(36), 6, request.transaction)
    assert pair.effects[-1] == BearerDown(6, False, 36)


def test_refusals_bear_the_networks_cause() -> None:
    pair = Pair()
    pair.attach()
    pair.ue.connect(IMS, pair.now)
    number = asked(pair.settle()).transaction
    pair.esm(esm.PdnConnectivityReject(27), 0, number)
    assert pair.effects[-1] == ConnectRejected(number, "ims", 27)
    pair.ue.disconnect(5, pair.now)
    pair.esm(esm.PdnDisconnectReject(49), 0, asked(pair.settle()).transaction)
    assert pair.effects[-1] == DisconnectRejected(5, 49)


def test_a_request_is_repeated_and_then_given_up() -> None:
    pair = Pair()
    pair.attach()
    pair.ue.connect(IMS, pair.now)
    request = asked(pair.settle())
    for _ in range(TRIES - 1):
        assert pair.pass_time(T3482_S) == [request]
    assert pair.pass_time(T3482_S) == []
    assert pair.effects[-1] == NoAnswer("PdnConnectivityRequest")


@pytest.mark.parametrize("accepted", [True, False])
def test_from_idle_a_connection_waits_for_the_service_request(accepted: bool) -> None:
    pair = Pair()
    pair.attach()
    pair.idle()
    pair.ue.connect(IMS, pair.now)
    (request,) = pair.ue.take()
    assert isinstance(request, Uplink) and pair.core.opens_service_request(request.nas)
    if accepted:
        pair.ue.bearers_established(pair.now)
        assert isinstance(asked(pair.settle()).message, esm.PdnConnectivityRequest)
    else:
        pair.ue.connection_released(pair.now)
        assert pair.settle() == []
        assert pair.effects[-1] == NoAnswer("service request")


def test_an_accept_that_was_lost_is_said_again_and_counted_once() -> None:
    pair = with_ims()
    for _ in range(2):
        assert pair.give(pair.core.seal(bytes(pair.core.bearer(6, 0, "ims")))) == [
            Esm(esm.ActivateDefaultBearerAccept(), 6)
        ]
    assert len(ups(pair)) == 2
    assert INTERNET.apn == ups(pair)[0].apn
