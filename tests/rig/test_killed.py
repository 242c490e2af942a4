"""A controlling process is killed anywhere in a run; `testbed clean` leaves nothing of it, and all that is others'."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from click.testing import CliRunner
from rig_eyes import ip, plan

from drivers.host import processes
from testbed.cli.main import cli
from testbed.rig import undo
from testbed.rig.rig import Rig

NAME = "killed"
POINTS = 20
CERTAIN = 0.85  # the part of a run's steps that every run reaches: how often it looks for processes at its end varies
# A daemon that forks and one that does not listen to SIGTERM: neither ends with its parent.
DAEMONS = (
    ["sh", "-c", "(setsid sleep 600 &) ; exec sleep 600"],
    ["sh", "-c", "trap '' TERM; sleep 600"],
)
ROOT = Path(__file__).parents[2]
OURS = (f"{ROOT}/drivers/", f"{ROOT}/testbed/rig/")


def a_run(state: Path) -> None:
    """All that a rig does outside its process, from the reservation to the last undo."""
    rig = Rig(plan(), NAME, state)
    with rig.hold():
        rig.bring_up()
        for number, daemon in enumerate(DAEMONS):
            rig.spawn("ue", daemon, log=state / f"log{number}")
        rig.lever("lte").cut()


class Steps:
    """Counts the calls in our code, in all threads, and sends this process a signal at one of them."""

    def __init__(self, at: int, number: signal.Signals) -> None:
        self.count, self._at, self._number = 0, at, number

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if frame.f_code.co_filename.startswith(OURS):
            self.count += 1
            if self.count == self._at:
                os.kill(os.getpid(), self._number)

    def observe(self) -> None:
        threading.settrace(self)
        sys.settrace(self)


def in_a_child(state: Path, at: int = 0, number: signal.Signals = signal.SIGKILL) -> tuple[int, int]:
    """Have a run in a process of its own that gets a signal at a step: (how it ended, steps that it counted)."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        steps, code = Steps(at, number), 1
        try:
            steps.observe()
            a_run(state)
            code = 0
        except SystemExit as ended:
            code = int(str(ended.code))
        except KeyboardInterrupt:
            code = 130
        finally:
            sys.settrace(None)
            os.write(write, b"%d" % steps.count)
            os._exit(code)
    os.close(write)
    _, status = os.waitpid(child, 0)
    counted = os.read(read, 20)
    os.close(read)
    return os.waitstatus_to_exitcode(status), int(counted or 0)


def clean(state: Path) -> list[str]:
    """What `testbed clean` says it has undone."""
    finished = CliRunner().invoke(cli, ["clean", "--state", str(state), "--json"])
    assert finished.exit_code == 0, finished.output
    (rig,) = json.loads(finished.stdout)["rigs"]
    return list(rig["undone"])


def bearers_of_any_token() -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if processes.VARIABLE.encode() + b"=testbed:" + NAME.encode() in processes._environment(int(folder.name)):
            found.append(folder.name)
    return found


class World:
    """All that a run may not leave changed."""

    def __init__(self) -> None:
        self.namespaces = sorted(entry["name"] for entry in ip(None, "netns"))
        self.links = ip(None, "link")
        self.mounts = Path("/proc/self/mountinfo").read_text()
        self.theirs = ip("someoneelse", "addr")
        self.theirs_inside = subprocess.run(
            ["ip", "netns", "pids", "someoneelse"], check=True, capture_output=True, text=True
        ).stdout
        self.bearers = bearers_of_any_token()


@pytest.fixture(scope="module", autouse=True)
def impatience() -> Iterator[None]:
    """The one that does not listen is killed soon, in this process and in its children."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(undo, "PATIENCE_S", 0.3)
        yield


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Somebody else's namespace with a link and a process, beside ours."""
    subprocess.run(["ip", "netns", "add", "someoneelse"], check=True)
    their_process = subprocess.Popen(["ip", "netns", "exec", "someoneelse", "sleep", "600"])
    try:
        subprocess.run(
            ["ip", "link", "add", "theirs", "type", "veth", "peer", "theirs2", "netns", "someoneelse"], check=True
        )
        subprocess.run(["ip", "-n", "someoneelse", "addr", "add", "10.1.0.1/24", "dev", "theirs2"], check=True)
        yield World()
        assert their_process.poll() is None
    finally:
        their_process.kill()
        their_process.wait()
        subprocess.run(["ip", "netns", "delete", "someoneelse"], check=True)


def assert_as_before(world: World, state: Path) -> None:
    now = World()
    assert vars(now) == vars(world)
    assert not (state / NAME / "journal.jsonl").exists()


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory, world: World) -> int:
    """How many steps a whole run has."""
    state = tmp_path_factory.mktemp("whole")
    code, count = in_a_child(state)
    assert code == 0
    assert_as_before(world, state)
    return count


def test_killed_at_twenty_points_of_a_run_it_leaves_nothing_after_clean(
    world: World, steps: int, tmp_path: Path
) -> None:
    found = []
    for point in range(POINTS):
        at = round((point + 0.5) * steps * CERTAIN / POINTS)
        code, _ = in_a_child(tmp_path, at)
        assert code == -signal.SIGKILL, f"step {at} of {steps} was never reached"
        found.append(len(clean(tmp_path)))
        assert_as_before(world, tmp_path)
    assert max(found) >= len(plan().namespaces), f"the kills hit nothing that was worth undoing: {found}"


def test_killed_at_random_times_it_leaves_nothing_for_the_next_run(world: World, tmp_path: Path) -> None:
    dice = random.Random(2)
    for _ in range(8):
        child = os.fork()
        if child == 0:
            try:
                while True:
                    a_run(tmp_path)
            finally:
                os._exit(1)
        timer = threading.Timer(dice.uniform(0.02, 1.0), os.kill, (child, signal.SIGKILL))
        timer.start()
        os.waitpid(child, 0)
        timer.join()
    with Rig(plan(), NAME, tmp_path).hold():
        assert_as_before(world, tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_interrupted_anywhere_it_cleans_up_by_itself(
    world: World, steps: int, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    for point in range(5):
        at = round((point + 0.3) * steps * CERTAIN / 5)
        ended, _ = in_a_child(tmp_path, at, number)
        assert ended == code
        assert_as_before(world, tmp_path)
