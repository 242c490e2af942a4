"""Ends a guest whose simulated time has stopped, and says which process was running.

Simulated time stands still while anything computes, so what busy-waits for it waits for ever.  The guest tells its time
every second or so of it (`guest_init.beat`); when it has computed for long without telling, its kernel is asked through
its management console what runs, and the guest is killed.  Computing is measured, not waiting: a busy machine is no
reason.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 60.0  # of the guest's own processor time without progress: the longest analysis takes a third
LOOK_EVERY_S = 2.0
MCONSOLE_MAGIC, MCONSOLE_VERSION, MCONSOLE_DATA = 0xCAFEBABE, 2, 512  # arch/um/drivers/mconsole.h
ANSWER_S = 2.0
_RUNNING = re.compile(r"Pid: (\d+), comm: (\S.*?)(?: \S+ tainted| Not tainted|$)", re.IGNORECASE | re.MULTILINE)


class Watchdog:
    """Watches one guest: `folder` is its folder, `session` the id of its processes' session."""

    def __init__(
        self, folder: Path, session: int, told: Callable[[], str | None], patience_s: float = PATIENCE_S
    ) -> None:
        self._folder, self._session, self._told = folder, session, told
        self._patience_s = patience_s
        self._over = threading.Event()

    def watch(self) -> str | None:
        """Until time has stopped: what to say of it; None when `end` was called before."""
        last, computed = self._told(), self._computed_s()
        while not self._over.wait(LOOK_EVERY_S):
            now = self._told()
            if now != last:
                last, computed = now, self._computed_s()
            elif self._computed_s() - computed > self._patience_s:
                return self._stopped(now)
        return None

    def end(self) -> None:
        self._over.set()

    def _stopped(self, at: str | None) -> str:
        when = f"at {float(at):.1f} s" if at else "before the command began"
        running = self._running() or "which process was running could not be found out"
        return f"simulated time has stood still {when} for {self._patience_s:g} s of computing: {running}"

    def _running(self) -> str:
        asked = ask(self._folder, "sysrq p")
        found = _RUNNING.search(asked)
        if not found:
            return ""
        pid, name = found.groups()
        line = ask(self._folder, f"proc {pid}/cmdline").replace("\0", " ").strip()
        return f"process {pid} ({line or name}) was running; whatever waits in it must sleep, not poll"

    def _computed_s(self) -> float:
        """Processor time of all processes of the guest, those that have ended included."""
        ticks = 0
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self._session:
                        ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")


def ask(folder: Path, question: str) -> str:
    """What a guest's kernel answers on its management console; empty when it does not."""
    console = next(folder.glob("*/mconsole"), None)
    ours = folder / f"asker-{threading.get_ident()}"
    if console is None:
        return ""
    data = question.encode()
    request = struct.pack(f"=III{MCONSOLE_DATA}s", MCONSOLE_MAGIC, MCONSOLE_VERSION, len(data), data)
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        try:
            asker.bind(str(ours))
            asker.settimeout(ANSWER_S)
            asker.sendto(request, str(console))
            more = 1
            while more:
                _, more, length, part = struct.unpack(f"=III{MCONSOLE_DATA}s", asker.recv(12 + MCONSOLE_DATA))
                answer += part[:length].rstrip(b"\0")
        except (OSError, struct.error):  # a guest that does not answer is killed all the same
            pass
        finally:
            ours.unlink(missing_ok=True)
    return answer.decode(errors="replace")
