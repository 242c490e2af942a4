"""One process of the core: whether it serves yet, how it ended, what it last said."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

LAST_WORDS = 6  # lines


@dataclass
class Daemon:
    """One process of the core, and what tells that it serves: a line of its log, or that it listens on a UDP port."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready: str
    from_byte: int  # where its log begins: an earlier run may have written to the same file
    looked_at: int = -1  # how long the log was when we last read it
    udp_port: int = 0

    def is_ready(self) -> bool:
        """Whether it serves.  A log is read again only when it has grown: reading costs the daemons time."""
        if self.udp_port:
            return _listens(self.process.pid, self.udp_port)
        size = self.log.stat().st_size
        if size == self.looked_at:
            return False
        self.looked_at = size
        return self.ready in self.said()

    @property
    def ended(self) -> str | None:
        """How it ended, if it has, with its last words."""
        status = self.process.poll()
        if status is None:
            return None
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"{self.name} {how}; it last said:\n    {self.last_words()}"

    def said(self) -> str:
        with self.log.open("rb") as stream:
            stream.seek(self.from_byte)
            return "\n" + stream.read().decode(errors="replace")

    def last_words(self) -> str:
        lines = [line for line in self.said().splitlines() if line.strip()]
        telling = [line for line in lines if "CRITICAL" in line or "ERROR" in line or "ALERT" in line] or lines
        return "\n    ".join(telling[-LAST_WORDS:]) or "(it said nothing)"


def _listens(pid: int, port: int) -> bool:
    """Whether there is a UDP socket on a port in the network namespace of a process."""
    try:
        sockets = Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]
    except OSError:  # it has ended
        return False
    return any(line.split()[1].endswith(f":{port:04X}") for line in sockets)


def wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a process to end, at most so long; whether it did."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
