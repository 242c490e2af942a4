"""The guest as a process of the host: how it is started, and how it dies with the controller.

    controller -> unshare (killed when the controller dies) -> unshare, first process of a PID namespace -> linux.uml

When the first process of a PID namespace dies the kernel kills all the others, so nothing of the guest can survive the
controller, not even where that is killed by SIGKILL.  (It is not linux.uml itself, which ends a panic by a signal that
a first process does not get.)  Where the host allows no PID namespace, idle helper processes of the guest can survive;
the next guest's start removes them (see guest_folder).
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from testbed.rig.kernel.guest_folder import TOKEN

INIT = Path(__file__).with_name("guest_init.py")
# raid6_select_algo is a benchmark of 0.8 s, for a RAID that nobody has here.
BOOT = ("quiet", "loglevel=4", "panic=-1", "initcall_blacklist=raid6_select_algo")
WITHOUT_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
# An ordinary user's own files then belong to root as the guest sees them.  It matters to programs that give up root's
# right to write into other people's folders, as dumpcap does.
NAMESPACES = (
    ("unshare", "--pid", "--fork", "--kill-child", "--", "unshare", "--fork", "--"),
    ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--", "unshare", "--fork", "--"),
)


class Guest:
    """A running guest.  Its memory is a file without a name in /dev/shm."""

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        words: IO[bytes],
        passed: Sequence[int],
        more: Mapping[str, str] = {},
    ) -> None:
        """Start it; its kernel's log goes to `words`, the descriptors in `passed` are its consoles' and closed here."""
        # The kernel keeps one of the host's descriptors for each file that is open in the guest, or was a moment ago.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        environment = {"HOME": str(folder), "TMPDIR": "/dev/shm", "PATH": os.defpath, **more, TOKEN: str(folder)}
        self._process = subprocess.Popen(
            [*contained(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=passed,
            start_new_session=True,  # Ctrl-C of the terminal is the controller's to pass on
            env=environment,
        )

    @property
    def pid(self) -> int:
        """Of its first process on the host, which all others descend from."""
        return self._process.pid

    def wait(self) -> None:
        """Until it has ended by itself."""
        self._process.wait()

    def watch_start(self, started: threading.Event, deadline_s: float) -> None:
        """Kill it when it is not up in time (to be run in a thread)."""
        if not started.wait(deadline_s):
            self._process.kill()

    def kill(self) -> None:
        """Leave nothing of it, whatever state it is in."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # helpers too, where there is no PID namespace
        self._process.kill()
        self._process.wait()


def init(folder: Path) -> list[str]:
    """The kernel arguments that start guest_init: by names without blanks, which a kernel argument cannot have."""
    shutil.copyfile(INIT, folder / "init.py")
    (folder / "python").symlink_to(Path(sys.executable).resolve())
    return [f"init={folder}/python", "--", "-I", "-S", f"{folder}/init.py", str(folder)]


@functools.cache
def contained() -> tuple[str, ...]:
    """The command prefix that makes a process die with us, in the strongest form that this host allows."""
    for prefix in NAMESPACES:
        probe = [*prefix, "true"]
        if subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0:
            return (*WITHOUT_PARENT, *prefix)
    return WITHOUT_PARENT


@functools.cache
def release(binary: str) -> str:
    """The guest kernel's version, which its modules must have too."""
    asked = subprocess.run(
        [binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
    )
    return asked.stdout.strip()
