"""`testbed run` as a process: ended by Ctrl-C in the middle it leaves nothing but its evidence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

TESTBED = [sys.executable, "-m", "testbed.cli.main", "run"]


@contextmanager
def running(tmp_path: Path, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process group of its own, its standard error to be read."""
    command = [*TESTBED, *argv, "--runs", str(tmp_path / "runs"), "--rig", "cmd"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(stream: IO[str], *words: str) -> str:
    """Read until a line has all the words; what was read.  The test's own time limit is the deadline."""
    said = ""
    for line in stream:
        said += line
        if all(word in line for word in words):
            return said
    raise AssertionError(f"never said {words}:\n{said}")


@pytest.mark.parametrize("stage", ["rig", "core", "register"])
def test_ctrl_c_undoes_the_rig_and_keeps_the_evidence(tmp_path: Path, stage: str) -> None:
    with running(tmp_path, "global-reregistration", "--json") as process:
        assert process.stderr is not None
        wait_for(process.stderr, stage, "begins")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted: the rig is undone" in err
    assert "Traceback" not in err
    assert json.loads(out)["runs"] == []
    assert [path.name for path in Path("/run/netns").glob("cmd-*")] == []
    assert left_behind("cmd-") == []
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "topology.yaml").is_file()


def left_behind(mark: str) -> list[str]:
    """Command lines of processes that know of the rig."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in words or "kamailio" in words or "testbed.ue" in words or "dumpcap" in words:
            found.append(words)
    return found
