"""Several identities on several connections at the S-CSCF: C1-062198 2.1 to 2.3 for more than one implicit set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from calls import call, invite, notified, subscribe
from core_bench import Bench, core_bench
from sip_client import Line, Phone

from testbed.core.core import CoreOptions
from testbed.ims.message import Response
from testbed.ims.reginfo import RegInfo

GLOBAL = ";imsglobreg"
ONE, ONE_TOO, TWO, THREE = (f"sip:{name}@home1.net" for name in ("one", "one-too", "two", "three"))
SETS = ((ONE, ONE_TOO), (TWO,), (THREE,))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(linger_s=60, connections=24, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options, sets=SETS) as bench:
        yield bench


@pytest.fixture
def bench(up: Bench) -> Iterator[Bench]:
    yield up
    up.hang_up()


def leaving(line: Line) -> str:
    return f"<sip:{line.name}>;expires=0"


def also(line: Line, impu: str) -> Response:
    """Register a further identity over a connection that there is."""
    response = line.reregister(impu=impu)
    assert response.status == 200, response
    return response


def reaches(bench: Bench, far: Line, line: Line, to: str) -> None:
    """A call to an identity or a GRUU comes to this line, and ends."""
    theirs, ours, _ = call(far, line, to)
    assert theirs.exchange("BYE", ours)[0].status == 200


def server_assignments(bench: Bench) -> int:
    return (bench.folder / "logs" / "hss.log").read_text().count("Server-Assignment")


def test_each_explicitly_registered_identity_brings_its_own_set_and_a_sar_of_its_own(bench: Bench) -> None:
    before = server_assignments(bench)
    line = bench.registered(bench.phone("ue"), "lte")
    assert line.associated == [f"<{ONE}>", f"<{ONE_TOO}>"]
    assert set(bench.state.bindings) == {ONE, ONE_TOO}
    assert also(line, TWO).headers.values("P-Associated-URI") == [f"<{TWO}>"]
    assert set(bench.state.bindings) == {ONE, ONE_TOO, TWO}
    assert server_assignments(bench) == before + 2


def test_one_identity_is_at_one_access_and_another_at_the_other(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    wifi = bench.registered(phone, "wifi", impu=TWO)
    assert (bench.bound(ONE), bench.bound(TWO)) == ([lte.name], [wifi.name])
    reaches(bench, far, lte, ONE_TOO)
    reaches(bench, far, wifi, TWO)
    assert bench.state.connections[lte.name] == bench.state.connections[wifi.name] == "active"


@pytest.mark.parametrize("stands", [False, True], ids=["initial-registration", "existing-connection"])
def test_one_identity_moves_and_the_others_stay_where_they_are(bench: Bench, stands: bool) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    also(lte, TWO)
    moving, _, _ = call(lte, far, impu=ONE)
    staying, far_staying, _ = call(lte, far, impu=TWO)
    wifi = bench.line(phone, "wifi")
    if stands:
        assert wifi.register(impu=THREE).status == 200
        assert wifi.reregister(impu=ONE, contacts=(leaving(lte),)).status == 200
    else:
        assert wifi.register(impu=ONE, contacts=(leaving(lte),)).status == 200
    state = bench.state
    assert (bench.bound(ONE), bench.bound(ONE_TOO), bench.bound(TWO)) == ([wifi.name], [wifi.name], [lte.name])
    assert state.connections[lte.name] == "active"  # it still has bindings
    assert list(state.lingering) == [moving.call_id]  # the other identity's session is not touched
    reaches(bench, far, lte, TWO)
    reaches(bench, far, wifi, ONE)
    assert staying.exchange("BYE", far_staying)[0].status == 200


def test_one_register_moves_all_identities_from_wherever_they_are(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte, wifi = bench.registered(phone, "lte"), bench.registered(phone, "wifi", impu=TWO)
    also(lte, THREE)
    session, _, _ = call(far, wifi, TWO)
    third = bench.registered(phone, "lte", to_params=GLOBAL)
    for impu in (ONE, ONE_TOO, TWO, THREE):
        assert bench.bound(impu) == [third.name]
        reaches(bench, far, third, impu)
    state = bench.state
    assert (state.connections[third.name], state.connections[wifi.name]) == ("active", "inactive")
    assert list(state.lingering) == [session.call_id]


def test_any_moved_identity_may_call_over_the_new_connection(bench: Bench) -> None:
    """The P-CSCF has learnt all identities of the connection from the one REGISTER."""
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    also(bench.registered(phone, "lte"), TWO)
    wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
    for impu in (ONE, ONE_TOO, TWO):
        ours, theirs, _ = call(wifi, far, impu=impu)
        assert theirs.last and theirs.last[0].headers.get("P-Asserted-Identity") == f"<{impu}>"
        assert ours.exchange("BYE", theirs)[0].status == 200


def test_nobody_calls_over_a_connection_that_his_identity_has_left(bench: Bench) -> None:
    phone = bench.phone("ue")
    lte = bench.registered(phone, "lte")
    also(lte, TWO)
    bench.registered(phone, "wifi", contacts=(leaving(lte),))
    for impu, status in ((ONE, 403), (TWO, 404)):  # 404: the far end is not registered
        request = invite(lte, "sip:user2_public1@home1.net", impu=impu)
        lte.send(request)
        assert lte.response(request)[1].status == status


def test_every_instance_of_every_identity_moves_and_its_gruus_lead_to_the_new_connection(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    first = phone.instance
    lte = bench.registered(phone, "lte")
    phone.instance = first[:-2] + "0>"
    wifi = bench.registered(phone, "wifi", impu=TWO)
    # this one has two instances, each over its own connection
    also(lte, THREE)
    phone.instance = first
    also(wifi, THREE)
    subscribe(lte)
    notified(lte)
    before = gruus(bench)
    assert len(before) == 5 * 2
    third = bench.line(phone, "lte")
    third.change = lambda request: request.headers.set(
        "Contact", request.headers.values("Contact")[0].split(";+sip.instance")[0] + ";expires=600000"
    )
    assert third.register(to_params=GLOBAL).status == 200  # as in the proposal's example, without an instance
    assert {uri for uri in gruus(bench) if "gr=" in uri} == {uri for uri in before if "gr=" in uri}
    for gruu in before:
        reaches(bench, far, third, gruu)


def gruus(bench: Bench) -> list[str]:
    """All GRUUs that the S-CSCF has for the moving UE."""
    bindings = bench.state.bindings
    found = [each for impu in (ONE, ONE_TOO, TWO, THREE) for each in bindings.get(impu, [])]
    return [uri for each in found for uri in (each.pub_gruu, each.temp_gruu) if uri]


def test_gruus_of_the_200_and_of_the_reg_info_document_reach_the_ue_before_and_after_a_move(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.line(phone, "lte")
    granted = lte.register().headers.values("Contact")[0]
    subscribe(lte)
    document = RegInfo.parse(notified(lte)[1].body)
    told = {each.aor: each.contacts[0] for each in document.registrations}
    known = [granted.split(f'{kind}-gruu="')[1].split('"')[0] for kind in ("pub", "temp")]
    assert [told[ONE].pub_gruu, told[ONE].temp_gruu] == known
    known += [str(told[ONE_TOO].pub_gruu), str(told[ONE_TOO].temp_gruu)]
    for gruu in known:
        reaches(bench, far, lte, gruu)
    wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
    for gruu in known:
        reaches(bench, far, wifi, gruu)


def test_a_session_of_gruus_moves_with_its_end(bench: Bench) -> None:
    """RFC 5627 4.4: the Contact in a session may be a GRUU, which names no connection."""
    phone, far = bench.phone("ue"), bench.line(bench.phone("far"), "far")
    lte = bench.line(phone, "lte")
    for line, kind in ((far, "temp"), (lte, "pub")):
        line.gruu = line.register().headers.values("Contact")[0].split(f'{kind}-gruu="')[1].split('"')[0]
    ours, theirs, _ = call(lte, far)
    assert ours.target == far.gruu and theirs.target == lte.gruu
    wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
    assert list(bench.state.lingering) == [ours.call_id]
    assert ours.exchange("UPDATE", theirs)[0].status == 200  # still over the old connection
    wifi.gruu = lte.gruu
    ours.line, ours.routes = wifi, wifi.service_route
    assert ours.exchange("INVITE", theirs, sdp=True)[0].status == 200
    assert not bench.state.lingering
    assert theirs.exchange("UPDATE", ours)[0].status == 200
    assert theirs.exchange("BYE", ours)[0].status == 200


def test_of_many_registrations_the_newest_temporary_gruus_are_kept_and_no_others(bench: Bench) -> None:
    line = bench.registered(bench.phone("ue"), "lte")
    granted = [line.reregister().headers.values("Contact")[0].split('temp-gruu="')[1].split('"')[0] for _ in range(40)]
    words = [uri.removeprefix("sip:").split("@")[0] for uri in granted]
    known = bench.core.rpc("scscf").dump("gruu")
    assert {word for word in words if word in known} == set(words[-32:])
    kept = [str(value) for key, value in bench.core.rpc("scscf").dump("temporary").items() if key.startswith(ONE + "|")]
    assert [value.rstrip(",").split(",") for value in kept] == [words[:-33:-1]]


def test_a_ue_that_does_not_say_gruu_is_given_none(bench: Bench) -> None:
    line = bench.line(bench.phone("ue"), "lte")
    line.change = lambda request: request.headers.set("Supported", "path")
    assert "gruu=" not in line.register().headers.values("Contact")[0]


def test_a_gruu_of_nobody_is_not_found(bench: Bench) -> None:
    far = bench.registered(bench.phone("far"), "far")
    bench.registered(bench.phone("ue"), "lte")
    for uri, status in (("sip:tgruu-1@home1.net;gr", 404), (f"{ONE};gr=urn:uuid:0", 480)):
        request = invite(far, uri)
        far.send(request)
        assert far.response(request)[1].status == status


def test_eight_connections_stand_together_and_calls_come_to_the_newest(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lines = [bench.registered(phone, ("lte", "wifi")[number % 2]) for number in range(8)]
    names = [line.name for line in lines]
    assert bench.bound(ONE) == names[::-1]
    assert {name: bench.state.connections[name] for name in names} == dict.fromkeys(names, "active")
    assert all(bench.associations(line) == 4 for line in lines)
    reaches(bench, far, lines[7], ONE)
    assert lines[0].reregister().status == 200  # a refresh makes it no newer
    reaches(bench, far, lines[7], ONE)
    assert lines[7].reregister(expires=0).status == 200
    reaches(bench, far, lines[6], ONE)
    for line in lines[:4]:  # each over its own P-CSCF and associations
        ours, theirs, _ = call(line, far)
        assert ours.exchange("BYE", theirs)[0].status == 200


def test_four_connections_three_of_them_active(bench: Bench) -> None:
    """Figure 1 of the proposal."""
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    first, second = bench.registered(phone, "lte"), bench.registered(phone, "wifi", impu=TWO)
    third, fourth = bench.registered(phone, "lte", impu=THREE), bench.registered(phone, "wifi")
    ours, theirs, _ = call(fourth, far)
    assert first.reregister(contacts=(leaving(fourth),)).status == 200
    assert [bench.state.connections[line.name] for line in (first, second, third, fourth)] == [
        *["active"] * 3,
        "inactive",
    ]
    assert theirs.exchange("UPDATE", ours)[0].status == 200  # it still carries its session
    assert ours.exchange("BYE", theirs)[0].status == 200
    bench.wait_for_the_end(fourth, 10)
    assert fourth.name not in bench.state.connections


def test_every_watcher_is_told_of_all_identities(bench: Bench) -> None:
    phone = bench.phone("ue")
    lte = bench.registered(phone, "lte")
    also(lte, TWO)
    subscribe(lte)
    notified(lte)
    wifi = bench.registered(phone, "wifi")
    notified(lte)
    subscribe(wifi)
    notified(wifi)
    assert bench.state.watchers == 2
    third = bench.registered(phone, "lte", to_params=GLOBAL)
    for _ in range(2):
        document = RegInfo.parse(notified(third)[1].body)
        contacts = {each.aor: {one.uri: one.state for one in each.contacts} for each in document.registrations}
        assert {uri for uri, state in contacts[TWO].items() if state == "active"} == {f"sip:{third.name}"}
        assert contacts[ONE_TOO][f"sip:{wifi.name}"] == contacts[ONE][f"sip:{lte.name}"] == "terminated"


def test_a_connection_that_gets_its_binding_back_has_no_session_to_release(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    lte = bench.registered(phone, "lte")
    ours, theirs, _ = call(lte, far)
    wifi = bench.registered(phone, "wifi", contacts=(leaving(lte),))
    assert list(bench.state.lingering) == [ours.call_id]
    assert lte.reregister(contacts=(leaving(wifi),)).status == 200
    assert not bench.state.lingering and bench.state.connections[lte.name] == "active"
    assert ours.exchange("BYE", theirs)[0].status == 200


def test_a_session_that_both_ends_have_left_lingers_until_both_have_moved_it(bench: Bench) -> None:
    """One end's move says nothing of the other's."""
    phones: list[Phone] = [bench.phone("ue"), bench.phone("far")]
    lte, far = bench.registered(phones[0], "lte"), bench.registered(phones[1], "far")
    ours, theirs, _ = call(lte, far)
    wifi = bench.registered(phones[0], "wifi", to_params=GLOBAL)
    far_new = bench.registered(phones[1], "far", to_params=GLOBAL)
    for leg, other, line, heard in ((ours, theirs, wifi, far_new), (theirs, ours, far_new, wifi)):
        assert list(bench.state.lingering) == [ours.call_id]
        leg.line, leg.routes = line, line.service_route
        other.line = heard  # who has left a connection is sought where he is registered now
        assert leg.exchange("INVITE", other, sdp=True)[0].status == 200
    assert not bench.state.lingering
    assert ours.exchange("BYE", theirs)[0].status == 200


def test_a_call_to_a_dead_connection_comes_to_the_one_that_was_registered_meanwhile(bench: Bench) -> None:
    phone, far = bench.phone("ue"), bench.registered(bench.phone("far"), "far")
    bench.registered(phone, "lte")
    lever = bench.rig.lever("lte")
    lever.blackhole()
    try:
        request = invite(far, ONE)
        far.send(request)
        wifi = bench.registered(phone, "wifi", to_params=GLOBAL)
        _, arrived, sock, remote = wifi.incoming("INVITE", 20.0)
        answer = arrived.response(200, to_tag="x")
        answer.headers.add("Contact", wifi.contact)
        wifi.reply(answer, sock, remote)
        assert far.response(request, 20.0)[1].status == 200
        assert bench.state.sessions == [request.headers.get("Call-ID")] and not bench.state.lingering
    finally:
        lever.clear()
