"""What the AT channel costs: a round trip through it beside a bare write and read on one port; answers read a second.

Without a port the modem is a process of its own on a pseudo-terminal that answers OK at once, so the figures are ours,
not a modem's.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
import tty
from collections.abc import Iterator, Sequence
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
SAMPLES = (
    ("AT+CEREG?", '+CEREG: 2,1,"04BE","019E7703",7\r\n\r\nOK\r\n'),
    ("AT+CSQ", "+CSQ: 17,99\r\n\r\nOK\r\n"),
    ("AT+CGCONTRDP=2", '+CGCONTRDP: 2,6,"ims","10.1.2.3","10.1.2.1","10.9.0.1","","10.8.0.1"\r\n\r\nOK\r\n'),
)
TURNS = 5  # the two ways take turns, so that a machine that is busy for a while is busy for both


@dataclass(frozen=True)
class RoundTrips:
    """Medians of round trips in ms."""

    channel_ms: float
    bare_ms: float

    @property
    def overhead_ms(self) -> float:
        return self.channel_ms - self.bare_ms


def round_trips(path: str | None = None, count: int = 1000) -> RoundTrips:
    """So many round trips of `AT` each way, on the AT port at `path`.  Raises what the port or the modem did wrong."""
    if path is None:
        with _modem() as pseudo:
            return round_trips(pseudo, count)
    bare, channel = list[float](), list[float]()
    asyncio.run(_through_channel(path, Command("ATE0"), 1))
    for _ in range(TURNS):
        bare += _bare(path, count // TURNS)
        channel += asyncio.run(_through_channel(path, Command("AT"), count // TURNS))
    return RoundTrips(statistics.median(channel), statistics.median(bare))


def parsed_per_s(answers: Sequence[tuple[str, str]] = SAMPLES, count: int = 10_000) -> float:
    """How many answers are read in a second, each a command and what came back, over at least `count` of them."""
    rounds = -(-count // len(answers))
    start = time.perf_counter()
    for _ in range(rounds):
        for command, answer in answers:
            parse(command, answer)
    return rounds * len(answers) / (time.perf_counter() - start)


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


async def _through_channel(path: str, command: Command, count: int) -> list[float]:
    port, times = AtPort(path), []
    for _ in range(count):
        start = time.perf_counter()
        await port.run(command)
        times.append((time.perf_counter() - start) * 1000)
    port.close()
    return times
