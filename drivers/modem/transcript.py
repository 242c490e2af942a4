"""Transcripts of an AT port: every chunk of bytes as it was read or written, one JSON object a line.

`{"t_s": 0.0123, "dir": "out", "data": "AT+CSQ\\r"}`: `t_s` counts from the first line, `dir` is seen from our side
("out" to the modem, "in" from it), and each character of `data` is one byte (Latin-1).
The first line is a header: `{"transcript": 1, "port": ..., "started": ...}`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from drivers.modem.errors import ModemError

Direction = Literal["in", "out"]
FORMAT = 1
# What no evidence may hold: PINs, and what a card computed.  Overwritten with the same number of characters.
_SECRET = re.compile(rb"(?i)(\+CPIN=|\+CLCK=|\+CPWD=|\+CGLA[=:]|\+CSIM[=:]|\+CRSM[=:])([^\r\n]*)")
_PROMPTS = (b">", b"> ")


@dataclass(frozen=True)
class Chunk:
    """One read or write."""

    t_s: float
    direction: Direction
    data: bytes


class Recorder:
    """Writes a transcript.  What a PIN or a card's answer says is crossed out unless `secrets` is set.

    With secrets crossed out a line that came in several reads is written as one chunk, when its last byte is there.
    """

    def __init__(
        self, file: IO[str], port: str, *, secrets: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file, self._secrets, self._clock = file, secrets, clock
        self._start = clock()
        self._held: dict[Direction, bytes] = {"in": b"", "out": b""}
        self._write({"transcript": FORMAT, "port": port, "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})

    def sent(self, data: bytes) -> None:
        self._chunk("out", data)

    def received(self, data: bytes) -> None:
        self._chunk("in", data)

    def close(self) -> None:
        """Write what was held back; the file stays open, it is its owner's."""
        for direction, held in self._held.items():
            if held:
                self._put(direction, held)
        self._held = {"in": b"", "out": b""}

    def _chunk(self, direction: Direction, data: bytes) -> None:
        data = self._held[direction] + data
        whole = max(data.rfind(b"\r"), data.rfind(b"\n")) + 1
        if self._secrets or data[whole:] in _PROMPTS:
            whole = len(data)
        self._held[direction] = data[whole:]
        if whole:
            self._put(direction, data[:whole])

    def _put(self, direction: Direction, data: bytes) -> None:
        if not self._secrets:
            data = _SECRET.sub(lambda found: found[1] + b"*" * len(found[2]), data)
        moment = round(self._clock() - self._start, 6)
        self._write({"t_s": moment, "dir": direction, "data": data.decode("latin-1")})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read(path: Path) -> Iterator[Chunk]:
    """The chunks of a transcript; raises ModemError that names the line when it is none."""
    with path.open(encoding="utf-8") as file:
        yield from parse(file, str(path))


def parse(lines: Iterable[str], where: str) -> Iterator[Chunk]:
    """The chunks of a transcript's lines."""
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            if "transcript" in entry:
                if entry["transcript"] != FORMAT:
                    raise ValueError(f"format {entry['transcript']} is unknown")
                continue
            if entry["dir"] not in ("in", "out"):
                raise ValueError(f"direction {entry['dir']!r}")
            yield Chunk(float(entry["t_s"]), entry["dir"], entry["data"].encode("latin-1"))
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            mend = "a transcript is what `testbed modem record` writes"
            raise ModemError(f"no line of a transcript: {wrong}", where=f"{where}:{number}", mend=mend) from wrong
