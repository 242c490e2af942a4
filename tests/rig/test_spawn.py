"""Processes of a rig: where they run, what they inherit, and that none outlives the rig or its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rig_eyes import brought_up, plan

from drivers.host import processes
from testbed.rig import undo
from testbed.rig.rig import Rig

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with brought_up(tmp_path_factory.mktemp("state"), "spawn") as rig:
        yield rig


def wait_for(what: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_runs_in_the_namespace_of_its_host_and_we_stay_where_we_are(rig: Rig, tmp_path: Path) -> None:
    ours = Path("/proc/thread-self/ns/net").readlink()
    log = tmp_path / "log"
    assert rig.spawn("ue", ["readlink", "/proc/self/ns/net"], log=log).wait(10) == 0
    inode = Path(f"/run/netns/{rig.namespace('ue')}").stat().st_ino
    assert log.read_text().strip() == f"net:[{inode}]"
    assert Path("/proc/thread-self/ns/net").readlink() == ours


def test_a_process_gets_environment_descriptors_and_input_and_its_words_are_appended_to_the_log(
    rig: Rig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    read, write = os.pipe()
    shell = f'echo "$WORD $(cat)"; echo to stderr >&2; echo through > /proc/self/fd/{write}'
    source, sink = os.pipe()
    process = rig.spawn(
        "hss", ["sh", "-c", shell], log=log, environment={"WORD": "hello"}, pass_fds=[write], stdin=source
    )
    os.close(write)
    os.close(source)
    os.write(sink, b"there")
    os.close(sink)
    assert process.wait(10) == 0
    assert log.read_text() == "before\nhello there\nto stderr\n"
    assert os.read(read, 100) == b"through\n"
    os.close(read)


def test_a_process_leads_a_session_of_its_own_so_that_an_interrupt_is_not_for_it(rig: Rig) -> None:
    process = rig.spawn("ue", ["sleep", "600"])
    assert os.getsid(process.pid) == process.pid
    process.kill()
    process.wait()


def test_a_process_started_from_a_thread_that_has_ended_lives_on(rig: Rig) -> None:
    started: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: started.append(rig.spawn("ue", ["sleep", "600"])))
    thread.start()
    thread.join()
    with pytest.raises(subprocess.TimeoutExpired):
        started[0].wait(0.3)
    started[0].kill()
    started[0].wait()


def test_a_command_that_does_not_exist_says_so_in_its_log(rig: Rig, tmp_path: Path) -> None:
    process = rig.spawn("ue", ["kamailoi"], log=tmp_path / "log")
    assert process.wait(10) == 127
    assert "kamailoi" in (tmp_path / "log").read_text()


def test_tearing_down_ends_daemons_that_forked_and_kills_those_that_do_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "PATIENCE_S", 1.0)
    with brought_up(tmp_path, "ends") as rig:
        daemon = "(setsid sleep 601 & setsid sleep 602 &) ; exec sleep 603"
        forked = rig.spawn("ue", ["sh", "-c", daemon])
        deaf = rig.spawn("hss", [sys.executable, "-c", STUBBORN], log=tmp_path / "deaf")
        token = _token(forked.pid)
        wait_for(lambda: _count(token) == 4 and (tmp_path / "deaf").read_text())
        told: list[str] = []
        rig.tear_down(told.append)
        assert sum(line.startswith("ended process") for line in told) == 4
        (forced,) = (line for line in told if "by force" in line)
        assert forced.startswith(f"ended process {deaf.pid} (")
        assert forked.returncode == -signal.SIGTERM
        assert deaf.returncode == -signal.SIGKILL
        assert _count(token) == 0


def test_processes_that_bear_another_token_or_only_part_of_it_are_not_touched(tmp_path: Path) -> None:
    with brought_up(tmp_path, "alike") as rig:
        token = _token(rig.spawn("ue", ["sleep", "600"]).pid)
        others = [
            subprocess.Popen(["sleep", "600"], env={**os.environ, name: value})
            for name, value in (
                ("TESTBED_TOKEN", token + "0"),
                ("TESTBED_TOKEN", token[:-1]),
                ("MY_TESTBED_TOKEN", token),
                ("ANOTHER", f"TESTBED_TOKEN={token}"),
            )
        ]
    try:
        assert all(other.poll() is None for other in others)
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_when_the_holder_is_killed_its_processes_end_by_themselves(tmp_path: Path) -> None:
    read, write = os.pipe()
    holder = os.fork()
    if holder == 0:
        try:
            with brought_up(tmp_path, "orphan") as rig:
                rig.spawn("ue", ["sh", "-c", f"echo $$ > /proc/self/fd/{write}; exec sleep 600"], pass_fds=[write])
                signal.pause()
        finally:
            os._exit(1)
    pid = int(os.read(read, 100))
    os.close(read)
    os.close(write)
    assert alive(pid)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    wait_for(lambda: not alive(pid))
    with Rig(plan(), "orphan", tmp_path).hold():
        pass


def _token(pid: int) -> str:
    environment = processes._environment(pid).decode()
    variables = dict(item.split("=", 1) for item in environment.split("\0") if "=" in item)
    return variables[processes.VARIABLE]


def _count(token: str) -> int:
    with processes.bearing(token) as found:
        return len(found)
