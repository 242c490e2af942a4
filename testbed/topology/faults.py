"""What is wrong with a file, each fault with its place, and the error that carries all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from testbed.errors import UsageError

KeyPath = tuple[str | int, ...]  # of keys and list indices, from the top of the file
SHOWN = 60


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong.  Line and column count from 1; 0 when the fault is of the file as a whole."""

    line: int
    column: int
    file: str
    key: str  # dotted: accesses.lte.delay_ms
    what: str
    mend: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key}: {self.what}" if self.key else f"{place}: {self.what}"


@dataclass(frozen=True)
class Complaint:
    """Something wrong between parts that are each well formed; `at_key` when the key is to blame and not the value."""

    path: KeyPath
    what: str
    mend: str
    at_key: bool = False
    needs: tuple[KeyPath, ...] = ()  # what must have been read well for the complaint to make sense


class FileFaults(UsageError):
    """A file that cannot be used, with every fault that it has, in the order of its lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        if len(self.faults) == 1:
            super().__init__(str(self.faults[0]), mend=self.faults[0].mend)
        else:
            lines = [f"{self.faults[0].file} has {len(self.faults)} faults"]
            for fault in self.faults:
                lines += [f"  {fault}", f"    mend: {fault.mend}"]
            super().__init__("\n".join(lines))

    def as_records(self) -> list[dict[str, Any]]:
        """For `--json`."""
        return [asdict(fault) for fault in self.faults]


def dotted(path: KeyPath) -> str:
    """A path as people write it: `ues.ue.accesses[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{shown(part)}" if text else shown(part)
    return text


def shown(value: object, longest: int = SHOWN) -> str:
    """A value from a file as it may stand in a message: one line, printable, not long."""
    text = repr(value)
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = text.lower()  # as YAML writes it
    elif isinstance(value, float):
        text = f"{value:g}"
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def did_you_mean(word: str) -> str:
    return f"did you mean `{word}`?"


def nearest(word: str, known: Sequence[str], what: str = "known") -> str:
    """The mend for a word that is not among the known ones."""
    if close := difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6):
        return did_you_mean(close[0])
    return f"{what}: {', '.join(known)}" if known else "remove it"
