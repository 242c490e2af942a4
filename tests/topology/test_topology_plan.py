"""From a file to the plan: addresses of both families, derived and given."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest

from drivers.protocols import AccessAddress, Family, Shape
from testbed.topology.load import SHIPPED, load, loads, shipped
from testbed.topology.planning import make_plan

VALID = (SHIPPED / "two-access.yaml").read_text(encoding="utf-8")
PLAN = make_plan(loads(VALID))


def changed(*changes: tuple[str, str]) -> str:
    text = VALID
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    return text


def test_two_access_is_the_rig_that_the_issue_describes() -> None:
    assert PLAN.domain == "home1.net"
    assert PLAN.accesses["lte"].shape == Shape(25, 2) and PLAN.accesses["wifi"].shape == Shape(10, 1)
    assert PLAN.accesses["lte"].pcscf != PLAN.accesses["wifi"].pcscf != PLAN.accesses["far"].pcscf
    assert PLAN.ues["ue"].accesses == ("lte", "wifi") and PLAN.ues["far"].accesses == ("far",)
    assert len(PLAN.ues["ue"].impus) >= 3 and len(PLAN.ues["far"].impus) == 1
    assert PLAN.server("scscf").name == "scscf" and PLAN.server("hss").name == "hss"
    assert [server.name for server in PLAN.pcscfs()] == ["pcscf-lte", "pcscf-wifi", "pcscf-far"]


def test_a_ue_may_have_several_implicit_sets() -> None:
    sets = "implicit_sets: [[sip:a@home1.net, sip:b@home1.net], [sip:c@home1.net]]"
    far = make_plan(loads(changed(("impus:\n      - sip:user2_public1@home1.net", sets)))).ues["far"]
    assert far.implicit_sets == (("sip:a@home1.net", "sip:b@home1.net"), ("sip:c@home1.net",))
    assert far.impus == ("sip:a@home1.net", "sip:b@home1.net", "sip:c@home1.net")
    assert PLAN.ues["ue"].implicit_sets == (PLAN.ues["ue"].impus,)


def test_every_part_has_a_namespace_of_its_own() -> None:
    servers = ("pcscf-lte", "pcscf-wifi", "pcscf-far", "scscf", "hss")
    assert PLAN.namespaces == ("backbone", "access-lte", "access-wifi", "access-far", *servers, "ue", "far")


def test_in_same_pcscf_both_accesses_lead_to_one() -> None:
    plan = make_plan(load(shipped()["same-pcscf"]))
    assert plan.accesses["lte"].pcscf == plan.accesses["wifi"].pcscf == "pcscf"
    assert len(plan.pcscfs()) == 2


def test_the_second_access_has_the_second_subnet_of_each_family() -> None:
    assert PLAN.accesses["wifi"].addresses == (
        AccessAddress(4, "10.2.0.2", 24, "10.2.0.1", "10.100.0.12"),
        AccessAddress(6, "fd00:0:0:2::2", 64, "fd00:0:0:2::1", "fd00:0:0:64::c"),
    )
    assert PLAN.accesses["wifi"].backbone == {4: "10.100.0.2", 6: "fd00:0:0:64::2"}


def test_servers_begin_at_host_eleven() -> None:
    assert PLAN.servers["pcscf-lte"].addresses == {4: "10.100.0.11", 6: "fd00:0:0:64::b"}
    assert PLAN.backbone_prefix == {4: 24, 6: 64}


def test_no_two_accesses_share_a_routing_table_of_the_ue() -> None:
    tables = [access.table for access in PLAN.accesses.values()]
    assert len(set(tables)) == len(tables) and not {0, 253, 254, 255} & set(tables)


@pytest.mark.parametrize("family", [4, 6])
def test_every_address_is_its_own_and_every_gateway_on_its_subnet(family: Family) -> None:
    ues = [access.address(family) for access in PLAN.accesses.values()]
    taken = [ue.address for ue in ues] + [ue.gateway for ue in ues]
    taken += [access.backbone[family] for access in PLAN.accesses.values()]
    taken += [server.addresses[family] for server in PLAN.servers.values()]
    assert len(set(taken)) == len(taken)
    for ue in ues:
        assert ip_address(ue.gateway) in ip_interface(f"{ue.address}/{ue.prefix}").network
        assert ue.pcscf in [server.addresses[family] for server in PLAN.pcscfs()]


def test_given_addresses_are_taken_and_derived_ones_step_aside() -> None:
    text = changed(
        ("    delay_ms: 25\n", "    delay_ms: 25\n    ipv4: 172.16.4.77/22\n    ipv6: 2001:db8:1::77/56\n"),
        ("hss: {role: hss}", "hss: {role: hss, ipv4: 10.100.0.11, ipv6: 'fd00:0:0:64::1'}"),
    )
    plan = make_plan(loads(text))
    assert plan.accesses["lte"].addresses == (
        AccessAddress(4, "172.16.4.77", 22, "172.16.4.1", "10.100.0.12"),
        AccessAddress(6, "2001:db8:1::77", 56, "2001:db8:1::1", "fd00:0:0:64::b"),
    )
    assert plan.servers["hss"].addresses == {4: "10.100.0.11", 6: "fd00:0:0:64::1"}
    assert plan.accesses["lte"].backbone == {4: "10.100.0.1", 6: "fd00:0:0:64::2"}


def test_a_ue_that_has_the_gateways_usual_address_gets_another_gateway() -> None:
    plan = make_plan(loads(changed(("    delay_ms: 25\n", "    delay_ms: 25\n    ipv4: 172.16.0.1/30\n"))))
    assert plan.accesses["lte"].address(4).gateway == "172.16.0.2"


def test_a_given_backbone_holds_routers_and_servers_with_its_own_prefix() -> None:
    plan = make_plan(loads(changed(("ues:", "backbone: {ipv4: 192.168.8.0/27, delay_ms: 1.5}\nues:"))))
    assert plan.servers["hss"].addresses[4] == "192.168.8.15" and plan.backbone_prefix == {4: 27, 6: 64}
    assert plan.core_delay_ms == 1.5


def test_more_than_ten_access_routers_push_the_servers_on() -> None:
    more = [f"a{number}" for number in range(12)]
    entries = "".join(f"  {name}: {{kind: wired, pcscf: pcscf-lte}}\n" for name in more)
    text = changed(("servers:\n", entries + "servers:\n"), ("[lte, wifi]", f"[lte, wifi, {', '.join(more)}]"))
    plan = make_plan(loads(text))
    assert plan.accesses["a11"].backbone == {4: "10.100.0.15", 6: "fd00:0:0:64::f"}
    assert plan.accesses["a11"].address(6).address == "fd00:0:0:f::2"
    assert plan.servers["pcscf-lte"].addresses[4] == "10.100.0.16"


def test_the_plan_is_the_same_every_time() -> None:
    assert make_plan(loads(VALID)) == PLAN


def test_no_key_of_a_subscriber_can_stand_in_a_file() -> None:
    with pytest.raises(Exception, match=r"ues\.ue\.k: there is no such key here"):
        loads(changed(("    impi: user1", "    k: '00112233445566778899aabbccddeeff'\n    impi: user1")))
