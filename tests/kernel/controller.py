"""Controllers of guests as processes of their own, for tests that look at them, feed them signals or kill them."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from testbed.rig.kernel.guest_folder import TOKEN

DEADLINE_S = 60.0
EXEC = (sys.executable, "-P", "-m", "testbed.cli.main", "kernel", "exec")
# The same with what the host forbids in some containers: no PID namespace may be made.
WITHOUT_NAMESPACE = (
    "import sys; from testbed.rig.kernel import guest_process; guest_process.NAMESPACES = ()\n"
    "from testbed.cli.main import main; main()"
)


class Controller:
    """`testbed kernel exec` with a temporary folder of its own, in which the guest's folder lies."""

    def __init__(self, temporary: Path, *argv: str, options: Sequence[str] = (), **popen: Any) -> None:
        self.temporary = temporary
        given: Mapping[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "TMPDIR": str(temporary), **popen.pop("env", {})}
        program = popen.pop("program", EXEC)
        self.process = subprocess.Popen([*program, *options, "--", *argv], **{**given, **popen}, env=environment)

    def say_ready(self) -> Path:
        """Wait until the command has printed `ready`; the guest's folder."""
        stream: IO[bytes] | None = self.process.stdout
        assert stream is not None
        line = stream.readline()
        assert line == b"ready\n", (line, self.process.stderr and self.process.stderr.read())
        (folder,) = guest_folders(self.temporary)
        assert carriers(folder), "the guest's processes carry its folder's name"
        return folder

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def result(self) -> tuple[int, bytes, bytes]:
        """Its status, output and errors."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out or b"", err or b""


def guest_folders(temporary: Path) -> list[Path]:
    return [path for path in temporary.glob("testbed-guest-*") if path.is_dir()]


def carriers(folder: Path) -> list[int]:
    """The host's processes that belong to a guest."""
    token, found = f"{TOKEN}={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if token in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # gone, or another user's
            continue
    return found


def until(condition: Callable[[], bool], deadline_s: float = 5.0) -> bool:
    """Processes of others die without an event for us: look again and again, until a deadline."""
    end = time.monotonic() + deadline_s
    with selectors.DefaultSelector() as nothing:
        while not condition() and time.monotonic() < end:
            nothing.select(0.02)
    return condition()
