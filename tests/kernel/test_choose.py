"""The kernel is chosen by what there is and what we may do, and every refusal names its mend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from testbed.cli.kernel import kernel
from testbed.errors import RigError
from testbed.rig.kernel import choose, guest_process, uml

ALL = dict.fromkeys(choose.FEATURES)  # lacks nothing
NO_ESP = {**ALL, "esp4": "Protocol not supported", "esp6": "Protocol not supported"}
NO_GUEST = RigError("linux.uml is not installed", where="linux.uml (--kernel uml)", mend="install it")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which everything is there, and we are root."""
    monkeypatch.delenv(choose.GUEST, raising=False)
    monkeypatch.setattr(choose, "probe_host", lambda: ALL)
    monkeypatch.setattr(choose, "missing_privileges", list)
    monkeypatch.setattr(uml, "lacks", lambda: None)


def test_the_hosts_kernel_is_taken_where_it_has_everything() -> None:
    assert choose.choose("auto").kernel == choose.choose("host").kernel == "host"
    assert choose.choose("uml").kernel == "uml"


def test_a_guest_is_taken_where_the_hosts_kernel_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "probe_host", lambda: NO_ESP)
    choice = choose.choose("auto")
    assert (choice.kernel, choice.reason) == (
        "uml",
        "the host's kernel cannot carry a rig: it lacks ESP over IPv4, ESP over IPv6",
    )
    with pytest.raises(RigError, match="it lacks ESP over IPv4") as raised:
        choose.choose("host")
    assert "--kernel uml" in str(raised.value.mend)


def test_a_guest_is_taken_where_we_are_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "missing_privileges", lambda: ["CAP_NET_ADMIN"])
    choice = choose.choose("auto")
    assert (choice.kernel, choice.reason) == ("uml", "the host's kernel cannot carry a rig: it lacks CAP_NET_ADMIN")


def test_where_nothing_will_do_the_message_says_both_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "probe_host", lambda: NO_ESP)
    monkeypatch.setattr(uml, "lacks", lambda: NO_GUEST)
    with pytest.raises(RigError, match=r"lacks ESP over IPv4.*linux\.uml is not installed") as raised:
        choose.choose("auto")
    assert raised.value.mend == "install it"
    with pytest.raises(RigError, match="is not installed"):
        choose.choose("uml")


def test_inside_a_guest_no_other_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choose.GUEST, "uml")
    monkeypatch.setattr(choose, "probe_host", lambda: NO_ESP)
    assert choose.choose("uml").kernel == choose.choose("auto").kernel == "host"
    assert choose.current() == "uml"


def test_what_is_missing_for_a_guest_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no rig kernel"))
    cases = {"linux.uml": "user-mode-linux", "modprobe": "kmod", "unshare": "util-linux"}
    for tool, package in cases.items():
        monkeypatch.setattr(uml, "find", lambda name, tool=tool: None if name == tool else f"/usr/bin/{name}")
        monkeypatch.setattr(guest_process, "release", lambda _: "6.1.1")
        missing = uml.lacks()
        assert missing is not None
        assert f"{tool} is not installed" in missing.what
        assert package in str(missing.mend)
    monkeypatch.setattr(uml, "find", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(uml, "MODULES", tmp_path)
    (tmp_path / "6.1.0").mkdir()
    missing = uml.lacks()
    assert missing is not None
    assert "is 6.1.1, but the modules" in missing.what
    assert "6.1.0" in missing.what
    (tmp_path / "6.1.1").mkdir()
    monkeypatch.setattr(uml, "_room_mib", lambda: 64)
    missing = uml.lacks()
    assert missing is not None
    assert "/dev/shm, which holds the guest's memory, has 64 MiB left" in missing.what


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("start_ptraced_child : ptrace failed, errno 1", "forbids ptrace"),
        ("/dev/shm must be not mounted noexec", "mount -o remount,exec /dev/shm"),
        ("Kernel panic - not syncing: Out of memory: killed", "more memory"),
    ],
)
def test_the_kernels_last_words_lead_to_the_mend(tmp_path: Path, said: str, mend: str) -> None:
    log = tmp_path / "kernel.log"
    log.write_text(f"first\n{said}\n")
    error = uml._broken({}, log, keep=False)
    assert said in str(error)
    assert mend in str(error.mend)


def test_the_probe_takes_less_than_a_second_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    before = Path("/proc/net/dev").read_text().count("\n")
    cost_before, begun = os.times(), time.monotonic()
    first = choose.probe_host()
    cost = os.times()
    assert set(first) == set(choose.FEATURES)
    busy = cost.children_user + cost.children_system - cost_before.children_user - cost_before.children_system
    assert busy < 1.0  # of computing: on a machine that does other things too it may take longer
    begun = time.monotonic()
    assert choose.probe_host() is first
    assert time.monotonic() - begun < 0.01
    assert Path("/proc/net/dev").read_text().count("\n") == before


def test_status_says_what_auto_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "probe_host", lambda: NO_ESP)
    result = CliRunner().invoke(kernel, ["status", "--json"])
    found = json.loads(result.stdout)
    assert (result.exit_code, found["choice"]) == (0, "uml")
    assert {kind["name"] for kind in found["kernels"]} == {"host", "uml"}
    text = CliRunner().invoke(kernel, ["status"]).stdout
    assert "it lacks ESP over IPv4" in text
    assert "auto  uml:" in text


def test_help_answers_at_once() -> None:
    def fastest(argv: list[str]) -> float:
        times = []
        for _ in range(3):
            before = os.times()
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
            after = os.times()
            spent = after.children_user + after.children_system - before.children_user - before.children_system
            times.append(spent)
        return min(times)

    assert fastest([sys.executable, "-P", "-m", "testbed.cli.main", "--help"]) < 0.3


NEEDS = [({"usb": True, "wifi": False}, "USB gadgets"), ({"usb": False, "wifi": True}, "hwsim")]


@pytest.mark.parametrize(("needs", "what"), NEEDS)
def test_virtual_radios_want_the_rig_kernel_or_modules(
    monkeypatch: pytest.MonkeyPatch, needs: dict[str, bool], what: str
) -> None:
    rig = uml.Build("rig", Path("linux"), "6.12")
    monkeypatch.setattr(uml, "best", lambda: rig)
    choose.require_radios(**needs)
    monkeypatch.setattr(uml, "best", lambda: uml.Build("debian", Path("linux"), "6.1"))
    monkeypatch.setattr(Path, "is_dir", lambda path: False)
    with pytest.raises(RigError, match=what) as raised:
        choose.require_radios(**needs)
    assert "testbed kernel build" in str(raised.value.mend)
    choose.require_radios(usb=False, wifi=False)
