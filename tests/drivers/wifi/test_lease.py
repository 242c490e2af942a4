"""What the DHCP client's hook reports, what it does not pass on, and what the server is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wifi import lease
from drivers.wifi.dhcp_client import HOOK
from drivers.wifi.dhcp_server import DhcpPlan, arguments
from drivers.wifi.errors import BadConfiguration, BadLease

GIVEN = {
    "ip": "10.1.0.10",
    "subnet": "255.255.255.0",
    "router": "10.1.0.1",
    "dns": "10.1.0.1 10.1.0.2",
    "lease": "3600",
    "serverid": "10.1.0.1",
    "sipsrv": "10.1.0.5 10.1.0.6",
}
LEASE = lease.Lease("10.1.0.10", 24, "10.1.0.1", ("10.1.0.1", "10.1.0.2"), ("10.1.0.5", "10.1.0.6"), "10.1.0.1", 3600)
PLAN = DhcpPlan("10.1.0.0/24", "10.1.0.10", "10.1.0.99", "10.1.0.1", ["10.1.0.1"], ["10.1.0.5"])


def hook(folder: Path, event: str, **values: str) -> str:
    """What the hook says when the client runs it."""
    path = folder / "hook"
    path.write_text(HOOK)
    path.chmod(0o755)
    return subprocess.run([path, event], env=values, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("event", "happened"), [("bound", "bound"), ("renew", "renewed")])
def test_a_lease(tmp_path: Path, event: str, happened: lease.Happened) -> None:
    assert lease.parse(hook(tmp_path, event, **GIVEN), "DHCP") == lease.Report(happened, LEASE)


@pytest.mark.parametrize(("event", "happened"), [("deconfig", "lost"), ("nak", "refused"), ("leasefail", "no-answer")])
def test_no_lease(tmp_path: Path, event: str, happened: lease.Happened) -> None:
    assert lease.parse(hook(tmp_path, event), "DHCP") == lease.Report(happened, None)


def test_what_a_hostile_server_writes_is_not_passed_on(tmp_path: Path) -> None:
    said = hook(tmp_path, "bound", **{**GIVEN, "sipsrv": '"},{"event":"nak', "dns": "$(touch /tmp/x)"})
    report = lease.parse(said, "DHCP")
    assert report is not None
    assert report.lease is not None
    assert (report.lease.dns, report.lease.pcscf) == ((), ())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"ip": "here"}, "cannot be used"), ({"router": ""}, "names no router"), ({"dns": "one"}, "cannot be used")],
)
def test_a_lease_that_cannot_be_used(tmp_path: Path, wrong: dict[str, str], words: str) -> None:
    with pytest.raises(BadLease, match=words):
        lease.parse(hook(tmp_path, "bound", **{**GIVEN, **wrong}), "DHCP on wlan0")


@given(st.text())
def test_what_else_the_client_says_is_no_report(text: str) -> None:
    assert lease.parse(f"udhcpc: {text}", "DHCP") is None
    assert lease.parse("{" + text, "DHCP") is None


def test_the_server_gives_addresses_router_dns_and_pcscf() -> None:
    argv = arguments(PLAN, "wlan0", "/run/ap1")
    assert "--dhcp-range=10.1.0.10,10.1.0.99,255.255.255.0,3600" in argv
    assert "--dhcp-option=option:router,10.1.0.1" in argv
    assert "--dhcp-option=option:dns-server,10.1.0.1" in argv
    assert "--dhcp-option=option:sip-server,10.1.0.5" in argv
    assert "--interface=wlan0" in argv


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (DhcpPlan("10.1.0.0/24", "10.2.0.10", "10.1.0.99", "10.1.0.1"), r"10\.2\.0\.10 is not in 10\.1\.0\.0/24"),
        (DhcpPlan("10.1.0.0/24", "here", "10.1.0.99", "10.1.0.1"), "here"),
        (DhcpPlan("10.1.0.0/24", "10.1.0.10", "10.1.0.99", "10.1.0.1", lease_s=10), "a lease of 10 s is too short"),
    ],
)
def test_a_plan_that_does_not_fit(plan: DhcpPlan, words: str) -> None:
    with pytest.raises(BadConfiguration, match=words):
        plan.check("DHCP server on wlan0")
