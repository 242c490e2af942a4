"""Hosts that really refuse what a guest or a kernel's build needs: each says what is in the way, and the mend."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from controller import DEADLINE_S
from test_build import Bench

from testbed.rig.kernel import rig_kernel

HERE = Path(__file__).parent
TESTBED = (sys.executable, "-P", "-m", "testbed.cli.main")
EXEC = (*TESTBED, "kernel", "exec", "--", "true")
# A build of what tests/kernel/test_build.py has laid out, with as little room as there is.
BUILD = """
import sys
from pathlib import Path
from testbed.errors import TestbedError
from testbed.rig.kernel import build, kernel_source
kernel_source.C_LIBRARY, build.ROOM_MIB = Path(sys.argv[1]), int(sys.argv[2])
try:
    build.build(lambda step: None, folder=Path(sys.argv[1]))
except TestbedError as refused:
    sys.exit(str(refused))
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


@pytest.fixture
def mounting() -> list[str]:
    """The command prefix that runs a shell script in a mount namespace of its own, where it may mount."""
    prefix = ["unshare", *(["--user", "--map-root-user"] if os.geteuid() else []), "--mount"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace may be made here")
    return [*prefix, "sh", "-c"]


def refusal(*argv: str, environment: Mapping[str, str] = {}) -> tuple[int, str]:
    """Its status, and what it said on standard error."""
    ran = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env={**os.environ, **environment},
    )
    return ran.returncode, ran.stderr


@pytest.mark.usefixtures("guests")
def test_a_host_that_forbids_ptrace(temporary: Path) -> None:
    refuser = str(HERE / "without_ptrace.py")
    status, said = refusal(sys.executable, refuser, *EXEC, environment={"TMPDIR": str(temporary)})
    assert status == 3
    assert "Operation not permitted" in said
    assert "mend: the host forbids ptrace: see kernel.yama.ptrace_scope" in said


@pytest.mark.usefixtures("guests")
@pytest.mark.parametrize(
    ("options", "what", "mend"),
    [
        ("size=64m", "holds the guest's memory, has 64 MiB left; 640 are needed", "make room in /dev/shm"),
        ("size=3g,noexec", "did not start", "mount /dev/shm without noexec"),
    ],
)
def test_a_host_whose_shared_memory_will_not_do(
    temporary: Path, mounting: list[str], options: str, what: str, mend: str
) -> None:
    script = f'mount -t tmpfs -o {options} tmpfs /dev/shm && exec "$@"'
    status, said = refusal(*mounting, script, "sh", *EXEC, environment={"TMPDIR": str(temporary)})
    assert status == 3
    assert what in said
    assert f"mend: {mend}" in said


def test_a_disk_without_room_for_a_build(bench: Bench, mounting: list[str]) -> None:
    cache = rig_kernel.cache()
    cache.mkdir(parents=True)
    script = f'mount -t tmpfs -o size=50m tmpfs "{cache}" && exec "$@"'  # a page of it for the lock
    status, said = refusal(*mounting, script, "sh", sys.executable, "-c", BUILD, str(bench.sources), "1000")
    assert status == 1
    assert "49 MiB are free, a build needs 1000" in said
    assert "mend: make room, or set XDG_CACHE_HOME to a larger disk" in said
    assert not bench.calls.exists()


# What fills the disk, how large that is, and what the build's last act would have been.
FULL = {
    "tar failed": ("12k", "true"),
    "make failed": ("4m", 'head -c 9000000 /dev/zero > "$objects/vmlinux.o" || exit 2'),
    "the disk is full": (  # the kernel itself is there once, and is to be copied
        "4m",
        """trap 'echo exit >> "$objects/linux"; head -c 3000000 /dev/zero >> "$objects/linux"' EXIT""",
    ),
}


@pytest.mark.parametrize("fills", FULL)
def test_a_disk_that_fills_up_while_a_kernel_is_built(bench: Bench, mounting: list[str], fills: str) -> None:
    cache = rig_kernel.cache()
    cache.mkdir(parents=True)
    size, make = FULL[fills]
    bench.monkeypatch.setenv("FAKE_MAKE", make)
    script = f'mount -t tmpfs -o size={size} tmpfs "{cache}" && "$@"; status=$?; ls -A "{cache}" >&2; exit $status'
    status, said = refusal(*mounting, script, "sh", sys.executable, "-c", BUILD, str(bench.sources), "0")
    assert status == 1
    assert fills in said
    assert "mend: make room" in said
    assert said.split()[-2:] == [".lock", "build.log"], "and nothing else is left there"
