"""Building the rig kernel, with a `make` that is quick: what is refused, what is left, what a second call does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from testbed.errors import RigError
from testbed.rig.kernel import adapt, build, kernel_source, rig_config, rig_kernel

MAKE = r"""#!/bin/sh
for word; do case "$word" in O=*) objects=${word#O=};; esac; target=$word; done
echo "make $target" >> "$FAKE_CALLS"
if [ "$target" = alldefconfig ]; then sed "$FAKE_CONFIG" "$KCONFIG_ALLCONFIG" > "$objects/.config"; exit; fi
echo "  CC      init/main.o"
echo "  CC      init/version.o"
eval "$FAKE_MAKE"
printf '#!/bin/sh\necho 6.12.117-rig\n' > "$objects/linux"; chmod +x "$objects/linux"
"""
XZ = """#!/usr/bin/env python3
import lzma, sys
sys.stdout.buffer.write(lzma.decompress(sys.stdin.buffer.read()))
"""

# A line that is changed, of each file that is.
CHANGED = {"arch/um/os-Linux/util.c": "\treturn getrandom(a);", "drivers/char/random.c": "\tmix(command_line, 1);"}


class Bench:
    """A machine with a kernel source and everything that a build needs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch, self.sources, self.programs = monkeypatch, folder / "src", folder / "bin"
        self.calls = folder / "calls"
        self.sources.mkdir()
        self.programs.mkdir()
        self.program("make", MAKE)
        self.program("dpkg-query", "#!/bin/sh\nprintf %s 6.12.117-1\n")
        for tool in kernel_source.TOOLS:
            if tool != "make" and shutil.which(tool) is None:
                self.program(tool, XZ if tool == "xz" else "#!/bin/sh\n")
        monkeypatch.setattr(kernel_source, "C_LIBRARY", self.programs / "make")  # any file that is there
        monkeypatch.setenv("PATH", f"{self.programs}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        monkeypatch.setenv("FAKE_CALLS", str(self.calls))
        monkeypatch.setenv("FAKE_MAKE", "true")
        monkeypatch.setenv("FAKE_CONFIG", "")
        self.source("6.12", "6.12")

    def program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def source(self, named: str, holds: str) -> None:
        tree = self.sources / f"linux-source-{named}"
        tree.mkdir()
        version, patchlevel = holds.split(".")
        (tree / "Makefile").write_text(f"VERSION = {version}\nPATCHLEVEL = {patchlevel}\n")
        for one in adapt.ADAPTATIONS:
            (tree / one.file).parent.mkdir(parents=True, exist_ok=True)
            (tree / one.file).write_text(f"before\n{CHANGED[one.file]}\nafter\n")
        with tarfile.open(self.sources / f"{tree.name}.tar.xz", "w:xz") as archive:
            archive.add(tree, tree.name)
        shutil.rmtree(tree)

    def build(self, steps: list[build.Step] | None = None) -> rig_kernel.RigKernel:
        told = (steps if steps is not None else []).append
        return build.build(told, folder=self.sources)

    def left(self) -> list[str]:
        """Whatever lies in the cache, beside the log and the lock."""
        return [path.name for path in rig_kernel.cache().glob("*") if path.name not in ("build.log", ".lock")]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_kernel_is_built_once_and_a_second_call_says_so(bench: Bench) -> None:
    assert rig_kernel.find() is None
    steps: list[build.Step] = []
    kernel = bench.build(steps)
    assert kernel.release == "6.12.117-rig"
    assert kernel.version == (6, 12, 117)
    assert rig_kernel.find() == kernel
    assert bench.left() == [kernel.folder.name]
    assert sorted(path.name for path in kernel.folder.iterdir()) == ["config", "kernel.json", "linux"]
    assert [step.done for step in steps if step.about] == [0, 1, 2]
    calls = bench.calls.read_text()
    steps.clear()
    assert bench.build(steps) == kernel
    assert "there already" in steps[0].text
    assert bench.calls.read_text() == calls


def test_another_configuration_is_another_kernel(bench: Bench, tmp_path: Path) -> None:
    first = bench.build()
    other = tmp_path / "other.config"
    other.write_text(rig_config.FRAGMENT.read_text() + "CONFIG_MORE=y\n")
    bench.monkeypatch.setattr(rig_config, "FRAGMENT", other)
    assert rig_kernel.find() is None
    second = bench.build()
    assert second.folder != first.folder
    assert rig_kernel.find() == second
    assert len(rig_kernel.built()) == 2


def test_comments_and_order_make_no_other_kernel() -> None:
    lines = rig_config.FRAGMENT.read_text().splitlines()
    assert rig_config.fingerprint("\n".join(lines)) == rig_config.fingerprint("# why\n" + "\n".join(reversed(lines)))


def test_a_failing_make_shows_its_last_lines_and_leaves_no_kernel(bench: Bench) -> None:
    bench.monkeypatch.setenv("FAKE_MAKE", "echo 'mm/slub.c:1: error: no such thing'; exit 2")
    with pytest.raises(RigError, match="make failed") as raised:
        bench.build()
    assert "no such thing" in raised.value.what
    assert "build.log" in str(raised.value.mend)
    assert "no such thing" in (rig_kernel.cache() / "build.log").read_text()
    assert bench.left() == []


def test_a_disk_that_fills_up_is_called_so(bench: Bench) -> None:
    bench.monkeypatch.setenv("FAKE_MAKE", "echo 'fatal error: cannot write: No space left on device'; exit 2")
    with pytest.raises(RigError) as raised:
        bench.build()
    assert "make room" in str(raised.value.mend)


def test_a_disk_without_room_is_refused_before_anything_is_unpacked(bench: Bench) -> None:
    bench.monkeypatch.setattr(build, "ROOM_MIB", 1 << 40)
    with pytest.raises(RigError, match="MiB are free"):
        bench.build()
    assert not bench.calls.exists()
    assert bench.left() == []


def test_options_that_did_not_take_are_listed(bench: Bench) -> None:
    bench.monkeypatch.setenv(
        "FAKE_CONFIG", "/CONFIG_MAC80211_HWSIM=/d; s/^# CONFIG_MODULES is not set/CONFIG_MODULES=y/"
    )
    with pytest.raises(RigError, match="2 options did not take") as raised:
        bench.build()
    assert "CONFIG_MAC80211_HWSIM: wanted y, got n" in raised.value.what
    assert "CONFIG_MODULES: wanted n, got y" in raised.value.what
    assert "make linux" not in bench.calls.read_text()


def test_a_source_of_another_version_is_refused(bench: Bench) -> None:
    (bench.sources / "linux-source-6.12.tar.xz").unlink()
    bench.source("6.12", "6.5")
    with pytest.raises(RigError, match=re.escape("holds Linux 6.5, not 6.12")):
        bench.build()
    (bench.sources / "linux-source-6.12.tar.xz").rename(bench.sources / "linux-source-6.5.tar.xz")
    with pytest.raises(RigError, match=re.escape("only linux-source-6.5.tar.xz is there")) as raised:
        bench.build()
    assert "apt-get" in str(raised.value.mend)


def test_6_1_is_taken_where_6_12_is_not_to_be_had(bench: Bench) -> None:
    (bench.sources / "linux-source-6.12.tar.xz").unlink()
    bench.source("6.1", "6.1")
    assert kernel_source.find_source(bench.sources).version == "6.1"


def test_missing_packages_are_named_with_the_command_that_installs_them(bench: Bench) -> None:
    bench.monkeypatch.setattr(kernel_source, "TOOLS", {"no-such-flex": "flex", "make": "make", "no-such-bc": "bc"})
    with pytest.raises(RigError, match="flex, bc not installed") as raised:
        bench.build()
    assert raised.value.mend == "apt-get install --no-install-recommends flex bc"


def test_a_source_that_is_no_archive_is_refused(bench: Bench) -> None:
    (bench.sources / "linux-source-6.12.tar.xz").write_bytes(b"half a file")
    with pytest.raises(RigError, match="tar failed"):
        bench.build()
    assert bench.left() == []


def _building(bench: Bench) -> subprocess.Popen[bytes]:
    """A build in a process of its own that has come as far as compiling, which takes for ever."""
    code = "import sys; from pathlib import Path; from testbed.rig.kernel import kernel_source\n"
    code += "from testbed.rig.kernel.build import build\nkernel_source.C_LIBRARY = Path(sys.argv[1])\n"
    code += "build(lambda step: None, folder=Path(sys.argv[1]))"
    bench.monkeypatch.setenv("FAKE_MAKE", "echo $$ > $FAKE_CALLS.pid; exec sleep 1000")
    process = subprocess.Popen([sys.executable, "-c", code, str(bench.sources)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not Path(f"{bench.calls}.pid").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_leaves_no_half_kernel_and_no_process(bench: Bench, number: signal.Signals) -> None:
    process = _building(bench)
    process.send_signal(number)
    assert process.wait(10) != 0
    maker = Path(f"/proc/{Path(f'{bench.calls}.pid').read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while maker.exists() and maker.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "make goes on"
        time.sleep(0.02)
    assert rig_kernel.built() == []
    bench.monkeypatch.setenv("FAKE_MAKE", "true")
    kernel = bench.build()
    assert bench.left() == [kernel.folder.name]


def test_two_builds_at_a_time_are_one_too_many(bench: Bench) -> None:
    process = _building(bench)
    try:
        with pytest.raises(RigError, match=f"being built there by process {process.pid}"):
            bench.build()
        with pytest.raises(RigError, match="being built"):
            rig_kernel.remove()
    finally:
        process.kill()
        process.wait()


def test_removing_takes_all_kernels_and_nothing_else(bench: Bench) -> None:
    kernel = bench.build()
    other = rig_kernel.cache().parent / "other"
    other.write_text("mine")
    assert rig_kernel.remove() == [kernel.folder]
    assert rig_kernel.find() is None
    assert other.read_text() == "mine"
    assert rig_kernel.remove() == []


def test_a_kernel_whose_file_is_gone_is_none(bench: Bench) -> None:
    kernel = bench.build()
    kernel.binary.unlink()
    assert rig_kernel.find() is None
    assert bench.build().binary.exists()
