"""tshark as the independent eye on S1AP and NAS: messages as SCTP data chunks in a capture file."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

DLT_SCTP, PPID, PORT = 248, 18, 36412


def write(path: Path, messages: Iterable[bytes]) -> Path:
    """A capture with an S1AP message in each packet."""
    out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, DLT_SCTP))
    for number, message in enumerate(messages):
        chunk = struct.pack(">BBHIHHI", 0, 3, 16 + len(message), number, 1, number, PPID) + message
        packet = struct.pack(">HHII", PORT, PORT, 1, 0) + chunk + bytes(-len(message) % 4)
        out += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
    path.write_bytes(out)
    return path


def fields(path: Path, *names: str, only: str | None = None) -> list[list[str]]:
    """These fields of each packet; a field that occurs more than once is joined by commas."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    command += [part for name in names for part in ("-e", name)]
    if only:
        command += ["-Y", only]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("|") for line in said.splitlines()]


def faults(path: Path) -> list[list[str]]:
    """What tshark finds wrong."""
    return fields(path, "frame.number", "_ws.expert.message", only="_ws.malformed || _ws.expert.severity == error")
