"""REGISTERs that the S-CSCF must not obey: each gets the answer that the standards give, and changes nothing.

RFC 3261 10.3, 21.4.16; C1-062198 3(2); TS 24.229 5.4.1.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from calls import call
from core_bench import Bench, core_bench
from sip_client import Line

from testbed.core.core import CoreOptions
from testbed.core.inspect import Binding
from testbed.ims.message import Request, Response

GLOBAL = ";imsglobreg"
ONE, ONE_TOO, TWO = (f"sip:{name}@home1.net" for name in ("one", "one-too", "two"))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=60, connections=24, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options, sets=((ONE, ONE_TOO), (TWO,))) as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


@dataclasses.dataclass
class Standing:
    """One identity at each of two accesses, a session over the first, and what the S-CSCF knew then."""

    bench: Bench

    def __post_init__(self) -> None:
        self.phone = self.bench.phone("ue")
        self.far = self.bench.registered(self.bench.phone("far"), "far")
        self.lte, self.wifi = (
            self.bench.registered(self.phone, "lte"),
            self.bench.registered(self.phone, "wifi", impu=TWO),
        )
        self.ours, self.theirs, _ = call(self.lte, self.far)
        self.before = self.known()

    def known(self) -> tuple[object, ...]:
        """All that the S-CSCF knows, but for what time or any REGISTER changes, and what earlier tests have left."""
        state = self.bench.state
        active = sorted(line for line, how in state.connections.items() if how == "active")
        bindings: dict[str, list[Binding]] = {
            impu: [dataclasses.replace(each, expires_s=0, temp_gruu=None) for each in bound]
            for impu, bound in state.bindings.items()
        }
        return bindings, active, state.sessions, sorted(state.lingering), state.watchers

    def unchanged(self) -> bool:
        """Whether the S-CSCF knows what it knew, and the session lives over its connection."""
        assert self.theirs.exchange("UPDATE", self.ours)[0].status == 200
        return self.known() == self.before


@pytest.fixture
def standing(bench: Bench) -> Standing:
    return Standing(bench)


def contact_is(value: str, **headers: str) -> Callable[[Request], None]:
    """A change of a REGISTER: another Contact, and other headers too."""

    def change(request: Request) -> None:
        request.headers.set("Contact", value)
        for name, text in headers.items():
            request.headers.set(name, text)

    return change


def both_ways(standing: Standing, change: Callable[[Request], None] | None = None, **register: str) -> list[Response]:
    """The answers to the same REGISTER as the first one of a new connection and over one that there is."""
    new = standing.bench.line(standing.phone, "wifi")
    if change:
        new.change = standing.lte.change = change
    return [new.register(**register), standing.lte.reregister(**register)]  # type: ignore[arg-type]


def test_imsglobreg_without_seamless_ims_is_told_what_it_lacks(standing: Standing) -> None:
    for response in both_ways(standing, tags="", to_params=GLOBAL):
        assert (response.status, response.option_tags("Require")) == (421, {"seamless-ims"})
    assert standing.unchanged()


def test_two_new_contacts_are_refused(standing: Standing) -> None:
    new = standing.bench.line(standing.phone, "wifi")
    second = f"<sip:{standing.phone.user}@{new.host}:39999>;expires=600"
    response = new.register(contacts=(second,))
    assert (response.status, response.reason) == (403, "Contact is not this connection's own")
    assert standing.unchanged()


def test_the_contact_of_another_ue_stays_whatever_is_said_of_it(standing: Standing) -> None:
    theirs = f"<sip:{standing.lte.name}>;expires=0"
    response = standing.far.reregister(contacts=(theirs,))
    assert response.status == 200  # RFC 3261 10.3 step 7: there is no such binding of this identity
    assert standing.unchanged()


@pytest.mark.parametrize("contact", ["victim's", "attacker's"])
def test_the_private_identity_of_another_ue_opens_nothing(standing: Standing, contact: str) -> None:
    """A protected REGISTER of one UE that is written in the name of another, whose contact it names at expires=0."""
    far, victim = standing.far, standing.lte
    of = victim.name if contact == "victim's" else far.name
    expires = 0 if contact == "victim's" else 600
    request = far._register_request(None, port=far.port_s, impu=ONE, contacts=(), to_params="", tags="", expires=600)
    request.headers.set("Contact", f"<sip:{of}>;expires={expires}")
    assert victim.digest
    request.headers.set("Authorization", victim.digest.last_authorization or "")
    far.protect(request)
    far.send(request)
    assert far.response(request)[1].status in (401, 403)  # challenged anew, or refused by the P-CSCF already
    assert standing.unchanged()


def test_the_public_identity_of_another_ue_is_forbidden(standing: Standing) -> None:
    response = standing.far.reregister(impu=ONE)
    assert response.status == 403
    assert standing.unchanged()


def test_a_star_without_expires_0_is_a_bad_request(standing: Standing) -> None:
    for response in both_ways(standing, contact_is("*")):
        assert response.status == 400
    assert standing.unchanged()


def test_a_star_with_expires_0_takes_away_all_bindings_of_that_identity_and_no_other(standing: Standing) -> None:
    """RFC 3261 10.2.2.  The session lingers: the UE has asked for the extension."""
    standing.wifi.reregister(impu=ONE)
    standing.lte.change = contact_is("*", Expires="0")
    response = standing.lte.reregister()
    assert response.status == 200 and not response.headers.values("Contact")
    bench = standing.bench
    assert (bench.bound(ONE), bench.bound(ONE_TOO), bench.bound(TWO)) == ([], [], [standing.wifi.name])
    assert list(bench.state.lingering) == [standing.ours.call_id]


def test_a_replayed_nonce_is_challenged_with_another_one(standing: Standing) -> None:
    new = standing.bench.line(standing.phone, "lte")
    new.open_port, new.port_s = new.bind(), new.bind()
    request = new._register_request(
        None, port=5060, impu="", contacts=(), to_params=GLOBAL, tags="seamless-ims", expires=600
    )
    assert standing.lte.digest and standing.lte.digest.last_authorization
    request.headers.set("Authorization", standing.lte.digest.last_authorization)
    request.headers.set(
        "Security-Client",
        f"ipsec-3gpp;alg=hmac-sha-1-96;ealg=null;spi-c=7001;spi-s=7002;port-c=39998;port-s={new.port_s}",
    )
    new.send(request, protected=False)
    _, response = new.response(request)
    assert response.status == 401
    used = standing.lte.challenge.parameters["nonce"]
    assert used not in (response.headers.get("WWW-Authenticate") or used)
    assert standing.unchanged()


def test_an_answer_to_the_challenge_that_is_not_protected_is_not_accepted(standing: Standing) -> None:
    """TS 24.229 5.4.1.2.1: right as it is, it proves nothing of the associations."""

    def unprotected(message: Request | Response, protected: bool = True) -> float:
        return send(message, protected=False)

    new = standing.bench.line(standing.phone, "lte")
    send = new.send
    new.send = unprotected  # type: ignore[method-assign]
    response = new.register(to_params=GLOBAL)
    assert response.status in (401, 403, 494)
    new.service_route = []
    assert standing.unchanged()


def test_a_register_that_is_older_than_its_binding_comes_too_late(standing: Standing) -> None:
    """RFC 3261 10.3 step 7."""
    line = standing.lte

    def older(request: Request) -> None:
        request.headers.set("CSeq", "1 REGISTER")

    line.change = older
    response = line.reregister(contacts=())
    assert response.status == 500 and "CSeq" in response.reason
    assert standing.unchanged()


def test_who_is_registered_nowhere_has_nothing_to_take_away(standing: Standing) -> None:
    third = "sip:three@home1.net"
    response = standing.lte.reregister(impu=third, expires=0)
    assert response.status == 404
    assert standing.unchanged()


def test_after_a_first_registration_that_is_refused_the_identity_is_unknown(bench: Bench) -> None:
    line: Line = bench.line(bench.phone("ue"), "lte")
    assert line.register(tags="", to_params=GLOBAL).status == 421
    state = bench.state
    assert not state.bindings and line.name not in state.connections
