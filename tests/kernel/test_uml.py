"""A command in a guest behaves as if it ran on the host: output, status, signals, files."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from controller import DEADLINE_S, Controller, carriers, guest_folders, until

from testbed.errors import RigError
from testbed.rig.kernel import guest_process, uml

pytestmark = pytest.mark.usefixtures("guests")


def test_output_errors_and_status_come_out_as_they_went_in_within_ten_seconds(temporary: Path) -> None:
    begun = time.monotonic()
    status, out, err = Controller(temporary, "sh", "-c", "echo out; echo err >&2; exit 7").result()
    assert (status, out, err) == (7, b"out\n", b"err\n")
    assert time.monotonic() - begun < 10.0
    assert list(temporary.iterdir()) == []


def test_a_kernel_of_its_own_in_which_we_are_root_and_orphans_are_buried(temporary: Path) -> None:
    script = "id -u; uname -r; (setsid true &); sleep 0.2; ps -eo stat | grep -c Z"
    status, out, _ = Controller(temporary, "sh", "-c", script).result()
    user, release, zombies = out.split()
    assert (user, zombies) == (b"0", b"0")
    build = uml.best()
    assert build is not None
    assert release.decode() == build.release != os.uname().release
    assert status == 1  # grep counted none


def test_ten_megabytes_of_any_octets_pass_unchanged(temporary: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(10_000_000))
    status, out, _ = Controller(temporary, "cat", str(data)).result()
    assert status == 0
    assert hashlib.sha256(out).digest() == hashlib.sha256(data.read_bytes()).digest()


def test_output_and_errors_that_go_to_one_place_keep_their_order(temporary: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done"
    _, out, _ = Controller(temporary, "sh", "-c", script, stderr=subprocess.STDOUT).result()
    assert out.decode().splitlines() == [f"{kind} {i}" for i in range(1, 10) for kind in ("out", "err")]


def test_a_command_whose_reader_has_gone_runs_to_its_end(temporary: Path) -> None:
    controller = Controller(temporary, "sh", "-c", "echo ready; seq 100000; echo end >&2; exit 5")
    controller.say_ready()
    assert controller.process.stdout is not None and controller.process.stderr is not None
    controller.process.stdout.close()
    assert controller.process.wait(DEADLINE_S) == 5
    assert controller.process.stderr.read() == b"end\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_command_which_may_clean_up(temporary: Path, number: signal.Signals) -> None:
    script = f"trap 'echo cleaned; exit 9' {number.value}; echo ready; while :; do sleep 0.05; done"
    controller = Controller(temporary, "sh", "-c", script)
    controller.say_ready()
    controller.signal(number)
    assert controller.result()[:2] == (9, b"cleaned\n")


def test_a_signal_that_comes_while_the_guest_starts_is_not_lost(temporary: Path) -> None:
    controller = Controller(temporary, "sleep", "1000")
    assert until(lambda: any(carriers(folder) for folder in guest_folders(temporary)))
    controller.signal(signal.SIGINT)
    assert controller.result()[0] == 128 + signal.SIGINT


def test_a_command_that_a_signal_ended_and_one_that_is_not_there_have_the_shells_status(temporary: Path) -> None:
    assert Controller(temporary, "sh", "-c", "kill -KILL $$").result()[0] == 128 + signal.SIGKILL
    status, _, err = Controller(temporary, "no-such-command").result()
    assert (status, err) == (127, b"no-such-command: No such file or directory\n")
    assert Controller(temporary, "sh", "-c", "exit 125").result()[0] == 125  # what a guest that failed uses itself


def test_only_writable_folders_are_written(temporary: Path, tmp_path: Path) -> None:
    writable, other = tmp_path / "new" / "with blanks", tmp_path / "other"
    other.mkdir()
    script = 'echo kept > "$0/file"; echo lost > "$1/file"; cat "$1/file"'
    options = ["--writable", str(writable)]
    status, out, _ = Controller(temporary, "sh", "-c", script, str(writable), str(other), options=options).result()
    assert (status, out) == (0, b"lost\n")
    assert (writable / "file").read_text() == "kept\n"
    assert list(other.iterdir()) == []


def test_an_ordinary_user_is_root_inside(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("every other test shows it: we are no root")
    python, nobody = "/usr/bin/python3", 65534
    if not Path(python).exists():
        pytest.skip(f"{python}, which any user can read, is not there")
    home = Path("/tmp") / f"testbed-test-{os.getpid()}"  # nobody cannot enter pytest's folders
    home.mkdir(mode=0o755)
    try:
        for package in ("testbed", "drivers"):
            source = Path(__file__).parents[2] / package
            shutil.copytree(source, home / package, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in ("temporary", "evidence"):
            (home / folder).mkdir()
            os.chown(home / folder, nobody, nobody)
        code = "import sys; from pathlib import Path; from testbed.rig.kernel.uml import GuestCommand, run\n"
        code += "sys.exit(run(GuestCommand(sys.argv[2:], [Path(sys.argv[1])])))"
        argv = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", python, "-c", code]
        script = "id -u; mount -t tmpfs none /mnt && ip netns add a && ip netns list; echo kept >$0/file\n"
        script += "dumpcap -i lo -a duration:1 -w $0/capture"
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(home), "TMPDIR": str(home / "temporary"), "HOME": "/"}
        evidence = home / "evidence"
        ran = subprocess.run(
            [*argv, str(evidence), "sh", "-c", script, str(evidence)],
            env=environment,
            cwd="/",
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (0, b"0\na\n"), ran.stderr
        assert (evidence / "file").stat().st_uid == nobody
        assert (evidence / "capture").stat().st_size > 0, "dumpcap gives up root's right to write anywhere"
        assert guest_folders(home / "temporary") == []
    finally:
        shutil.rmtree(home)


def test_a_guest_that_does_not_start_says_why_and_its_log_is_kept(
    monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr(guest_process, "init", lambda _: ["init=/nowhere"])
    with pytest.raises(RigError, match="did not start") as raised:
        uml.run(uml.GuestCommand(["true"]))
    (log,) = temporary.iterdir()
    assert str(log) in str(raised.value)
    assert "/nowhere" in log.read_text()
    assert raised.value.mend == "see `testbed doctor`"


def test_a_guest_that_never_gets_ready_is_killed(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr(uml, "START_DEADLINE_S", 1.0)
    monkeypatch.setattr(guest_process, "init", lambda _: ["init=/bin/sleep", "--", "1000"])
    with pytest.raises(RigError, match="did not start"):
        uml.run(uml.GuestCommand(["true"]))
