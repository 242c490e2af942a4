"""`testbed kernel build`: the rig kernel from Debian's kernel source and the project's own configuration.

    built = build(told)        # RigKernel; at once where it is there already

Everything happens in a folder beside the finished kernels, which is renamed when the kernel in it has been started
once: an interrupted or failed build leaves nothing but the log of what failed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from testbed.errors import RigError
from testbed.rig.kernel import kernel_source, rig_config, rig_kernel
from testbed.rig.kernel.adapt import adapt
from testbed.rig.kernel.kernel_source import Source
from testbed.rig.kernel.rig_kernel import RigKernel

ROOM_MIB = 1000  # source as far as it is unpacked, objects, and the kernel
ABOUT_FILES = 1160  # that are compiled
MAKE_ROOM = "make room, or set XDG_CACHE_HOME to a larger disk"
LAST_LINES = 12
# What a User-mode Linux of our configuration is not made of, by far the most of the source.  Every Kconfig is needed.
ELSEWHERE = (
    *(f"arch/{name}" for name in (
        "alpha", "arc", "arm", "arm64", "csky", "hexagon", "loongarch", "m68k", "microblaze", "mips", "nios2",
        "openrisc", "parisc", "powerpc", "riscv", "s390", "sh", "sparc", "xtensa",
    )),
    *(f"drivers/{name}" for name in (
        "accel", "clk", "gpu", "iio", "infiniband", "media", "net/ethernet", "pinctrl", "scsi", "staging",
    )),
    "sound",
)  # fmt: skip
NOT_UNPACKED = (
    *(f"*/{folder}/*.{kind}" for folder in ELSEWHERE for kind in ("c", "h", "S", "dts", "dtsi")),
    *(f"*/Documentation/*.{kind}" for kind in ("rst", "yaml", "txt", "svg")),
    "*/tools/testing",
)
_COMPILED = re.compile(rb"^\s+(?:CC|AS|HOSTCC)\s")


@dataclass(frozen=True)
class Step:
    """What a build is doing; `done` of about `about` files where files are compiled."""

    text: str
    done: int = 0
    about: int = 0


Told = Callable[[Step], None]


def build(told: Told, *, folder: Path = kernel_source.FOLDER) -> RigKernel:
    """Build the kernel that `folder`'s source gives, unless it is there.  Raises RigError with what is in the way."""
    source = kernel_source.find_source(folder)
    if there := _there(source):
        told(Step(f"it is there already: {there.release}, built {there.built} from {there.source}"))
        return there
    _check_tools()
    with rig_kernel.building() as place:
        _check_room(place)
        try:
            return _made(source, place, told)
        except OSError as refused:
            if refused.errno != errno.ENOSPC:
                raise
            raise RigError("the disk is full", where=str(refused.filename or place), mend=MAKE_ROOM) from refused


def _made(source: Source, place: Path, told: Told) -> RigKernel:
    """Build in `place`, and put the kernel where finished ones are."""
    begun = time.monotonic()
    work = _Work(place, rig_kernel.cache() / "build.log", told)
    release = work.make_kernel(source)
    finished = place / "finished"
    finished.mkdir()
    shutil.copy2(work.objects / "linux", finished / rig_kernel.BINARY)
    shutil.copy2(work.objects / ".config", finished / rig_kernel.CONFIGURATION)
    kernel = RigKernel(
        rig_kernel.cache() / rig_kernel.key(source.package),
        release,
        source.package,
        rig_config.fingerprint(rig_config.FRAGMENT.read_text()),
        datetime.now(UTC).isoformat(timespec="seconds"),
        round(time.monotonic() - begun, 1),
    )
    return rig_kernel.keep(finished, kernel)


def _there(source: Source) -> RigKernel | None:
    key = rig_kernel.key(source.package)
    return next((kernel for kernel in rig_kernel.built() if kernel.folder.name == key), None)


def _check_tools() -> None:
    if missing := kernel_source.missing_tools():
        mend = f"apt-get install --no-install-recommends {' '.join(missing)}"
        raise RigError(f"{', '.join(missing)} not installed", where="testbed kernel build", mend=mend)


def _check_room(place: Path) -> None:
    free = shutil.disk_usage(place).free >> 20
    if free < ROOM_MIB:
        what = f"{free} MiB are free, a build needs {ROOM_MIB}"
        raise RigError(what, where=str(rig_kernel.cache()), mend=MAKE_ROOM)


class _Work:
    """One build in its folder; all that its commands say goes to the log."""

    def __init__(self, place: Path, log: Path, told: Told) -> None:
        self._tree, self.objects = place / "source", place / "objects"
        self._log, self._told = log, told

    def make_kernel(self, source: Source) -> str:
        """Unpack, configure, compile, and start it once to ask for its release."""
        self._log.write_bytes(b"")
        self._tree.mkdir()
        self.objects.mkdir()
        self._told(Step(f"unpacking {source.archive.name} ({source.package})"))
        excluded = [f"--exclude={pattern}" for pattern in NOT_UNPACKED]
        self._run(["tar", "-xJf", str(source.archive), "-C", str(self._tree), "--strip-components=1", *excluded])
        self._check_version(source)
        adapt(self._tree)
        self._told(Step("configuring"))
        self._make("alldefconfig", KCONFIG_ALLCONFIG=str(rig_config.FRAGMENT))
        wrong = rig_config.not_taken(rig_config.FRAGMENT.read_text(), (self.objects / ".config").read_text())
        if wrong:
            what = f"{len(wrong)} options did not take:\n    " + "\n    ".join(wrong)
            raise RigError(what, where=str(rig_config.FRAGMENT), mend="name what they depend on too, or leave them out")
        self._compile()
        asked = subprocess.run([self.objects / "linux", "--version"], capture_output=True, text=True, check=False)
        if asked.returncode != 0:
            raise RigError("the kernel that was built does not start", where=str(self._log), mend=asked.stderr.strip())
        return asked.stdout.strip()

    def _check_version(self, source: Source) -> None:
        said = dict(re.findall(r"^(VERSION|PATCHLEVEL) = (\d+)$", (self._tree / "Makefile").read_text(), re.MULTILINE))
        version = f"{said.get('VERSION')}.{said.get('PATCHLEVEL')}"
        if version != source.version:
            mend = f"apt-get install --reinstall linux-source-{source.version}"
            raise RigError(f"holds Linux {version}, not {source.version}", where=str(source.archive), mend=mend)

    def _compile(self) -> None:
        done = 0
        self._told(Step("compiling", 0, ABOUT_FILES))
        for line in self._lines(self._make_command("linux")):
            if _COMPILED.match(line):
                done += 1
                self._told(Step("compiling", done, max(done, ABOUT_FILES)))

    def _make(self, target: str, **environment: str) -> None:
        self._run(self._make_command(target), **environment)

    def _make_command(self, target: str) -> list[str]:
        jobs = len(os.sched_getaffinity(0))
        return ["make", "-C", str(self._tree), f"O={self.objects}", "ARCH=um", f"-j{jobs}", target]

    def _run(self, argv: Sequence[str], **environment: str) -> None:
        for _ in self._lines(argv, **environment):
            pass

    def _lines(self, argv: Sequence[str], **environment: str) -> Iterator[bytes]:
        """What a command says, line by line; RigError with its last lines when it fails.  It ends when we do."""
        # SIGTERM, not SIGKILL: make passes it on to its compilers.
        command = ["setpriv", "--pdeathsig", "TERM", "--", "nice", "-n", "5", *argv]
        with self._log.open("ab") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C", **environment},
                start_new_session=True,
            )
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    log.write(line)
                    yield line
                status = process.wait()
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            finally:
                process.stdout.close()
        if status != 0:
            raise self._failed(argv[0], status)

    def _failed(self, tool: str, status: int) -> RigError:
        said = self._log.read_text(errors="replace")
        last = "\n    ".join(said.strip().splitlines()[-LAST_LINES:])
        full = "No space left on device" in said
        mend = MAKE_ROOM if full else f"the whole log is {self._log}"
        what = f"{tool} failed (status {status}); its last lines:\n    {last}"
        return RigError(what, where=str(self._log), mend=mend)
