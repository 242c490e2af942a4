"""Kamailio's own S-CSCF registrar, for comparison: what it does with what C1-062198 asks for.

These are no requirements.  They say why the testbed's S-CSCF has a registrar of its own, and would tell if a later
Kamailio did better.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from calls import call
from core_bench import Bench, core_bench
from sip_client import Line

from testbed.core.core import CoreOptions
from testbed.ims.message import Response


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = CoreOptions(profile="stock", connections=10, warm_up=False)
    with core_bench(tmp_path_factory.mktemp("core"), options) as made:
        yield made
        for phone in made.phones:
            phone.close()
        made.phones = []  # nothing is deregistered: this S-CSCF has no state that the bench could read


def expiries(response: Response) -> dict[str, int]:
    """host:port -> seconds, of the contacts in a 200."""
    contacts = [one for value in response.headers.values("Contact") for one in value.split(", ")]
    return {
        one.split("@")[1].split(">")[0].split(";")[0]: int(one.split("expires=")[1].split(";")[0]) for one in contacts
    }


def bound(bench: Bench, line: Line) -> bool:
    """Whether the registrar still leads to a line."""
    record = bench.core.rpc("scscf").call("ulscscf.showimpu", line.phone.impu)
    return at(line) in str(record["contacts"])


def at(line: Line) -> str:
    return f"{line.host}:{line.port_s}"


def test_it_registers_and_calls(bench: Bench) -> None:
    ue, far = bench.registered(bench.phone("ue"), "lte"), bench.registered(bench.phone("far"), "far")
    for caller, callee in ((ue, far), (far, ue)):
        ours, theirs, _ = call(caller, callee)
        assert ours.exchange("BYE", theirs)[0].status == 200


def test_a_new_contact_with_the_old_one_at_expires_0_refreshes_the_old_one_where_it_should_go(bench: Bench) -> None:
    """C1-062198 2.2 and RFC 3261 10.3 want the old one gone."""
    phone = bench.phone("ue")
    old, new = bench.registered(phone, "lte"), bench.line(phone, "wifi")
    response = new.register(contacts=(f"{old.contact};expires=0",))
    assert response.status == 200
    assert expiries(response)[at(old)] > 0
    assert bound(bench, old) and bound(bench, new)


def test_a_global_registration_leaves_the_old_contact_bound(bench: Bench) -> None:
    """C1-062198 2.3 wants nothing but the new one."""
    phone = bench.phone("ue")
    old, new = bench.registered(phone, "lte"), bench.line(phone, "wifi")
    response = new.register(to_params=";imsglobreg")
    assert response.status == 200
    assert bound(bench, old) and bound(bench, new)
