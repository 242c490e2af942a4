"""A whole run, real core and UEs and all, killed with SIGKILL at twenty points: the next `testbed clean` undoes it.

Beside it stand a namespace, a link and a process of somebody else's, which must be as they were.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_run_command import left_behind, running, wait_for

CLEAN = [sys.executable, "-m", "testbed.cli.main", "clean", "--rig", "cmd", "--json"]
# A line of the run's progress, and how long after it the run is killed (seconds).
POINTS = [
    ("rig begins", 0.0), ("rig begins", 0.05), ("rig begins", 0.1), ("11 namespaces", 0.0), ("shaped links", 0.0),
    ("core begins", 0.0), ("core begins", 0.2), ("core begins", 0.6), ("core begins", 1.5), ("core begins", 3.0),
    ("ue begins", 0.0), ("register begins", 0.0), ("register begins", 0.1), ("call begins", 0.1), ("call begins", 1.0),
    ("trigger done", 0.0), ("hangup begins", 0.0), ("hangup begins", 0.5), ("analysis begins", 0.0),
    ("analysis begins", 0.3),
]  # fmt: skip


@pytest.fixture(scope="module")
def somebody_else() -> Iterator[subprocess.Popen[bytes]]:
    for arguments in (
        ("netns", "add", "someoneelse"),
        ("-n", "someoneelse", "link", "add", "theirs", "type", "veth", "peer", "name", "end"),
        ("link", "add", "someone0", "type", "dummy"),
    ):
        subprocess.run(["ip", *arguments], check=True)
    process = subprocess.Popen(["ip", "netns", "exec", "someoneelse", "sleep", "600"])
    yield process
    process.kill()
    process.wait()
    subprocess.run(["ip", "link", "del", "someone0"], check=True)
    subprocess.run(["ip", "netns", "del", "someoneelse"], check=True)


def theirs() -> str:
    """What somebody else has, as iproute2 sees it: in a namespace of its own, and all links of the root namespace."""
    commands = (["ip", "-n", "someoneelse", "-j", "link"], ["ip", "-j", "link"])
    return "".join(subprocess.run(command, check=True, capture_output=True, text=True).stdout for command in commands)


def ours() -> dict[str, list[str]]:
    """What is left of the run: namespaces, processes, mounts."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return {
        "namespaces": [path.name for path in Path("/run/netns").glob("cmd-*")],
        "processes": left_behind("cmd-"),
        "mounts": [mount for mount in mounts if "cmd-" in mount],
    }


@pytest.mark.parametrize(("line", "after_s"), POINTS, ids=[f"{line} +{after}" for line, after in POINTS])
def test_what_a_killed_run_leaves_is_undone_and_nothing_else(
    tmp_path: Path, somebody_else: subprocess.Popen[bytes], line: str, after_s: float
) -> None:
    before = theirs()
    settings = ("--set", "settle_s=2", "--set", "tail_s=1", "--set", "expect.max_lateness_p99_ms=10000")
    with running(tmp_path, "global-reregistration", *settings) as process:
        assert process.stderr is not None
        wait_for(process.stderr, *line.split())
        time.sleep(after_s)  # the point itself, not a wait for something
        assert process.poll() is None, "the run was over before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    cleaned = subprocess.run(CLEAN, capture_output=True, text=True, check=False, timeout=60)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert not any(ours().values()), ours()
    assert theirs() == before and somebody_else.poll() is None
    again = json.loads(subprocess.run(CLEAN, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert again["rigs"][0]["undone"] == []
