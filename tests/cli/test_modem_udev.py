"""The role `modem_udev`: it knows the drivers' modems, writes rules that udev accepts, and changes nothing twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from drivers.modem.vendors.registry import VENDORS

CHECKOUT = Path(__file__).parents[2]
ROLE = CHECKOUT / "ansible/roles/modem_udev"


def loaded(path: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROLE / path)
    return found


def play(rules: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(CHECKOUT / "ansible/ansible.cfg")}
    playbook = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(playbook), "ansible/modems.yaml", "-e", f"modem_udev_file={rules}", *more]
    return subprocess.run(argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rules") / "78-testbed-modems.rules"
    played = play(file)
    assert played.returncode == 0, played.stdout
    assert re.search(r"localhost +: ok=\d+ +changed=1 ", played.stdout), played.stdout
    return file


def test_the_role_has_exactly_the_drivers_usb_identities() -> None:
    of_drivers = {
        (vendor.name.lower(), f"{vid:04x}", "" if pid is None else f"{pid:04x}")
        for vendor in VENDORS
        for vid, pid in vendor.usb
    }
    listed = loaded("defaults/main.yaml")["modem_udev_identities"]
    assert {(one["name"], one["vendor"], one.get("product", "")) for one in listed} == of_drivers


def test_every_variable_of_the_role_is_described() -> None:
    described = loaded("meta/argument_specs.yaml")["argument_specs"]["main"]["options"]
    assert set(described) == set(loaded("defaults/main.yaml"))


def test_each_identity_is_kept_from_modemmanager_and_gets_names(rules: Path) -> None:
    lines = rules.read_text().splitlines()
    for one in loaded("defaults/main.yaml")["modem_udev_identities"]:
        product = f', ATTRS{{idProduct}}=="{one["product"]}"' if "product" in one else ""
        match = f'ATTRS{{idVendor}}=="{one["vendor"]}"{product}, '
        assert f'{match}ENV{{ID_MM_DEVICE_IGNORE}}="1"' in lines
        named = [line for line in lines if match in line and f'SYMLINK+="modem/{one["name"]}-' in line]
        assert len(named) >= 2, one


def test_the_role_changes_nothing_twice(rules: Path) -> None:
    again = play(rules)
    assert re.search(r"localhost +: ok=\d+ +changed=0 ", again.stdout), again.stdout


def test_a_wrong_identity_is_refused(tmp_path: Path) -> None:
    played = play(tmp_path / "none.rules", "-e", '{"modem_udev_identities": [{"name": "quectel"}]}')
    assert played.returncode != 0
    assert "missing required arguments: vendor" in played.stdout
    assert not (tmp_path / "none.rules").exists()


def test_udev_accepts_the_rules(rules: Path, tmp_path: Path) -> None:
    """In a mount namespace of its own, where they lie where udev looks."""
    if not shutil.which("udevadm") or not Path("/etc/udev/rules.d").is_dir():
        pytest.skip("there is no udev on this machine")
    script = 'mount --bind "$1" /etc/udev/rules.d && udevadm --debug test --action=add /sys/class/tty/tty0 2>&1'
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]

    def said(folder: Path) -> str:
        argv = ["unshare", *own, "--mount", "sh", "-c", script, "sh", str(folder)]
        result = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if "Reading rules file: /etc/udev/rules.d/" not in result.stdout:
            pytest.skip(f"rules cannot be put before udev here: {result.stderr or result.stdout}")
        return "\n".join(line for line in result.stdout.splitlines() if "/etc/udev/rules.d/" in line)

    assert "Invalid" not in said(rules.parent)
    (tmp_path / "79-wrong.rules").write_text(rules.read_text().replace("SUBSYSTEMS", "SUBSISTEMS"))
    assert "Invalid" in said(tmp_path)
