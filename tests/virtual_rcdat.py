"""A virtual RCDAT as a process of its own, and the socket that hears what it moves."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
DEADLINE_S = 20.0


@dataclass
class Rcdat:
    """The device, from outside."""

    http: int
    telnet: int
    process: subprocess.Popen[str]
    moves: socket.socket
    folder: Path

    def fault(self, name: str, seconds: float = 0.0) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
            orders.sendto(json.dumps({"fault": name, "seconds": seconds}).encode(), str(self.folder / "orders"))

    def moved(self) -> tuple[int, float]:
        """The next thing that it moved."""
        said: dict[str, Any] = json.loads(self.moves.recv(1000))
        return said["channel"], said["db"]

    def moved_nothing(self) -> bool:
        self.moves.settimeout(0.1)
        try:
            return not self.moves.recv(1000)
        except TimeoutError:
            return True
        finally:
            self.moves.settimeout(DEADLINE_S)


@contextmanager
def rcdat(folder: Path, model: str = "RC4DAT-6000-95", *options: str) -> Iterator[Rcdat]:
    """Started, listening, and gone at the end of the block."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as moves:
        moves.bind(str(folder / "moves"))
        moves.settimeout(DEADLINE_S)
        argv = [sys.executable, "-m", "drivers.virtual.attenuator", "--http", "0", "--telnet", "0", "--model", model]
        argv += ["--moves", str(folder / "moves"), "--orders", str(folder / "orders"), *options]
        process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout
            ready = json.loads(process.stdout.readline())
            yield Rcdat(ready["http"], ready["telnet"], process, moves, folder)
        finally:
            process.kill()
            process.wait()
