"""Everything that can be wrong with a host by SSH, made to be wrong for real: each its own error with its mend."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from ssh_server import SSHD, SshServer, make_key, ssh_server, trust

from drivers.host import processes, ssh_scripts
from drivers.host.errors import (
    ChangedHostKey,
    ConnectionLost,
    ConnectionTrouble,
    HostSilent,
    KeyRefused,
    NoAnswer,
    NoRoute,
    PasswordNeeded,
    Refused,
    UnknownHostKey,
)
from drivers.host.ssh import SshHost

pytestmark = pytest.mark.skipif(not SSHD, reason="no sshd: install openssh-server")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path) as server:
        yield server


def wait_until(what: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def in_background(act: Callable[[], object]) -> Future[object]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(act)
    pool.shutdown(wait=False)
    return future


def test_nobody_listens(server: SshServer) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, and nothing listens
        port = held.getsockname()[1]
        with pytest.raises(Refused, match=rf"mend: start its SSH server.*{port}"):
            SshHost(server.target(port=port)).run(["true"])


def test_a_name_that_nobody_knows(server: SshServer) -> None:
    with pytest.raises(NoRoute, match="nobody knows that name"):
        SshHost(server.target(address="ap.invalid")).run(["true"])


def test_something_that_listens_and_says_nothing(server: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = SshHost(server.target(port=silent.getsockname()[1], connect_s=0.5))
        with pytest.raises((NoAnswer, UnknownHostKey)) as trouble:
            host.run(["true"])
        assert isinstance(trouble.value, NoAnswer)


def test_a_server_that_is_frozen_when_we_come(server: SshServer) -> None:
    server.process.send_signal(signal.SIGSTOP)
    with pytest.raises(NoAnswer, match="mend: look whether"):
        SshHost(server.target(connect_s=0.5)).run(["true"])
    server.process.send_signal(signal.SIGCONT)
    with SshHost(server.target()) as host:
        assert host.run(["echo", "back"]) == "back\n"


def test_a_key_that_nobody_knows_is_not_accepted_and_its_fingerprint_is_told(server: SshServer) -> None:
    (server.folder / "known_hosts").write_text("")
    fingerprint = subprocess.run(
        ["ssh-keygen", "-lf", str(server.folder / "host_key.pub")], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    with pytest.raises(UnknownHostKey) as unknown:
        SshHost(server.target()).run(["true"])
    assert fingerprint in str(unknown.value)
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {server.folder}/known_hosts" in str(unknown.value)
    assert (server.folder / "known_hosts").read_text() == ""
    assert "Accepted publickey" not in server.log()


def test_a_key_that_has_changed_is_not_accepted(server: SshServer) -> None:
    make_key(server.folder / "another")
    trust(server, server.folder / "another.pub")
    with pytest.raises(ChangedHostKey) as changed:
        SshHost(server.target()).run(["true"])
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in str(changed.value)
    assert "Accepted publickey" not in server.log()


def test_a_key_that_the_host_does_not_take(server: SshServer) -> None:
    make_key(server.folder / "stranger")
    with pytest.raises(KeyRefused, match=rf"mend: put our key there: ssh-copy-id .*-p {server.port}"):
        SshHost(server.target(key=server.folder / "stranger")).run(["true"])


def test_a_key_that_is_not_there(server: SshServer) -> None:
    with pytest.raises(KeyRefused, match="there is no key"):
        SshHost(server.target(key=server.folder / "none")).run(["true"])


def test_a_key_that_is_none(server: SshServer) -> None:
    (server.folder / "junk").write_text("this is no key\n")
    with pytest.raises(KeyRefused, match="cannot be read"):
        SshHost(server.target(key=server.folder / "junk")).run(["true"])


def test_a_key_that_is_locked(server: SshServer) -> None:
    make_key(server.folder / "locked", passphrase="secret words")
    with pytest.raises(KeyRefused, match=r"locked[\s\S]*ssh-add"):
        SshHost(server.target(key=server.folder / "locked")).run(["true"])


def test_a_host_that_asks_for_a_password(tmp_path: Path) -> None:
    with (
        ssh_server(tmp_path, "PubkeyAuthentication no", "PasswordAuthentication yes") as server,
        pytest.raises(PasswordNeeded, match=r"asks for a password[\s\S]*ssh-copy-id"),
    ):
        SshHost(server.target()).run(["true"])


def test_a_host_that_allows_no_further_session_says_so_and_the_connection_stands(tmp_path: Path) -> None:
    with ssh_server(tmp_path, "MaxSessions 1") as server, SshHost(server.target()) as host:
        process = host.start(["sleep", "600"])
        with pytest.raises(Refused, match="MaxSessions"):
            host.run(["true"])
        assert process.status is None


def test_one_connection_is_kept_for_all_commands(server: SshServer) -> None:
    with SshHost(server.target()) as host:
        for _ in range(5):
            host.run(["true"])
    assert server.log().count("Accepted publickey") == 1


def test_a_connection_that_broke_in_between_is_made_again(server: SshServer) -> None:
    with SshHost(server.target()) as host:
        assert host.run(["echo", "one"]) == "one\n"
        server.signal_sessions(signal.SIGKILL)
        assert host.run(["echo", "two"]) == "two\n"
    assert server.log().count("Accepted publickey") == 2


def test_a_connection_that_is_killed_in_the_middle_of_a_command_is_told_and_the_next_one_runs(
    server: SshServer, tmp_path: Path
) -> None:
    with SshHost(server.target()) as host:
        mark = secrets.token_hex(8)
        environment = {processes.VARIABLE: mark}
        running = in_background(
            lambda: host.run(["sh", "-c", f"echo >> {tmp_path}/began; sleep 600"], environment=environment)
        )
        wait_until(lambda: (tmp_path / "began").exists() and (tmp_path / "began").read_text())
        try:
            server.signal_sessions(signal.SIGKILL)
            with pytest.raises(ConnectionLost, match="broke while a command ran"):
                running.result(20)
            assert (tmp_path / "began").read_text() == "\n"  # it was not begun a second time
            assert host.run(["echo", "again"]) == "again\n"
            assert host.end_all(mark, 1.0)  # what it left is found by its token
            assert bearing(mark) == []
        finally:
            processes.end(mark, 0)


@pytest.mark.parametrize("when", ["running", "before"])
def test_a_host_that_freezes_is_noticed_within_its_time_and_used_again_when_it_is_back(
    server: SshServer, when: str
) -> None:
    mark = secrets.token_hex(8)
    with SshHost(server.target(silence_s=1.0, connect_s=5.0), {processes.VARIABLE: mark}) as host:
        host.run(["true"])
        if when == "running":
            waiting = in_background(lambda: host.run(["sleep", "600"], timeout_s=600))
            wait_until(lambda: any("(sleep)" in each for each in bearing(mark)))
            server.signal_sessions(signal.SIGSTOP)
        else:
            server.signal_sessions(signal.SIGSTOP)
            waiting = in_background(lambda: host.run(["true"], timeout_s=600))
        with pytest.raises(HostSilent, match=r"silent for 1 s[\s\S]*mend"):
            waiting.result(30)
        assert host.run(["echo", "new connection"]) == "new connection\n"
        assert len(host.end_all(mark, 1.0)) == (when == "running")
        server.signal_sessions(signal.SIGCONT)


def test_a_quiet_host_that_lives_is_not_taken_for_frozen(server: SshServer) -> None:
    with SshHost(server.target(silence_s=0.4)) as host:
        assert host.run(["sh", "-c", "sleep 2; echo awake"]) == "awake\n"


def test_a_long_process_is_told_of_the_lost_connection_and_ends_over_there(server: SshServer, tmp_path: Path) -> None:
    mark = secrets.token_hex(8)
    with SshHost(server.target(), {processes.VARIABLE: mark}) as host:
        script = f"trap 'echo asked > {tmp_path}/asked; exit' TERM; echo > {tmp_path}/up; sleep 600 & wait"
        process = host.start(["sh", "-c", script])
        wait_until((tmp_path / "up").exists)
        server.signal_sessions(signal.SIGKILL)
        with pytest.raises(ConnectionLost):
            process.wait(20)
        wait_until(lambda: not bearing(mark))
        assert (tmp_path / "asked").read_text() == "asked\n"


def test_closing_the_host_ends_its_long_processes(server: SshServer, tmp_path: Path) -> None:
    mark = secrets.token_hex(8)
    with SshHost(server.target(), {processes.VARIABLE: mark}) as host:
        process = host.start(["sh", "-c", f"echo > {tmp_path}/up; exec sleep 600"])
        wait_until((tmp_path / "up").exists)
    wait_until(lambda: not bearing(mark))
    with pytest.raises(ConnectionTrouble):
        process.wait(1)


def test_ten_threads_share_one_host(server: SshServer) -> None:
    with SshHost(server.target()) as host, ThreadPoolExecutor(8) as pool:
        said = pool.map(lambda number: host.run(["echo", str(number)]), range(40))
        assert list(said) == [f"{number}\n" for number in range(40)]
    assert server.log().count("Accepted publickey") == 1


def test_a_file_whose_writing_is_cut_off_stays_as_it_was(tmp_path: Path) -> None:
    """The far `cat` waits until the connection is dead: what came until then is only a part."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "cat").write_text(f'#!/bin/sh\n: > {tmp_path}/began\nexec /bin/cat "$@"\n')
    (tools / "cat").chmod(0o755)
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with ssh_server(tmp_path, f"SetEnv PATH={tools}:/usr/bin:/bin") as server, SshHost(server.target()) as host:
        writing = in_background(lambda: host.write(str(path), b"x" * 30_000_000, timeout_s=120))
        wait_until((tmp_path / "began").exists)
        server.signal_sessions(signal.SIGSTOP)  # no more comes through
        server.signal_sessions(signal.SIGKILL)
        with pytest.raises(ConnectionTrouble):
            writing.result(60)
        wait_until(lambda: not list(tmp_path.glob("file.*.new")))
        assert path.read_bytes() == b"old"


@pytest.mark.parametrize("given", [b"", b"12345"])
def test_the_far_side_keeps_the_old_file_when_less_came_than_was_said(tmp_path: Path, given: bytes) -> None:
    (tmp_path / "file").write_bytes(b"old")
    argv = ["sh", "-c", ssh_scripts.WRITE, "sh", f"{tmp_path}/new", "644", f"{tmp_path}/file", "6"]
    done = subprocess.run(argv, input=given, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"in part" in done.stderr
    assert (tmp_path / "file").read_bytes() == b"old"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("mode", [0o000, 0o644, 0o755, 0o4755, 0o2750, 0o1777, 0o6644, 0o7000])
def test_permissions_are_read_from_what_ls_says(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    listed = subprocess.run(["ls", "-ldL", "--", str(path)], check=True, capture_output=True, text=True).stdout
    assert ssh_scripts.mode(listed) == mode


def bearing(mark: str) -> list[str]:
    with processes.bearing(mark) as found:
        return [str(process) for process in found]
