"""What the HSS decides on Cx (TS 29.228), and its answers as a Diameter peer reads them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from diameter.message import Avp, constants

from testbed.core.cx import (
    AKA_SCHEME,
    DE_REGISTRATION,
    FIRST_REGISTRATION,
    IDENTITIES_DO_NOT_MATCH,
    IDENTITY_NOT_REGISTERED,
    SCHEME_NOT_SUPPORTED,
    SUBSEQUENT_REGISTRATION,
    SUCCESS,
    UNABLE_TO_COMPLY,
    USER_UNKNOWN,
    Asked,
    Cx,
    Outcome,
    user_profile,
)
from testbed.core.subscribers import IN_MEMORY, Subscriber, SubscriberStore
from testbed.ims.aka import AkaResult, SoftwareSim, SyncFailure

K, OPC = bytes(range(16)), bytes(range(100, 116))
ONE = Subscriber("one@home1.net", ("sip:one@home1.net", "sip:work.one@home1.net"), K, OPC)
TWO = Subscriber("two@home1.net", ("sip:two@home1.net",), OPC, K)
SETS = (("sip:a@home1.net", "sip:b@home1.net"), ("sip:c@home1.net", "sip:d@home1.net"))
THREE = Subscriber("three@home1.net", SETS[0] + SETS[1], K, OPC, implicit_sets=SETS)
SCSCF = "sip:10.0.0.4:5060"
ASKED = Asked(impi=ONE.impi, impu=ONE.impus[0], server=SCSCF)


@pytest.fixture
def store() -> SubscriberStore:
    made = SubscriberStore(IN_MEMORY)
    for subscriber in (ONE, TWO, THREE):
        made.add(subscriber)
    return made


@pytest.fixture
def cx(store: SubscriberStore) -> Cx:
    numbers = itertools.count(1)
    return Cx(store, lambda length: next(numbers).to_bytes(length, "big"))


def value(avps: list[Avp], code: int) -> object:
    """An AVP's value after a trip over the wire."""
    return next(Avp.from_bytes(avp.as_bytes()).value for avp in avps if avp.code == code)


def challenges(outcome: Outcome) -> Iterator[tuple[bytes, bytes, bytes, bytes, bytes]]:
    """RAND, AUTN, XRES, CK and IK of each vector."""
    for avp in outcome.avps:
        if avp.code == constants.AVP_TGPP_3GPP_SIP_AUTH_DATA_ITEM:
            inner = {each.code: each.value for each in Avp.from_bytes(avp.as_bytes()).value}
            assert inner[constants.AVP_TGPP_3GPP_SIP_AUTHENTICATION_SCHEME] == AKA_SCHEME
            rand_autn = inner[constants.AVP_TGPP_3GPP_SIP_AUTHENTICATE]
            yield (
                rand_autn[:16],
                rand_autn[16:],
                inner[constants.AVP_TGPP_3GPP_SIP_AUTHORIZATION],
                inner[constants.AVP_TGPP_CONFIDENTIALITY_KEY],
                inner[constants.AVP_TGPP_INTEGRITY_KEY],
            )


def test_vectors_are_those_that_the_usim_accepts_one_after_the_other(cx: Cx, store: SubscriberStore) -> None:
    outcome = cx.multimedia_auth(Asked(impi=ONE.impi, impu=ONE.impus[1], vectors=3))
    assert (outcome.result, outcome.experimental) == (SUCCESS, False)
    assert value(outcome.avps, constants.AVP_USER_NAME) == ONE.impi
    assert value(outcome.avps, constants.AVP_TGPP_PUBLIC_IDENTITY) == ONE.impus[1]
    assert value(outcome.avps, constants.AVP_TGPP_3GPP_SIP_NUMBER_AUTH_ITEMS) == 3
    sim, vectors = SoftwareSim(K, OPC), list(challenges(outcome))
    assert len({vector[0] for vector in vectors}) == 3
    for rand, autn, xres, ck, ik in vectors:
        assert sim.authenticate(rand, autn) == AkaResult(xres, ck, ik)
    (later,) = challenges(cx.multimedia_auth(ASKED))
    assert isinstance(sim.authenticate(*later[:2]), AkaResult)
    assert store.get(ONE.impi).sqn > 0


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (1, 1), (5, 5), (1000, 5)])
def test_no_more_than_five_vectors_at_once(cx: Cx, asked: int, given: int) -> None:
    outcome = cx.multimedia_auth(Asked(impi=ONE.impi, impu=ONE.impus[0], vectors=asked))
    assert len(list(challenges(outcome))) == given


def test_after_a_resynchronisation_the_usim_accepts(cx: Cx, store: SubscriberStore) -> None:
    sim = SoftwareSim(K, OPC, sqn_ms=1 << 30)
    ((rand, autn, *_),) = challenges(cx.multimedia_auth(ASKED))
    failure = sim.authenticate(rand, autn)
    assert isinstance(failure, SyncFailure)
    again = Asked(impi=ONE.impi, impu=ONE.impus[0], authorization=rand + failure.auts)
    ((rand, autn, *_),) = challenges(cx.multimedia_auth(again))
    assert isinstance(sim.authenticate(rand, autn), AkaResult)
    assert store.get(ONE.impi).sqn > 1 << 30


def test_a_forged_resynchronisation_changes_nothing(cx: Cx, store: SubscriberStore) -> None:
    for forged in (bytes(30), bytes(16), b"x"):
        asked = Asked(impi=ONE.impi, impu=ONE.impus[0], authorization=forged)
        assert cx.multimedia_auth(asked).result == UNABLE_TO_COMPLY
    assert store.get(ONE.impi).sqn == 0


def test_a_scheme_that_is_not_aka_is_refused(cx: Cx) -> None:
    outcome = cx.multimedia_auth(Asked(impi=ONE.impi, impu=ONE.impus[0], scheme="SIP Digest"))
    assert (outcome.result, outcome.experimental) == (SCHEME_NOT_SUPPORTED, True)


@pytest.mark.parametrize(
    ("impi", "impu", "result"),
    [
        ("nobody@home1.net", "sip:nobody@home1.net", USER_UNKNOWN),
        (ONE.impi, "sip:nobody@home1.net", USER_UNKNOWN),
        ("nobody@home1.net", ONE.impus[0], USER_UNKNOWN),
        (TWO.impi, ONE.impus[0], IDENTITIES_DO_NOT_MATCH),
    ],
)
def test_who_is_not_known_and_whose_identity_it_is_not(cx: Cx, impi: str, impu: str, result: int) -> None:
    for decide in (cx.multimedia_auth, cx.server_assignment, cx.user_authorization):
        outcome = decide(Asked(impi=impi, impu=impu, assignment=1))
        assert (outcome.result, outcome.experimental) == (result, True)


def test_who_is_served_is_remembered_until_it_is_deregistered(cx: Cx) -> None:
    location = Asked(impi="", impu=ONE.impus[1])
    assert cx.user_authorization(ASKED).result == FIRST_REGISTRATION
    assert cx.location_info(location).result == IDENTITY_NOT_REGISTERED
    registered = cx.server_assignment(Asked(impi=ONE.impi, impu=ONE.impus[0], server=SCSCF, assignment=1))
    assert registered.result == SUCCESS
    again = cx.user_authorization(ASKED)
    assert (again.result, again.succeeded) == (SUBSEQUENT_REGISTRATION, True)
    for outcome in (again, cx.location_info(location)):  # any identity of the implicit set
        assert value(outcome.avps, constants.AVP_TGPP_SERVER_NAME) == SCSCF
    assert cx.server_assignment(Asked(impi=ONE.impi, impu=ONE.impus[0], assignment=5)).avps == []
    assert cx.location_info(location).result == IDENTITY_NOT_REGISTERED
    assert cx.location_info(Asked(impi="", impu="sip:nobody@home1.net")).result == USER_UNKNOWN


def test_an_icscf_is_told_the_scscf_for_a_user_who_has_none(store: SubscriberStore) -> None:
    outcome = Cx(store, scscf=SCSCF).user_authorization(ASKED)
    assert outcome.result == FIRST_REGISTRATION
    (name,) = Avp.from_bytes(outcome.avps[0].as_bytes()).value
    assert (outcome.avps[0].code, name.code) == (
        constants.AVP_TGPP_SERVER_CAPABILITIES,
        constants.AVP_TGPP_SERVER_NAME,
    )
    assert name.value == SCSCF


def test_who_is_not_registered_cannot_be_deregistered(cx: Cx) -> None:
    leaving = replace(ASKED, authorization_type=DE_REGISTRATION)
    assert cx.user_authorization(leaving).result == IDENTITY_NOT_REGISTERED
    cx.server_assignment(replace(ASKED, assignment=1))
    assert cx.user_authorization(leaving).result == SUBSEQUENT_REGISTRATION


def test_the_profile_has_the_implicit_set_in_its_order_and_bars_nobody(cx: Cx) -> None:
    outcome = cx.server_assignment(Asked(impi=ONE.impi, impu=ONE.impus[1], server=SCSCF, assignment=1))
    profile = value(outcome.avps, constants.AVP_TGPP_CX_USER_DATA)
    assert isinstance(profile, bytes)
    subscription = ElementTree.fromstring(profile)
    assert subscription.findtext("PrivateID") == ONE.impi
    identities = subscription.findall("ServiceProfile/PublicIdentity")
    assert tuple(each.findtext("Identity") for each in identities) == ONE.impus
    assert {each.findtext("BarringIndication") for each in identities} == {"0"}


def test_a_profile_has_the_implicit_set_of_the_identity_that_registers_and_no_other(cx: Cx) -> None:
    for impu, expected in ((SETS[0][1], SETS[0]), (SETS[1][0], SETS[1])):
        outcome = cx.server_assignment(Asked(impi=THREE.impi, impu=impu, server=SCSCF, assignment=1))
        profile = value(outcome.avps, constants.AVP_TGPP_CX_USER_DATA)
        assert isinstance(profile, bytes)
        assert tuple(each.text or "" for each in ElementTree.fromstring(profile).iter("Identity")) == expected


def test_implicit_sets_are_registered_and_deregistered_one_by_one(cx: Cx) -> None:
    first, second = (Asked(impi=THREE.impi, impu=one[0], server=SCSCF, assignment=1) for one in SETS)
    locations = [Asked(impi="", impu=one[1]) for one in SETS]
    cx.server_assignment(first)
    assert [cx.location_info(one).result for one in locations] == [SUCCESS, IDENTITY_NOT_REGISTERED]
    assert cx.user_authorization(second).result == SUBSEQUENT_REGISTRATION  # the user has an S-CSCF already
    cx.server_assignment(second)
    cx.server_assignment(replace(first, assignment=5))
    assert [cx.location_info(one).result for one in locations] == [IDENTITY_NOT_REGISTERED, SUCCESS]
    cx.server_assignment(replace(second, assignment=5))
    assert cx.user_authorization(first).result == FIRST_REGISTRATION


def test_a_profile_is_xml_whatever_the_identities_hold() -> None:
    odd = Subscriber("a&b@home1.net", ("sip:a&b@home1.net",), K, OPC)
    assert ElementTree.fromstring(user_profile(odd, odd.impus[0])).findtext("PrivateID") == "a&b@home1.net"


def test_no_answer_to_anything_but_a_mar_holds_a_key(cx: Cx) -> None:
    said = b"".join(
        avp.as_bytes()
        for outcome in (cx.server_assignment(ASKED), cx.user_authorization(ASKED), cx.multimedia_auth(ASKED))
        for avp in outcome.avps
    )
    assert K not in said and OPC not in said
