"""What every host does alike: this machine, and a machine by SSH (here through a real sshd)."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ssh_server import SSHD, SshServer, ssh_server

from drivers.errors import DriverError
from drivers.host import processes
from drivers.host.errors import CommandFailed, FileTrouble, TimeUp
from drivers.host.local import LocalHost
from drivers.host.ssh import SshHost
from drivers.protocols import Host

ODD = ["a b", "'", '"', "$HOME", "`id`", "*", "", "-n", "new\nline", "\\", "ä", ";", "&&", "!x", "~"]
FORKING = "trap 'echo asked; exit 5' TERM; sleep 600 & echo up; wait"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    if not SSHD:
        pytest.skip("no sshd: install openssh-server")
    with ssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    if request.param == "local":
        yield LocalHost()
        return
    with SshHost(request.getfixturevalue("server").target()) as host:
        yield host


class Lines:
    """What a long process said so far."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._news = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._news:
            self.said.append(line)
            self._news.notify_all()

    def wait_for(self, line: str, within_s: float = 20.0) -> None:
        with self._news:
            assert self._news.wait_for(lambda: line in self.said, within_s), f"{line!r} never came: {self.said}"


def wait_until(what: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def test_arguments_reach_the_command_as_they_are(host: Host) -> None:
    show = "import sys; sys.stdout.write('\\0'.join(sys.argv[1:]))"
    assert host.run([sys.executable, "-c", show, *ODD]).split("\0") == ODD


def test_output_errors_status_input_and_environment(host: Host) -> None:
    script = 'read word; echo "$word $NAME"; echo oh >&2; exit 3'
    completed = host.execute(["sh", "-c", script], stdin=b"hello\n", environment={"NAME": "a 'b' $c"})
    assert (completed.status, completed.stdout, completed.stderr) == (3, "hello a 'b' $c\n", "oh\n")


def test_a_signal_is_told_as_a_shell_tells_it(host: Host) -> None:
    assert host.execute(["sh", "-c", "kill -KILL $$"]).status == 128 + signal.SIGKILL


def test_a_command_that_fails_says_what_it_said(host: Host) -> None:
    with pytest.raises(CommandFailed, match=r"`sh -c .*` ended with status 2: no such radio") as failed:
        host.run(["sh", "-c", "echo no such radio >&2; exit 2"])
    assert failed.value.completed.status == 2
    assert failed.value.where == host.name


def test_a_command_that_is_not_there_is_named_with_the_mend(host: Host) -> None:
    with pytest.raises(DriverError, match=r"hostapdd[\s\S]*mend: install"):
        host.run(["hostapdd"])


def test_a_large_output_and_input_pass_whole(host: Host) -> None:
    data = secrets.token_hex(1_500_000)
    assert host.run(["sh", "-c", "echo start >&2; cat"], stdin=data.encode(), timeout_s=120) == data


def test_much_on_both_streams_does_not_come_to_a_halt(host: Host) -> None:
    script = "for i in $(seq 300); do printf '%04000d' 0; printf '%04000d' 0 >&2; done"
    completed = host.execute(["sh", "-c", script], timeout_s=120)
    assert (len(completed.stdout), len(completed.stderr)) == (1_200_000, 1_200_000)


def test_a_command_whose_time_is_up_is_ended_with_its_children(host: Host, tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/parent; wait"
    with pytest.raises(TimeUp, match="took longer than 1 s and was ended"):
        host.run(["sh", "-c", script], timeout_s=1.0)
    for who in ("parent", "child"):
        assert not alive(int((tmp_path / who).read_text()))


def test_a_daemon_that_a_command_leaves_behind_does_not_hold_it_up(host: Host) -> None:
    begin = time.monotonic()
    token = f"left-{secrets.token_hex(4)}"
    try:
        assert host.run(["sh", "-c", "sleep 60 & echo done"], environment={processes.VARIABLE: token}) == "done\n"
        assert time.monotonic() - begin < 30
    finally:
        assert len(processes.end(token, 1.0)) == 1


def test_lines_come_as_they_are_said_and_lie_in_the_log(host: Host, tmp_path: Path) -> None:
    lines, log, go = Lines(), tmp_path / "log", tmp_path / "go"
    log.write_text("before\n")
    script = f"echo one; echo two >&2; while ! [ -e {go} ]; do sleep 0.05; done; printf three; exit 4"
    process = host.start(["sh", "-c", script], on_line=lines, log=log)
    lines.wait_for("one")
    lines.wait_for("two")
    assert process.status is None
    go.touch()
    assert process.wait(20) == 4
    lines.wait_for("three")
    assert process.status == 4
    wait_until(lambda: log.read_text() in ("before\none\ntwo\nthree", "before\ntwo\none\nthree"))
    assert process.end() == []


def test_waiting_for_a_long_process_has_its_time(host: Host) -> None:
    process = host.start(["sleep", "600"])
    with pytest.raises(TimeUp, match=r"still runs after 0\.2 s"):
        process.wait(0.2)
    assert len(process.end()) == 1
    assert process.wait(5) == 128 + signal.SIGTERM


def test_a_long_process_that_is_ended_at_once_does_not_outlive_that(host: Host) -> None:
    mark = secrets.token_hex(8)
    for _ in range(5):
        process = host.start(["sleep", "600"], environment={processes.VARIABLE: mark})
        process.end(1.0)
        with processes.bearing(mark) as found:
            assert not found


def test_a_long_process_is_asked_and_its_children_end_too(host: Host) -> None:
    lines = Lines()
    process = host.start(["sh", "-c", FORKING], on_line=lines)
    lines.wait_for("up")
    ended = process.end(2.0)
    assert process.wait(5) == 5
    assert [line.split("(")[1] for line in ended] == ["sh)", "sleep)"]
    lines.wait_for("asked")


def test_a_long_process_that_does_not_listen_is_ended_by_force(host: Host) -> None:
    lines = Lines()
    process = host.start(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], on_line=lines)
    lines.wait_for("up")
    ended = process.end(0.3)
    assert any(line.endswith("(sh), by force") for line in ended)
    assert process.wait(5) == 128 + signal.SIGKILL


def test_ending_one_process_leaves_another_alone(host: Host) -> None:
    one, other = host.start(["sleep", "600"]), host.start(["sleep", "600"])
    one.end()
    assert other.status is None
    other.end()


def test_a_file_is_written_read_and_removed_with_its_permissions(host: Host, tmp_path: Path) -> None:
    path, data = tmp_path / "a 'file' $x", bytes(range(256)) * 1000
    host.write(str(path), data, mode=0o640)
    assert path.read_bytes() == data
    assert host.read(str(path)) == data
    assert host.mode(str(path)) == 0o640
    host.write(str(path), b"new", mode=0o4711)
    assert (path.read_bytes(), host.mode(str(path))) == (b"new", 0o4711)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    host.remove(str(path))
    host.remove(str(path))
    assert not path.exists()


def test_a_file_is_never_there_in_part(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 100_000)
    seen, over = set(), threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(path.read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    for letter in (b"b", b"c", b"d"):
        host.write(str(path), letter * 100_000)
    over.set()
    looking.join()
    assert {len(each) for each in seen} == {100_000}


def test_what_is_wrong_with_a_file_is_named(host: Host, tmp_path: Path) -> None:
    missing = str(tmp_path / "none" / "file")
    for act in (host.read, host.mode, lambda path: host.write(path, b"x"), lambda _: host.remove(str(tmp_path))):
        with pytest.raises(FileTrouble, match=str(tmp_path)) as trouble:
            act(missing)
        assert trouble.value.where == host.name


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_test_can_tell_the_living() -> None:
    assert alive(os.getpid())
