"""Final result codes: the lines that end a command (ITU-T V.250 5.7.1, 3GPP TS 27.007 9, TS 27.005 3.2.5).

An error code is `+CME ERROR: ` and at least one character, be it a blank: modems send an empty one.
Without any it is a line like others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["ok", "connect", "error"]


@dataclass(frozen=True)
class Final:
    """How a command ended.  `code` is the number or text of a +CME or +CMS error; empty where there was none."""

    kind: Kind
    text: str
    code: str | None = None

    @property
    def ok(self) -> bool:
        return self.kind != "error"


VERBOSE: dict[str, Kind] = {
    "OK": "ok",
    "CONNECT": "connect",
    "ERROR": "error",
    "NO CARRIER": "error",
    "BUSY": "error",
    "NO ANSWER": "error",
    "NO DIALTONE": "error",
    "NO DIAL TONE": "error",
    "ABORTED": "error",  # u-blox, when a character interrupted the command
    "COMMAND NOT SUPPORT": "error",  # Huawei
    "TOO MANY PARAMETERS": "error",  # Huawei
}
# V.250 table 1, for modems left with ATV0; 2 is RING and ends nothing.
NUMERIC: dict[str, str] = {
    "0": "OK",
    "1": "CONNECT",
    "3": "NO CARRIER",
    "4": "ERROR",
    "6": "NO DIALTONE",
    "7": "BUSY",
    "8": "NO ANSWER",
}
_CODED = re.compile(r"(\+CM[ES] ERROR):(.+)", re.DOTALL)


def final_of(line: str, *, numeric: bool = False) -> Final | None:
    """The final result code in a line, or None.  A digit alone counts only where the modem may be in ATV0."""
    bare = line.strip()
    if kind := VERBOSE.get(bare):
        return Final(kind, bare)
    if coded := _CODED.match(line.lstrip()):
        return Final("error", bare, coded[2].strip())
    if bare.startswith("CONNECT "):  # CONNECT 150000000
        return Final("connect", bare)
    if bare.endswith("NO CARRIER"):  # it breaks into whatever was on the line, without a line of its own
        return Final("error", "NO CARRIER")
    if numeric and bare in NUMERIC:
        return Final(VERBOSE[NUMERIC[bare]], NUMERIC[bare])
    return None


def first_final(lines: Iterable[str]) -> Final | None:
    """The final result code of a whole answer."""
    return next((final for line in lines if (final := final_of(line))), None)
