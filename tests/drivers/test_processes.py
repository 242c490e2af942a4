"""Processes found by their token and ended in their own order."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.host import processes


@pytest.fixture
def token() -> Iterator[str]:
    token = f"test:{secrets.token_hex(8)}"
    yield token
    processes.end(token, 0)


def start(token: str, *argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, env={**os.environ, processes.VARIABLE: token}, start_new_session=True)


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


def test_a_process_and_its_children_are_found_and_nobody_else(token: str, tmp_path: Path) -> None:
    family = start(token, "sh", "-c", f"sleep 600 & echo > {tmp_path}/up; wait")
    stranger = start(token + "x", "sleep", "600")
    wait_for_file(tmp_path / "up")
    try:
        with processes.bearing(token) as found:
            assert {process.pid for process in found} > {family.pid}
            assert len(found) == 2
            assert stranger.pid not in {process.pid for process in found}
    finally:
        stranger.kill()
        stranger.wait()


def test_the_eldest_is_asked_first_and_may_end_its_children_itself(token: str, tmp_path: Path) -> None:
    child = f"trap 'echo > {tmp_path}/child-was-asked' TERM; echo > {tmp_path}/up; while :; do sleep 0.05; done"
    parent = f"""sh -c "{child}" & trap 'kill -KILL $!; exit 7' TERM; wait"""
    process = start(token, "sh", "-c", parent)
    wait_for_file(tmp_path / "up")
    processes.end(token, 5.0)
    assert process.wait(5) == 7
    assert not (tmp_path / "child-was-asked").exists()


def test_what_does_not_listen_is_killed_after_the_patience_and_not_before(token: str, tmp_path: Path) -> None:
    deaf = start(token, "sh", "-c", f"trap '' TERM; echo > {tmp_path}/up; while :; do sleep 0.05; done")
    wait_for_file(tmp_path / "up")
    begin = time.monotonic()
    told = processes.end(token, 0.5)
    assert 0.5 <= time.monotonic() - begin < 3
    assert any(line.startswith(f"process {deaf.pid} (sh), by force") for line in told)
    assert deaf.wait(5) == -signal.SIGKILL


def test_a_stopped_process_is_ended_too(token: str) -> None:
    stopped = start(token, "sleep", "600")
    stopped.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)  # before it stands still it would obey SIGTERM
    processes.end(token, 0.2)
    assert stopped.wait(5) == -signal.SIGKILL


def test_a_process_in_the_middle_of_becoming_another_is_found_each_time(token: str) -> None:
    again_and_again = 'while :; do for n in 1 2 3 4 5 6 7 8; do : ; done; exec sh -c "$0" "$0"; done'
    start(token, "sh", "-c", again_and_again, again_and_again)
    for _ in range(200):
        with processes.bearing(token) as found:
            assert len(found) == 1


def test_where_there_is_nothing_to_end_nothing_is_waited_for(token: str) -> None:
    begin = time.monotonic()
    assert processes.end(token, 5.0) == []
    assert time.monotonic() - begin < 2
