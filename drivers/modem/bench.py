"""What the AT channel costs: a round trip through it beside a bare write and read on one port; answers read a second.

The modem is a process of its own on a pseudo-terminal that answers OK at once, so the figures are ours, not a modem's.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from drivers.modem.at.command import Command
from drivers.modem.port import AtPort
from drivers.modem.responses.table import parse
from drivers.modem.serialport import close_serial, open_serial

ANSWER = b"\r\nOK\r\n"
MODEM = f"""
import os, sys
port = int(sys.argv[1])
while command := os.read(port, 4096):
    os.write(port, {ANSWER!r})
"""
SAMPLES = {
    "AT+CEREG?": '+CEREG: 2,1,"04BE","019E7703",7\r\n\r\nOK\r\n',
    "AT+CSQ": "+CSQ: 17,99\r\n\r\nOK\r\n",
    "AT+CGCONTRDP=2": '+CGCONTRDP: 2,6,"ims","10.1.2.3","10.1.2.1","10.9.0.1","","10.8.0.1"\r\n\r\nOK\r\n',
}


@dataclass(frozen=True)
class Figures:
    """Medians of round trips in ms, and answers read a second."""

    channel_ms: float
    bare_ms: float
    parsed_per_s: float

    @property
    def overhead_ms(self) -> float:
        return self.channel_ms - self.bare_ms


def measure(round_trips: int = 500, parses: int = 3000) -> Figures:
    """Measure on this machine, now."""
    with _modem() as path:
        bare = _bare(path, round_trips)
        channel = asyncio.run(_through_channel(path, round_trips))
    return Figures(statistics.median(channel), statistics.median(bare), _parse_rate(parses))


@contextmanager
def _modem() -> Iterator[str]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    modem = subprocess.Popen([sys.executable, "-c", MODEM, str(ours)], pass_fds=(ours,))
    os.close(ours)
    try:
        yield os.ttyname(theirs)
    finally:
        modem.kill()
        modem.wait()
        os.close(theirs)


def _bare(path: str, count: int) -> list[float]:
    port = open_serial(path)
    port.timeout, port.write_timeout = 10.0, 10.0
    times = []
    for _ in range(count):
        start = time.perf_counter()
        port.write(b"AT\r")
        port.read(len(ANSWER))
        times.append((time.perf_counter() - start) * 1000)
    close_serial(port)
    return times


async def _through_channel(path: str, count: int) -> list[float]:
    port, command, times = AtPort(path), Command("AT"), []
    for _ in range(count):
        start = time.perf_counter()
        await port.run(command)
        times.append((time.perf_counter() - start) * 1000)
    port.close()
    return times


def _parse_rate(count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        for command, answer in SAMPLES.items():
            parse(command, answer)
    return count * len(SAMPLES) / (time.perf_counter() - start)
