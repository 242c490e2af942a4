"""Nothing of a guest outlives its controller, however that dies, and nobody else's guest is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from controller import DEADLINE_S, EXEC, WITHOUT_NAMESPACE, Controller, carriers, guest_folders, until

from testbed.rig.kernel import guest_folder, guest_process

pytestmark = pytest.mark.usefixtures("guests")
BUSY = ("sh", "-c", "setsid sleep 1000 & sleep 1000 & echo ready; wait")


def test_nothing_of_a_guest_survives_a_controller_that_is_killed(temporary: Path) -> None:
    if guest_process.contained() == guest_process.WITHOUT_PARENT:
        pytest.skip("this host lets us make no PID namespace; the next test shows what happens then")
    controller = Controller(temporary, *BUSY)
    folder = controller.say_ready()
    controller.signal(signal.SIGKILL)
    controller.process.wait(DEADLINE_S)
    assert until(lambda: carriers(folder) == [])
    assert guest_folders(temporary) == [folder]  # nobody lives who could remove it

    environment = {**os.environ, "TMPDIR": str(temporary)}
    clean = [*EXEC[:-2], "clean", "--state", str(temporary / "state")]
    for options, told in (["--dry-run"], "would be removed"), ([], "removed"):
        done = subprocess.run([*clean, *options], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == f"{folder}: a dead guest's folder {told}\n"
    assert guest_folders(temporary) == []


def test_where_no_pid_namespace_is_allowed_the_next_start_removes_what_was_left(temporary: Path) -> None:
    program = (sys.executable, "-P", "-c", WITHOUT_NAMESPACE, "kernel", "exec")
    controller = Controller(temporary, *BUSY, program=program)
    folder = controller.say_ready()
    controller.signal(signal.SIGKILL)
    controller.process.wait(DEADLINE_S)
    assert guest_folders(temporary) == [folder]

    status, out, _ = Controller(temporary, "echo", "next", program=program).result()
    assert (status, out) == (0, b"next\n")
    assert carriers(folder) == []
    assert guest_folders(temporary) == []


def test_the_guest_of_a_living_controller_is_left_alone(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    controller = Controller(temporary, "sh", "-c", script)
    folder = controller.say_ready()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert guest_folder.leftovers() == []
    assert guest_folder.remove_leftovers() == []
    assert folder.exists()
    controller.signal(signal.SIGTERM)
    assert controller.result()[0] == 3
    assert guest_folders(temporary) == []


def test_folders_that_are_not_a_guests_are_left_alone(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    (temporary / "testbed-guest-abc.log").write_text("a log that was kept for the user")
    (temporary / "testbed-guest-dead").mkdir()
    (temporary / "other").mkdir()
    assert guest_folder.remove_leftovers() == [temporary / "testbed-guest-dead"]
    assert {path.name for path in temporary.iterdir()} == {"testbed-guest-abc.log", "other"}
