"""What `make setup` does is complete, done once, and known to `make help`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from testbed.rig import doctor_tools

CHECKOUT = Path(__file__).parents[2]
ROLE = CHECKOUT / "ansible/roles/bench"


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(CHECKOUT / "ansible/ansible.cfg")}
    return subprocess.run(argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_role_installs_every_program_and_every_kamailio_module_that_is_used() -> None:
    packages = set(YAML(typ="safe").load(ROLE / "defaults/main.yaml")["bench_packages"])
    assert {tool.package for tool in doctor_tools.TOOLS} <= packages
    assert {doctor_tools.package_of(module) for module in doctor_tools.modules_loaded()} <= packages
    assert "user-mode-linux" in packages


def test_every_variable_of_the_role_is_described() -> None:
    described = YAML(typ="safe").load(ROLE / "meta/argument_specs.yaml")["argument_specs"]["main"]["options"]
    assert set(described) == set(YAML(typ="safe").load(ROLE / "defaults/main.yaml"))


def test_a_second_setup_starts_nothing_and_the_role_finds_nothing_to_change() -> None:
    if run("make", "--question", "setup").returncode != 0:
        pytest.skip("`make setup` is due on this machine: a file that it follows from has changed")
    assert "Nothing to be done" in run("make", "setup").stdout
    ansible = Path(sys.executable).with_name("ansible-playbook")
    checked = run(str(ansible), "--check", "ansible/bench.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"localhost +: ok=\d+ +changed=0 ", checked.stdout), checked.stdout


def test_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    listed = re.findall(r"^make (\w+)", run("make").stdout, re.MULTILINE)
    assert listed == phony[1].split()


def test_what_decides_about_a_change_is_make_test() -> None:
    script = CHECKOUT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test"
