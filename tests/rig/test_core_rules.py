"""Each row of the proposal at the core by itself: it holds, and its check fails at a core that leaves its rule out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from calls import call, notified, subscribe
from core_bench import Bench, core_bench

from testbed.core.core import RULES, CoreOptions
from testbed.ims.message import Request, Response

GLOBAL = ";imsglobreg"
ONE, ONE_TOO, TWO = (f"sip:{name}@home1.net" for name in ("one", "one-too", "two"))
SETS = ((ONE, ONE_TOO), (TWO,))
NEVER_HEARD_OF_IT = {"unsupported"}  # the rules of a core without the extension
Check = Callable[[Bench], None]


def several_connections_stand_at_once(bench: Bench) -> None:
    phone = bench.phone("ue")
    lines = [bench.registered(phone, access) for access in ("lte", "wifi", "lte")]
    assert all(bench.state.connections[line.name] == "active" for line in lines)


def the_old_binding_stands(bench: Bench) -> None:
    phone = bench.phone("ue")
    lte, wifi = bench.registered(phone, "lte"), bench.registered(phone, "wifi")
    assert bench.bound(ONE) == [wifi.name, lte.name]
    assert bench.associations(lte) == 4


def implicit_identities_follow(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    assert bench.bound(ONE) == bench.bound(ONE_TOO) == [line.name]


def one_register_moves_a_binding(bench: Bench) -> None:
    phone = bench.phone("ue")
    lte = bench.registered(phone, "lte")
    wifi = bench.registered(phone, "wifi", contacts=(f"<sip:{lte.name}>;expires=0",))
    assert bench.bound(ONE) == [wifi.name]


def a_foreign_contact_may_not_stay(bench: Bench) -> None:
    line = bench.line(bench.phone("ue"), "lte")
    assert line.register(contacts=(f"<sip:one@{line.host}:39999>;expires=600",)).status == 403


def one_register_moves_all(bench: Bench) -> None:
    phone = bench.phone("ue")
    lte = bench.registered(phone, "lte")
    assert lte.reregister(impu=TWO).status == 200
    wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
    assert bench.bound(ONE) == bench.bound(TWO) == [wifi.name]


def sessions_linger(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    ours, theirs, _ = call(lte, far)
    bench.registered(phone, "wifi", to_params=GLOBAL)
    bench.wait_for_state(lte, "inactive", 5.0)
    assert list(bench.state.lingering) == [ours.call_id]
    assert theirs.exchange("UPDATE", ours)[0].status == 200
    assert ours.exchange("BYE", theirs)[0].status == 200


def sessions_move(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    ours, theirs, _ = call(bench.registered(phone, "lte"), far)
    ours.line = bench.registered(phone, "wifi", to_params=GLOBAL)
    ours.routes = ours.line.service_route
    assert ours.exchange("INVITE", theirs, sdp=True)[0].status == 200
    assert not bench.state.lingering
    assert theirs.exchange("BYE", ours)[0].status == 200


def watchers_are_told(bench: Bench) -> None:
    phone = bench.phone("ue")
    lte = bench.registered(phone, "lte")
    subscribe(lte)
    notified(lte)
    wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
    assert f"sip:{wifi.name}" in notified(wifi, 2.0)[1].body.decode()


def a_gruu_is_given_and_leads_to_the_ue(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    line = bench.line(phone, "lte")
    granted = line.register().headers.values("Contact")[0]
    assert 'pub-gruu="' in granted
    theirs, ours, _ = call(far, line, granted.split('pub-gruu="')[1].split('"')[0])
    assert theirs.exchange("BYE", ours)[0].status == 200


def without_the_tag_the_old_binding_goes(bench: Bench) -> None:
    phone = bench.phone("ue")
    bench.registered(phone, "lte", tags="")
    wifi = bench.registered(phone, "wifi", tags="")
    assert bench.bound(ONE) == [wifi.name]


def an_unknown_extension_is_told(bench: Bench) -> None:
    line = bench.line(bench.phone("ue"), "lte")
    line.change = lambda request: request.headers.set("Proxy-Require", "sec-agree")  # so that the S-CSCF sees it
    response = line.register()
    assert (response.status, response.option_tags("Unsupported")) == (420, {"seamless-ims"})


def an_unprotected_answer_registers_nobody(bench: Bench) -> None:
    line = bench.line(bench.phone("ue"), "lte")
    send = line.send

    def unprotected(message: Request | Response, protected: bool = True) -> float:
        return send(message, protected=False)

    line.send = unprotected  # type: ignore[method-assign]
    line.register()
    assert bench.bound(ONE) == []


CHECKS: dict[str, Check] = {
    "several-connections": several_connections_stand_at_once,
    "standing-bindings": the_old_binding_stands,
    "implicit-sets": implicit_identities_follow,
    "explicit-move": one_register_moves_a_binding,
    "own-contact": a_foreign_contact_may_not_stay,
    "imsglobreg": one_register_moves_all,
    "linger": sessions_linger,
    "session-move": sessions_move,
    "reg-event": watchers_are_told,
    "gruu": a_gruu_is_given_and_leads_to_the_ue,
    "release7": without_the_tag_the_old_binding_goes,
    "unsupported": an_unknown_extension_is_told,
    "protected-only": an_unprotected_answer_registers_nobody,
}


def options(rule: str, without: bool = False) -> CoreOptions:
    left_out = frozenset({rule} if without else ())
    profile = "release7" if rule in NEVER_HEARD_OF_IT else "seamless"
    return CoreOptions(linger_s=60, connections=12, warm_up=False, profile=profile, without=left_out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A core with all its rules."""
    with core_bench(tmp_path_factory.mktemp("core"), options(""), sets=SETS) as bench:
        yield bench


def test_there_is_a_check_for_each_rule() -> None:
    assert list(CHECKS) == list(RULES.values())


@pytest.mark.parametrize("rule", [rule for rule in CHECKS if rule not in NEVER_HEARD_OF_IT])
def test_with_its_rule_the_row_holds(whole: Bench, rule: str) -> None:
    try:
        CHECKS[rule](whole)
    finally:
        whole.hang_up()
