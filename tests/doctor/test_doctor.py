"""The doctor says what is missing, for which kernel that matters, and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from testbed.cli import doctor as doctor_cli
from testbed.errors import RigError
from testbed.rig import doctor, doctor_tools
from testbed.rig.kernel import choose, kernel_source, rig_kernel, status, uml
from testbed.topology.load import loads, shipped
from testbed.topology.planning import make_plan

ALL = dict.fromkeys(choose.FEATURES)
GUEST = status.KernelStatus("uml", "6.1.1", "", None, {})
MISSING_GUEST = status.KernelStatus("uml", "", "linux.uml is not installed", "apt-get install user-mode-linux", {})

DEBIAN = uml.Build("debian", Path("/usr/bin/linux.uml"), "6.1.1", Path("/usr/lib/uml/modules"))
BUILT = "2026-11-24T09:12:11+00:00"
RIG = rig_kernel.RigKernel(Path("/cache"), "6.12.117-rig", "6.12.117-1", "0123", BUILT, 300.0)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which everything is there, and we are root."""
    monkeypatch.delenv(choose.GUEST, raising=False)
    monkeypatch.setattr(choose, "probe_host", lambda: ALL)
    monkeypatch.setattr(choose, "missing_privileges", list)
    monkeypatch.setattr(status, "guest", lambda: GUEST)
    monkeypatch.setattr(doctor, "_ask_guest", lambda: ALL)
    monkeypatch.setattr(doctor_tools, "find", lambda name: "/bin/true")
    monkeypatch.setattr(doctor_tools, "best", lambda: DEBIAN)
    monkeypatch.setattr(rig_kernel, "find", lambda: RIG)
    monkeypatch.setattr(doctor_tools, "kamailio_modules", lambda: doctor_tools.Check("programs", "m", "there", ""))


def ask(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(doctor_cli.doctor, options)
    return result.exit_code, result.stdout


def test_where_everything_is_there_both_kernels_can() -> None:
    code, text = ask()
    assert code == 0
    assert "--kernel host can run a wired rig" in text
    assert "--kernel uml can run a wired rig" in text
    assert "--kernel auto takes host" in text


def test_one_kernel_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "probe_host", lambda: {**ALL, "netem": "No such file or directory"})
    code, text = ask("--json")
    found = json.loads(text)
    assert (code, found["choice"]) == (0, "uml")
    abilities = {ability["kernel"]: ability for ability in found["abilities"]}
    assert abilities["host"] == {"kernel": "host", "can": False, "missing": ["netem"]}
    (check,) = [check for check in found["checks"] if check["state"] == "missing"]
    assert check["mend"].startswith("modprobe sch_netem")
    assert check["detail"] == "No such file or directory"


def test_where_no_kernel_can_the_exit_code_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "missing_privileges", lambda: ["root's privileges"])
    monkeypatch.setattr(status, "guest", lambda: MISSING_GUEST)
    code, text = ask()
    assert code == 3
    assert "mend: apt-get install user-mode-linux" in text
    assert "no kernel can run it" in text


def test_a_missing_program_matters_to_the_kernels_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_tools, "find", lambda name: None if name in ("modprobe", "tshark") else "/bin/true")
    code, text = ask("--json")
    found = json.loads(text)
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert (states["modprobe"], states["tshark"], states["ip"]) == ("missing", "absent", "there")
    assert {ability["kernel"]: ability["can"] for ability in found["abilities"]} == {"host": True, "uml": False}
    assert code == 0

    monkeypatch.setattr(doctor_tools, "find", lambda name: None if name == "kamailio" else "/bin/true")
    code, text = ask()
    assert code == 3
    assert "make setup, or apt-get install kamailio" in text


def test_a_guest_that_has_everything_built_in_needs_no_modprobe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_tools, "best", lambda: uml.Build("rig", Path("/cache/linux"), RIG.release))
    monkeypatch.setattr(doctor_tools, "find", lambda name: None if name == "modprobe" else "/bin/true")
    found = json.loads(ask("--json")[1])
    assert "modprobe" not in {check["name"] for check in found["checks"]}
    assert {ability["kernel"]: ability["can"] for ability in found["abilities"]} == {"host": True, "uml": True}


def test_the_rig_kernel_is_told_with_what_it_gives() -> None:
    (check,) = (check for check in json.loads(ask("--json")[1])["checks"] if check["name"] == "rig kernel")
    assert check["state"] == "there"
    assert check["detail"] == "6.12.117-rig, built 2026-11-24: time can be simulated, with Wi-Fi and USB"


@pytest.mark.parametrize(
    ("source", "packages", "mend"),
    [
        (True, [], "testbed kernel build"),
        (True, ["flex", "bc"], "apt-get install flex bc; testbed kernel build"),
        (False, [], "apt-get install linux-source-6.12, then testbed kernel build"),
    ],
)
def test_a_rig_kernel_that_is_not_built_names_the_commands_and_keeps_nobody_from_a_wired_rig(
    monkeypatch: pytest.MonkeyPatch, source: bool, packages: list[str], mend: str
) -> None:
    def find_source() -> None:
        if not source:
            raise RigError("there is no kernel source", mend="apt-get install linux-source-6.12")

    monkeypatch.setattr(rig_kernel, "find", lambda: None)
    monkeypatch.setattr(kernel_source, "find_source", find_source)
    monkeypatch.setattr(kernel_source, "missing_tools", lambda: packages)
    code, text = ask("--json")
    (check,) = (check for check in json.loads(text)["checks"] if check["name"] == "rig kernel")
    assert (check["state"], check["mend"]) == ("absent", mend)
    assert "no simulated time" in check["detail"]
    assert code == 0


def test_a_guest_that_does_not_start_is_said_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, str | None]:
        raise ValueError("linux.uml: the guest kernel did not start")

    monkeypatch.setattr(doctor, "_ask_guest", fail)
    _, text = ask("--json")
    (check,) = [check for check in json.loads(text)["checks"] if check["state"] == "missing"]
    assert check["detail"] == "does not start: linux.uml: the guest kernel did not start"
    assert check["kernels"] == ["uml"]


def test_a_topology_is_named_and_a_wrong_one_refused(tmp_path: Path) -> None:
    code, text = ask("--topology", "two-access")
    assert code == 0
    assert "can run the rig of two-access" in text
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("nothing: here\n")
    result = CliRunner().invoke(doctor_cli.doctor, ["--topology", str(wrong)])
    assert result.exception is not None
    assert getattr(result.exception, "exit_code", None) == 2


def test_every_feature_has_a_mend_and_a_plan_asks_for_its_address_families() -> None:
    assert set(doctor.FEATURE_MENDS) == set(choose.FEATURES)
    plan = make_plan(loads(shipped()["two-access"].read_text()))
    assert doctor.features(plan) == doctor.features(None) == tuple(choose.FEATURES)


def test_the_modules_that_the_core_loads_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(doctor_tools, "KAMAILIO_MODULES", tmp_path)
    check = doctor_tools.kamailio_modules()
    assert check.state == "missing"
    assert "ims_auth" in check.detail
    assert "kamailio-ims-modules" in str(check.mend)


def test_inside_a_guest_only_that_kernel_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choose.GUEST, "uml")
    assert [ability.kernel for ability in doctor.diagnose().abilities] == ["host"]


def test_this_machine_is_diagnosed_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if missing := uml.lacks():
        pytest.skip(f"no guest can start here: {missing}")
    found = doctor.diagnose()
    guest = {check.name: check for check in found.checks if check.group == "guest kernel"}
    assert guest["User-mode Linux"].state == "there"
    assert guest["ESP over IPv6"].state == "there"
    assert {ability.kernel: ability.can for ability in found.abilities}["uml"]
