"""Ends a guest whose simulated time has stopped, and says which process was running.

Simulated time stands still while anything computes, so what busy-waits for it waits for ever.  The guest tells its time
and its processes every second or so of it (`guest_init.beat`); when it has computed for long without telling, its
kernel is made to panic through its management console, for a panic names the process that it interrupted.  Computing
is measured, not waiting: a busy machine is no reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

PATIENCE_S = 60.0  # of the guest's own processor time without progress: the longest analysis takes a third
LOOK_EVERY_S = 2.0
MCONSOLE_MAGIC, MCONSOLE_VERSION, MCONSOLE_DATA = 0xCAFEBABE, 2, 512  # bytes; arch/um/drivers/mconsole.h
HEADER_BYTES = 12
ANSWER_S = 2.0
_INTERRUPTED = re.compile(r"sysrq triggered crash.*?PID: (\d+) Comm: (.*?) (?:Not t|T)ainted", re.DOTALL)


class Watchdog:
    """Watches one guest.

    `folder` is its folder, `root` the process that all of its processes descend from, `news` what it tells, `log` what
    its kernel says.
    """

    def __init__(
        self, folder: Path, root: int, news: Mapping[str, str], log: Path, patience_s: float = PATIENCE_S
    ) -> None:
        self._folder, self._root, self._news, self._log = folder, root, news, log
        self._patience_s = patience_s
        self._over = threading.Event()

    def watch(self) -> str | None:
        """Until time has stopped: what to say of it; None when `end` was called before."""
        last, computed = self._news.get("time"), self._computed_s()
        while not self._over.wait(LOOK_EVERY_S):
            now = self._news.get("time")
            if now != last:
                last, computed = now, self._computed_s()
            elif self._computed_s() - computed > self._patience_s:
                return self._stopped(now)
        return None

    def end(self) -> None:
        self._over.set()

    def _stopped(self, at: str | None) -> str:
        when = f"at {float(at):.1f} s" if at else "before the command began"
        return f"simulated time has stood still {when} for {self._patience_s:g} s of computing: {self._running()}"

    def _running(self) -> str:
        ask(self._folder, "sysrq c")
        found = _INTERRUPTED.search(self._log.read_text(errors="replace"))
        if not found:
            return "which process was running could not be found out"
        pid, name = found.groups()
        line = json.loads(self._news.get("processes", "{}")).get(pid, name)
        return f"process {pid} ({line}) was running; what waits must sleep, not poll"

    def _computed_s(self) -> float:
        """Processor time of all processes of the guest, those that have ended included."""
        parents, ticks = {}, {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                    parents[int(entry.name)], ticks[int(entry.name)] = int(fields[1]), sum(map(int, fields[11:15]))
        return sum(ticks[pid] for pid in ticks if self._descends(pid, parents)) / os.sysconf("SC_CLK_TCK")

    def _descends(self, pid: int, parents: Mapping[int, int]) -> bool:
        while pid in parents and pid != self._root:
            pid = parents[pid]
        return pid == self._root


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
                reply = asker.recv(HEADER_BYTES + MCONSOLE_DATA)
                _, more, length = struct.unpack_from("=III", reply)
                answer += reply[HEADER_BYTES : HEADER_BYTES + length].removesuffix(b"\0")
        except (OSError, struct.error):  # a guest that does not answer is killed all the same
            pass
        finally:
            ours.unlink(missing_ok=True)
    return answer.decode(errors="replace")
