"""A User-mode Linux guest: one command, run by the same program over the same files, in a kernel of its own.

The guest is an ordinary process.  It needs neither root nor KVM; inside, the command is root with real namespaces,
netem and ESP.  What the command prints, its exit status, the terminal's size and the signals sent to us pass through;
the folders named as writable are the host's own, everything else that the guest writes is gone with it.

The guest dies with us, however we die (see `guest_process.contained`); Ctrl-\\ is the way out of one that hangs.

There are two builds: Debian's, and the rig kernel that this project builds (see build.py), which can simulate time: its
clock stands still while anything computes, and jumps when everything waits.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from testbed.errors import RigError
from testbed.rig.kernel import adapt, guest_process, relay, rig_kernel, watchdog
from testbed.rig.kernel.guest_folder import guest_folder

BINARY = "linux.uml"  # Debian: user-mode-linux
MODULES = Path("/usr/lib/uml/modules")
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not in an ordinary user's PATH, but inside everybody is root
# Loaded before the command starts: what a wired rig uses, so that no handoff waits for a module (others load by
# themselves when they are asked for).  Each costs the start 15 ms.
LOAD = (
    "veth", "bridge", "tun", "sch_netem", "xfrm_user", "esp4", "esp6", "af_packet",
    "authenc", "echainiv", "crypto_null", "cbc", "hmac", "sha1_generic", "md5", "aes_generic", "des_generic",
)  # fmt: skip
Clock = Literal["real", "simulated"]
# In simulated time the jitter entropy collector of 6.12 waits for a clock that stands still while it computes.
SIMULATED = ("time-travel=inf-cpu", "initcall_blacklist=jent_mod_init")
SEEDED_START_S = 1_767_225_600  # 2026-01-01: the date is part of what must repeat
BUILD_IT, REMOVE_IT = "testbed kernel build", "testbed kernel remove"
START_DEADLINE_S = 60.0  # 2 s on an idle machine
MEMORY_MIB, LEAST_MEMORY_MIB = 2048, 640
# What the guest's kernel says before it gives up, and what is to be done about it.
LAST_WORDS = {
    "ptrace": "the host forbids ptrace: see kernel.yama.ptrace_scope (sysctl) or the container's seccomp profile",
    "noexec": "mount /dev/shm without noexec: mount -o remount,exec /dev/shm",
    "No space left": "make room in /dev/shm: mount -o remount,size=3G /dev/shm (a container: --shm-size=3g)",
    "Out of memory": "the command needs more memory than the guest has",
}


@dataclass(frozen=True)
class Build:
    """A build of User-mode Linux, and where its modules are (None: it has everything built in)."""

    name: Literal["debian", "rig"]
    binary: Path
    release: str
    modules: Path | None = None


@dataclass(frozen=True)
class GuestCommand:
    """What to run inside, and which folders of the host it may write (they are made when they do not exist)."""

    argv: Sequence[str]
    writable: Sequence[Path] = ()
    environment: dict[str, str] = field(default_factory=dict)  # beside our own
    memory_mib: int = MEMORY_MIB  # at most; less where /dev/shm has less
    log: Path | None = None  # takes what the guest's kernel says
    interactive: bool = False  # the command gets our terminal's keyboard too
    clock: Clock = "real"
    seed: int | None = None  # in simulated time: all that happens inside repeats, to the last bit
    build: Build | None = None  # the one that `best` names when not given


def best() -> Build | None:
    """The build that guests run on: the rig kernel where it has been built, else Debian's; None where neither is."""
    if kernel := rig_kernel.find():
        return Build("rig", kernel.binary, kernel.release)
    if stock := find(BINARY):
        return Build("debian", Path(stock), guest_process.release(stock), MODULES)
    return None


def lacks(clock: Clock = "real") -> RigError | None:
    """Why no guest can start on this machine, as far as that can be seen without starting one."""
    build = best()
    if clock == "simulated" and (build is None or build.name != "rig"):
        what = "simulated time needs the rig kernel, which is not built"
        return RigError(what, where="--clock simulated", mend=BUILD_IT)
    if build is None:
        return _cannot(f"{BINARY} is not installed", "apt-get install user-mode-linux (or `make setup`)")
    for tool, package in (("modprobe", "kmod"), ("unshare", "util-linux")):
        if find(tool) is None and (build.modules or tool != "modprobe"):
            return _cannot(f"{tool} is not installed", f"apt-get install {package} (or `make setup`)")
    if build.modules and not (build.modules / build.release).is_dir():
        found = ", ".join(path.name for path in sorted(build.modules.glob("*"))) or "none"
        what = f"the guest's kernel is {build.release}, but the modules in {build.modules} are for: {found}"
        return _cannot(what, "apt-get install --reinstall user-mode-linux")
    room = _room_mib()
    if room < LEAST_MEMORY_MIB:
        what = f"/dev/shm, which holds the guest's memory, has {room} MiB left; {LEAST_MEMORY_MIB} are needed"
        return _cannot(what, LAST_WORDS["No space left"])
    return None


def find(tool: str) -> str | None:
    """Where a program is, system administration's folders included."""
    return shutil.which(tool, path=_path())


def run(command: GuestCommand) -> int:
    """Run a command in a guest and return its exit status (128 + signal where one ended it).

    Raises RigError when the guest itself does not start or breaks; the message ends with the kernel's last words.
    """
    if missing := lacks(command.clock):
        raise missing
    build = command.build or best()
    assert build is not None  # `lacks` has looked
    for path in command.writable:
        _make_writable(path)
    with guest_folder() as folder:
        (folder / "job.json").write_text(json.dumps(_job(command, build)))
        log = command.log or folder / "kernel.log"
        news = _boot(folder, command, build, log)
        if "status" not in news or "error" in news:
            raise _broken(news, log, keep=command.log is None)
        return int(news["status"])


def _boot(folder: Path, command: GuestCommand, build: Build, log: Path) -> dict[str, str]:
    """Start the guest and relay between it and our own terminal or files until it ends; what it told us."""
    memory = min(command.memory_mib, _room_mib())
    program = [str(build.binary), f"mem={memory}M", f"uml_dir={folder}/", "rootfstype=hostfs", "rootflags=/", "ro"]
    environment: dict[str, str] = {}
    if command.clock == "simulated":
        program += SIMULATED
        if command.seed is not None:
            program.append(f"time-travel-start={SEEDED_START_S * 10**9}")
            environment[adapt.SEED] = f"seed {command.seed} "
    with relay.Relays(interactive=command.interactive) as relays, log.open("wb") as words:
        argv = [*program, *guest_process.BOOT, *relays.consoles(), *guest_process.init(folder)]
        guest = guest_process.Guest(argv, folder, words, relays.theirs, environment)
        try:
            relays.begin()
            threading.Thread(target=guest.watch_start, args=(relays.started, START_DEADLINE_S), daemon=True).start()
            with _watched(command, folder, guest, relays, log):
                guest.wait()
        finally:
            guest.kill()
    return relays.news


@contextmanager
def _watched(
    command: GuestCommand, folder: Path, guest: guest_process.Guest, relays: relay.Relays, log: Path
) -> Iterator[None]:
    """In simulated time: kill the guest when time has stopped in it."""
    if command.clock == "real":
        yield
        return
    dog = watchdog.Watchdog(folder, guest.pid, relays.news, log)

    def watch() -> None:
        if stopped := dog.watch():
            relays.news["error"] = stopped
            guest.kill()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        dog.end()
        thread.join()


def _job(command: GuestCommand, build: Build) -> dict[str, Any]:
    size = shutil.get_terminal_size()
    return {
        "argv": list(command.argv),
        "cwd": os.getcwd(),  # noqa: PTH109 - text is wanted
        "env": {**os.environ, "PATH": _path(), **command.environment},
        "hostname": socket.gethostname(),  # the one that /etc/hosts knows
        "writable": [str(path.resolve()) for path in command.writable],
        "modules": str(build.modules or ""),
        "load": LOAD if build.modules else (),
        "terminals": [os.isatty(1), os.isatty(2)],
        "one": relay.same_file(1, 2),
        "interactive": command.interactive,
        "beat": command.clock == "simulated",
        "size": [size.columns, size.lines],
    }


def _path() -> str:
    ours = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*ours, *(folder for folder in SBIN if folder not in ours)])


def _room_mib() -> int:
    room = os.statvfs("/dev/shm")
    return room.f_bavail * room.f_frsize >> 20


def _make_writable(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise RigError(f"cannot be made: {refused.strerror}", where=str(path)) from refused
    if not os.access(path, os.W_OK | os.X_OK):
        mend = "the guest can write no more than we can: choose another folder, or change its owner"
        raise RigError("is not writable for us", where=str(path), mend=mend)


def _broken(news: dict[str, str], log: Path, *, keep: bool) -> RigError:
    """The guest ended without its command's status: with the reason, and with the kernel's log kept."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[?25h")  # whatever hid the cursor cannot show it any more
    said = log.read_text(errors="replace")
    if keep:
        descriptor, name = tempfile.mkstemp(prefix="testbed-guest-", suffix=".log")
        os.close(descriptor)
        log = Path(shutil.copyfile(log, name))
    lines = [news["error"]] if "error" in news else said.strip().splitlines()[-6:]
    known = [mend for words, mend in LAST_WORDS.items() if words in said]
    state = "ended before its command did" if "started" in news else "did not start"
    what = f"the guest kernel {state}:\n    " + "\n    ".join(lines or ["(it said nothing)"])
    return _cannot(f"{what}\n  log: {log}", known[0] if known else "see `testbed doctor`")


def _cannot(what: str, mend: str) -> RigError:
    return RigError(what, where=f"{BINARY} (--kernel uml)", mend=mend)
