"""Rig tests that run in a guest are reported like any other, also when the guest does not live to the end."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("guests")
TESTS = Path(__file__).parents[1]
SETTINGS = """
[pytest]
timeout = 60
markers = rig: on a rig
pythonpath = .
"""
SUITE = """
import os
import pytest
from testbed.rig.kernel.choose import current

def test_outside():
    assert current() == "host"

rig = pytest.mark.rig

@rig
def test_inside(tmp_path):
    assert (current(), os.geteuid()) == ("uml", 0)
    (tmp_path / "evidence").write_text("of a test that passed: removed")

@rig
def test_that_fails(tmp_path):
    (tmp_path / "evidence").write_text("kept")
    number = 3
    assert number == 4

@rig
def test_that_is_skipped():
    pytest.skip("no such thing")

@rig
@pytest.mark.parametrize("what", ["ends the guest", "comes after it"])
def test_that(what):
    os.kill(os.getpid(), 9)
"""
HELD = """
import signal, sys, time
import pytest

pytestmark = pytest.mark.rig

@pytest.fixture(scope="module")
def held(tmp_path_factory):
    evidence = tmp_path_factory.mktemp("held") / "fixture"
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    yield
    evidence.write_text("undone")

def test_that_fails(held):
    assert False

@pytest.mark.parametrize("number", range(2))
def test_that_comes_after_it(held, number):
    time.sleep(1000)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    for name in ("conftest.py", "guest_session.py"):
        shutil.copyfile(TESTS / name, tmp_path / name)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "test_suite.py").write_text(SUITE)
    return tmp_path


def run(suite: Path, *options: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--kernel", "uml", *options]
    ran = subprocess.run(argv, cwd=suite, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return ran.returncode, ran.stdout


def test_every_result_comes_out_and_evidence_of_failures_stays(suite: Path) -> None:
    status, text = run(suite)
    assert status == 1
    found = re.findall(r"^(\w+) test_suite\.py::([\w \[\]]+)", text, re.MULTILINE)
    outcomes = {name.strip(): outcome for outcome, name in found}
    assert outcomes == {
        "test_outside": "PASSED",
        "test_inside": "PASSED",
        "test_that_fails": "FAILED",
        "test_that[ends the guest]": "FAILED",
        "test_that[comes after it]": "FAILED",
    }
    assert re.search(r"^SKIPPED .*: no such thing$", text, re.MULTILINE)
    assert "assert 3 == 4" in text
    assert "number = 3" in text
    assert "the guest ended, or fell silent, before this test was done" in text
    assert "not run: the guest ended" in text
    (evidence,) = {path.resolve() for path in suite.glob("build/rig-tests/*/tmp/*/evidence")}
    assert evidence.read_text() == "kept"


def test_after_the_last_failure_that_is_allowed_the_session_ends_and_what_it_made_is_undone(suite: Path) -> None:
    """A rig takes SIGTERM for an exception, which pytest takes for a test's: killing is no way to end it."""
    (suite / "test_suite.py").write_text(HELD)
    status, text = run(suite, "-x")
    assert status == 1
    assert "1 failed" in text
    assert "comes_after" not in text
    assert [path.read_text() for path in suite.glob("build/rig-tests/*/tmp/*0/fixture")] == ["undone"]


def test_where_all_pass_nothing_is_kept_and_the_first_failure_can_be_the_last(suite: Path) -> None:
    assert run(suite, "-k", "inside or outside")[0] == 0
    assert list(suite.glob("build/rig-tests/*")) == []
    status, text = run(suite, "-x", "-k", "fails or ends")
    assert status == 1
    assert "1 failed" in text
