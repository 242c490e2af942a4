"""Bring-up makes what the plan says: looked at with iproute2, and with packets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rig_eyes import Ends, attach, brought_up, datagrams, ip, plan, tc

from drivers.link.netem import NetemShaper
from drivers.protocols import Family, Shape
from testbed.errors import DriverError, RigError
from testbed.rig.rig import Rig
from testbed.topology.plan import BACKBONE, NETWORK_LINK, SERVER_DEVICE, UE_CABLE


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with brought_up(tmp_path_factory.mktemp("state")) as rig:
        yield rig


def links(rig: Rig, host: str) -> dict[str, Any]:
    return {link["ifname"]: link for link in ip(rig.namespace(host), "link")}


def global_addresses(rig: Rig, host: str, device: str) -> set[str]:
    (shown,) = ip(rig.namespace(host), "addr", "show", "dev", device)
    return {f"{own['local']}/{own['prefixlen']}" for own in shown["addr_info"] if own["scope"] == "global"}


def test_every_host_of_the_plan_is_a_namespace_with_its_loopback_up(rig: Rig) -> None:
    names = {entry["name"] for entry in ip(None, "netns")}
    assert {rig.namespace(host) for host in plan().namespaces} <= names
    assert all("UP" in links(rig, host)["lo"]["flags"] for host in plan().namespaces)


def test_a_ue_has_a_device_for_each_access_that_is_down_until_it_attaches(rig: Rig) -> None:
    devices = links(rig, "ue")
    assert set(devices) == {"lo", "lte", "wifi"}
    assert all("UP" not in devices[name]["flags"] for name in ("lte", "wifi"))
    assert "UP" in links(rig, "access-wifi")[UE_CABLE]["flags"]


def test_the_ends_of_a_cable_have_different_numbers_or_a_lost_carrier_is_told_late(rig: Rig) -> None:
    for host in plan().namespaces:
        for link in ip(rig.namespace(host), "link"):
            assert link["ifindex"] != link.get("link_index"), (host, link["ifname"])


def test_routers_and_servers_have_their_addresses_in_both_families_and_none_is_tentative(rig: Rig) -> None:
    for access in plan().accesses.values():
        backbone = {f"{own}/{plan().backbone_prefix[family]}" for family, own in access.backbone.items()}
        gateways = {f"{own.gateway}/{own.prefix}" for own in access.addresses}
        assert global_addresses(rig, access.namespace, NETWORK_LINK) == backbone
        assert global_addresses(rig, access.namespace, UE_CABLE) == gateways
    for server in plan().servers.values():
        own = {f"{own}/{plan().backbone_prefix[family]}" for family, own in server.addresses.items()}
        assert global_addresses(rig, server.name, SERVER_DEVICE) == own
    for host in plan().namespaces:
        tentative = [entry for entry in ip(rig.namespace(host), "addr", "show", "tentative") if entry.get("addr_info")]
        assert tentative == []


def test_the_shapes_are_on_both_ends_of_the_link_and_the_cable_has_an_empty_one(rig: Rig) -> None:
    for access in plan().accesses.values():
        for host, device in ((access.namespace, NETWORK_LINK), (BACKBONE, access.name)):
            (netem,) = tc(rig.namespace(host), "qdisc", "show", "dev", device)
            delay = netem["options"]["delay"]
            assert netem["kind"] == "netem"
            assert delay["delay"] * 1000 == pytest.approx(access.shape.delay_ms, abs=0.01)
            assert delay["jitter"] * 1000 == pytest.approx(access.shape.jitter_ms, abs=0.01)
        (cable,) = tc(rig.namespace(access.namespace), "qdisc", "show", "dev", UE_CABLE)
        assert cable["kind"] == "netem"
        assert "delay" not in cable["options"]


def test_nobody_on_the_backbone_has_to_ask_for_an_address_through_a_link_with_a_delay(rig: Rig) -> None:
    members = [(access.namespace, access.backbone) for access in plan().accesses.values()]
    members += [(server.name, server.addresses) for server in plan().servers.values()]
    for host, own in members:
        known = {entry["dst"] for entry in ip(rig.namespace(host), "neigh", "show", "nud", "permanent")}
        others = {address for name, theirs in members if name != host for address in theirs.values()}
        assert others <= known, host
        assert not known & set(own.values())


@pytest.mark.simulated
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("access", ["lte", "wifi"])
def test_a_round_trip_between_ue_and_pcscf_takes_what_the_topology_says(rig: Rig, access: str, family: Family) -> None:
    attach(rig, access)
    shape = plan().accesses[access].shape
    expected = 2 * shape.delay_ms
    with Ends(rig, access, plan().accesses[access].pcscf, family) as ends:
        first = ends.round_trip_ms()
        best = min(first, *(ends.round_trip_ms() for _ in range(5)))
    # Resolving an address through the delayed link would cost a round trip more; being refused one, a second.
    for took in (best, first):
        assert expected - 2 * shape.jitter_ms - 0.1 <= took <= expected + 2 * shape.jitter_ms + 0.1


@pytest.mark.parametrize("family", [4, 6])
def test_ues_reach_each_other_through_both_of_their_accesses(rig: Rig, family: Family) -> None:
    for access in ("lte", "far"):
        attach(rig, access)
    near, far = (plan().accesses[access] for access in ("lte", "far"))
    one = datagrams(rig, "ue", near.address(family).address)
    other = datagrams(rig, "far", far.address(family).address)
    with one, other:
        one.sendto(b"there", other.getsockname())
        assert other.recv(100) == b"there"
        other.sendto(b"back", one.getsockname())
        assert one.recv(100) == b"back"


@pytest.mark.simulated
def test_the_delay_between_servers_is_on_each_servers_own_way_out(tmp_path: Path) -> None:
    with brought_up(tmp_path, "core", replace(plan(), core_delay_ms=30.0)) as rig:
        one = datagrams(rig, "scscf", plan().servers["scscf"].addresses[4])
        other = datagrams(rig, "hss", plan().servers["hss"].addresses[4])
        with one, other:
            ends = Ends.__new__(Ends)
            ends.ue, ends.server = one, other
            assert [ends.round_trip_ms() for _ in range(3)] == pytest.approx([60] * 3, abs=0.1)
        for server in plan().servers:
            (netem,) = tc(rig.namespace(server), "qdisc", "show", "dev", SERVER_DEVICE)
            assert netem["options"]["delay"]["delay"] == pytest.approx(0.030)


def test_a_name_that_somebody_elses_namespace_has_is_refused_and_that_namespace_is_left_alone(tmp_path: Path) -> None:
    subprocess.run(["ip", "netns", "add", "mine-scscf"], check=True)
    try:
        rig = Rig(plan(), "mine", tmp_path)
        with rig.hold(), pytest.raises(RigError, match="mine-scscf") as refused:
            rig.bring_up()
        assert "--rig NAME" in str(refused.value)
        names = [entry["name"] for entry in ip(None, "netns") if entry["name"].startswith("mine-")]
        assert names == ["mine-scscf"]
    finally:
        subprocess.run(["ip", "netns", "delete", "mine-scscf"], check=True)


def test_a_shape_that_the_kernel_did_not_take_over_as_asked_is_an_error_and_everything_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Shape] = []
    truly = NetemShaper.request

    def half_of_it(self: NetemShaper, shape: Shape) -> Any:
        asked.append(shape)
        return truly(self, replace(shape, delay_ms=shape.delay_ms / 2))

    monkeypatch.setattr(NetemShaper, "request", half_of_it)
    rig = Rig(plan(), "half", tmp_path)
    with rig.hold(), pytest.raises(DriverError, match=r"asked for .*delay_ms=25.0.*kernel has .*delay_ms=12.4999"):
        rig.bring_up()
    assert asked
    assert not [entry for entry in ip(None, "netns") if entry["name"].startswith("half-")]
    assert not (tmp_path / "half/journal.jsonl").exists()


def test_a_rig_that_is_not_held_cannot_be_brought_up(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="not held"):
        Rig(plan(), "loose", tmp_path).bring_up()


def test_a_host_that_is_not_in_the_plan_is_named_with_those_that_are(rig: Rig) -> None:
    with pytest.raises(RigError, match=r"no host pcscf; there are backbone, .*pcscf-lte"):
        rig.spawn("pcscf", ["true"])


def test_bringing_up_and_tearing_down_again_and_again_leaves_nothing(tmp_path: Path) -> None:
    before = ip(None, "netns"), ip(None, "link"), Path("/proc/self/mountinfo").read_text()
    for _ in range(3):
        with brought_up(tmp_path, "again"):
            pass
    assert (ip(None, "netns"), ip(None, "link"), Path("/proc/self/mountinfo").read_text()) == before


def test_whatever_goes_wrong_when_it_is_closed_everything_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: Rig) -> None:
        raise subprocess.TimeoutExpired(["a daemon that hangs"], 1)

    with monkeypatch.context() as patched, pytest.raises(subprocess.TimeoutExpired):
        patched.setattr(Rig, "_close", breaks)
        with brought_up(tmp_path, "shut"):
            pass
    assert not [entry for entry in ip(None, "netns") if entry["name"].startswith("shut-")]
