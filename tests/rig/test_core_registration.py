"""Registration at the core: TS 24.229 5.4.1 and 5.2.2 with C1-062198, looked at with a client of the tests' own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from calls import call, invite, notified, subscribe
from core_bench import Bench, core_bench
from sip_client import Line, Timeout

from testbed.core.core import CoreOptions
from testbed.ims.aka import AkaResult, SoftwareSim, SyncFailure
from testbed.ims.message import Response

GLOBAL = ";imsglobreg"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with core_bench(tmp_path_factory.mktemp("core"), CoreOptions(linger_s=3, connections=16, warm_up=False)) as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


def contacts(response: Response) -> list[str]:
    """host:port of the contacts in a 200, the newest first."""
    return [value.split("@")[1].split(">")[0] for value in response.headers.values("Contact")]


def at(line: Line) -> str:
    return f"{line.host}:{line.port_s}"


def test_a_registration_names_the_implicit_set_the_service_route_and_a_gruu(bench: Bench) -> None:
    line = bench.line(bench.phone("ue"), "lte")
    response = line.register()
    assert response.status == 200
    assert line.associated == [f"<{impu}>" for impu in bench.plan.ues["ue"].impus]
    assert line.service_route == [f"<sip:orig@{bench.plan.server('scscf').addresses[4]}:5060;lr>"]
    assert "pub-gruu=" in response.headers.values("Contact")[0]
    assert "reg-id" not in response.headers.values("Contact")[0]
    assert bench.associations(line) == 4


def test_the_challenge_keeps_ck_and_ik_from_the_ue(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    assert not {"ck", "ik"} & set(line.challenge.parameters)


def test_with_the_extension_both_bindings_stand(bench: Bench) -> None:
    phone = bench.phone("ue")
    first = bench.registered(phone, "lte")
    second = bench.line(phone, "wifi")
    assert contacts(second.register()) == [at(second), at(first)]
    far = bench.registered(bench.phone("far"), "far")
    for line in (first, second):  # each still works over its own P-CSCF and associations
        ours, theirs, _ = call(line, far)
        assert ours.exchange("BYE", theirs)[0].status == 200


def test_one_register_moves_a_binding(bench: Bench) -> None:
    phone = bench.phone("ue")
    first = bench.registered(phone, "lte")
    second = bench.line(phone, "wifi")
    old = f"{first.contact};expires=0"
    assert contacts(second.register(contacts=(old,))) == [at(second)]


def test_a_binding_moves_over_an_existing_connection(bench: Bench) -> None:
    phone = bench.phone("ue")
    first, second = bench.registered(phone, "lte"), bench.registered(phone, "wifi")
    response = second.reregister(contacts=(f"<sip:{phone.user}@{at(first)}>;expires=0",))
    assert contacts(response) == [at(second)]


def test_a_foreign_contact_that_is_to_stay_is_refused_and_nothing_changes(bench: Bench) -> None:
    phone = bench.phone("ue")
    first, second = bench.registered(phone, "lte"), bench.registered(phone, "wifi")
    response = second.reregister(contacts=(f"<sip:{phone.user}@{at(first)}>;expires=600",))
    assert (response.status, response.reason) == (403, "Contact is not this connection's own")
    assert set(contacts(second.reregister())) == {at(first), at(second)}


def test_a_global_registration_leaves_only_the_new_contact_for_every_identity(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    bench.registered(phone, "lte")
    second = bench.line(phone, "wifi")
    assert contacts(second.register(to_params=GLOBAL)) == [at(second)]
    for impu in bench.plan.ues["ue"].impus:
        ours, theirs, _ = call(far, second, impu)
        assert ours.exchange("BYE", theirs)[0].status == 200


def test_a_reregistration_over_the_associations_needs_no_second_challenge(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    assert line.reregister().status == 200


def test_a_usim_that_is_ahead_resynchronises(bench: Bench) -> None:
    phone = bench.phone("ue")
    phone.sim = SoftwareSim(phone.subscriber.k, phone.subscriber.opc, sqn_ms=1 << 20)
    assert bench.line(phone, "lte").register().status == 200


def test_a_wrong_answer_over_the_right_associations_is_forbidden(bench: Bench) -> None:
    line = bench.line(bench.phone("ue"), "lte")
    response = line.register(answer=lambda digest: digest.accept(line.challenge, b"wrong"))
    assert (response.status, response.reason) == (403, "Wrong credentials")


def test_a_ue_with_another_key_gets_nothing_through(bench: Bench) -> None:
    class Guessing:
        def authenticate(self, rand: bytes, autn: bytes) -> AkaResult | SyncFailure:
            return AkaResult(bytes(8), bytes(16), bytes(16))

    phone = bench.phone("ue")
    phone.sim = Guessing()  # type: ignore[assignment]
    with pytest.raises(Timeout):
        bench.line(phone, "lte").register()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"impi": "nobody@home1.net", "impus": ("sip:nobody@home1.net",), "implicit_sets": ()},
            "Forbidden - HSS User Unknown",
        ),
        ({"impi": "user2_private@home1.net"}, "Forbidden - HSS Identities don't match"),
    ],
)
def test_who_is_not_known_is_forbidden(bench: Bench, change: dict[str, object], reason: str) -> None:
    stranger = dataclasses.replace(bench.subscribers["ue"], **change)  # type: ignore[arg-type]
    response = bench.line(bench.phone("ue", subscriber=stranger), "lte").register()
    assert (response.status, response.reason) == (403, reason)


def test_a_register_without_an_offer_is_told_what_is_required(bench: Bench) -> None:
    line = bench.line(bench.phone("ue"), "lte")
    line.open_port = line.bind()
    kwargs = {"impu": "", "contacts": (), "to_params": "", "tags": "", "expires": 600}
    request = line._register_request(None, port=5060, **kwargs)  # type: ignore[arg-type]
    line.send(request, protected=False)
    _, response = line.response(request)
    assert response.status == 421 and response.option_tags("Require") == {"sec-agree"}


def test_an_unprotected_request_gets_nowhere(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    request = invite(line, "sip:user2_public1@home1.net")
    line.send(request, protected=False)
    _, response = line.response(request)
    assert response.status == 403


def test_another_security_verify_than_was_offered_is_refused(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    assert line.security
    line.security.verify = [line.security.verify[0].replace("null", "aes-cbc")]
    request = invite(line, "sip:user2_public1@home1.net")
    line.send(request)
    _, response = line.response(request)
    assert response.status == 494
    line.service_route = []  # it cannot deregister with that


def test_an_unknown_option_tag_is_named_in_unsupported(bench: Bench) -> None:
    response = bench.line(bench.phone("ue"), "lte").register(tags="seamless-ims, x-nothing")
    assert response.status == 420 and response.option_tags("Unsupported") == {"x-nothing"}


@pytest.mark.parametrize("ealg", ["null", "aes-cbc"])
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_both_ways_over_every_kind_of_connection(bench: Bench, transport: str, family: int, ealg: str) -> None:
    ue = bench.registered(bench.phone("ue", transport=transport), "lte", family, ealg=ealg)  # type: ignore[arg-type]
    far = bench.registered(bench.phone("far", transport=transport), "far", family, ealg=ealg)  # type: ignore[arg-type]
    for caller, callee in ((ue, far), (far, ue)):
        ours, theirs, _ = call(caller, callee)
        assert theirs.exchange("UPDATE", ours)[0].status == 200
        assert ours.exchange("BYE", theirs)[0].status == 200


def test_notify_says_which_contact_every_identity_has(bench: Bench) -> None:
    phone = bench.phone("ue")
    first = bench.registered(phone, "lte")
    _, response = subscribe(first)
    assert response.status == 200
    _, initial = notified(first)
    assert initial.headers.get("Subscription-State", "").startswith("active")  # type: ignore[union-attr]
    second = bench.line(phone, "wifi")
    assert second.register(to_params=GLOBAL).status == 200
    _, moved = notified(second)
    body = moved.body.decode()
    assert (initial.cseq.number, moved.cseq.number) == (1, 2)
    assert "version='1' state='full'" in body
    for impu in bench.plan.ues["ue"].impus:
        registration = body.split(f"<registration aor='{impu}'")[1].split("</registration>")[0]
        assert f"<uri>sip:{phone.user}@{at(second)}</uri>" in registration.split("state='terminated'")[0]
        assert f"<uri>sip:{phone.user}@{at(first)}</uri>" in registration.split("state='terminated'")[1]
        assert f"<gr:pub-gruu uri='{impu};gr=" in registration


def test_after_a_deregistration_watchers_and_associations_are_gone(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    subscribe(line)
    notified(line)
    assert line.reregister(expires=0).status == 200
    _, last = notified(line)
    assert last.headers.get("Subscription-State", "").startswith("terminated")  # type: ignore[union-attr]
    line.service_route = []
    bench.wait_for_the_end(line, 5)
