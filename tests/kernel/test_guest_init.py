"""What the guest's first process does that can be seen without a guest."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from testbed.rig.kernel import guest_init


def job(*argv: str) -> dict[str, Any]:
    return {"argv": argv, "cwd": "/", "env": {"PATH": os.defpath}, "interactive": False}


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -KILL $$", 128 + signal.SIGKILL)])
def test_a_command_that_has_ended_before_anybody_waits_keeps_its_status(script: str, status: int) -> None:
    with Path(os.devnull).open("wb") as nowhere:
        child = guest_init.start(job("sh", "-c", script), [nowhere.fileno()])
    assert child is not None
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert guest_init.wait(child.pid) == status


def test_a_command_that_is_not_there_is_said_as_a_shell_says_it() -> None:
    ours, theirs = os.pipe()
    assert guest_init.start(job("no-such-command"), [theirs]) is None
    os.close(theirs)
    with os.fdopen(ours, "rb") as said:
        assert said.read() == b"no-such-command: No such file or directory\n"
