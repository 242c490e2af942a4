"""The undo journal of a rig: what must be undone, written and synced before it is done.

One JSON line an entry, `{"kind": ..., "values": {...}}`; :mod:`testbed.rig.undo` says what each kind means.  After
SIGKILL or power loss the lines that are there are enough to put the machine back as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import RigError, TestbedError
from testbed.rig.undo import KINDS


@dataclass(frozen=True)
class Entry:
    """One thing to undo: a kind and what that kind needs to know."""

    kind: str
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {json.dumps(self.values)}"


@dataclass(frozen=True)
class Failure:
    """An entry that could not be undone, and why.  It stays in the journal."""

    entry: Entry
    why: str


class Journal:
    """The journal in one file, which exists only while there is something to undo."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def announce(self, *entries: Entry) -> None:
        """Write entries, all of them together, and return when they would survive a loss of power."""
        lines = [json.dumps({"kind": entry.kind, "values": entry.values}) + "\n" for entry in entries]
        new = not self._path.exists()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, "".join(lines).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            _sync_folder(self._path.parent)

    def entries(self) -> list[Entry]:
        """What is to be undone, oldest first.

        A last line that is torn was never synced, so what it announces was never done; it is passed over.  Any other
        line that cannot be read is RigError: somebody else wrote it.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return []
        found: list[Entry] = []
        lines = text.split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                found.append(Entry(record["kind"], dict(record["values"])))
            except (ValueError, KeyError, TypeError) as unreadable:
                if number >= len(lines):  # nothing, or a line without its end
                    break
                if b"\0" in line and not any(lines[number:]):  # a file that grew before its contents were written
                    break
                mend = "look at the file, take the line out, and run `testbed clean` again"
                raise RigError("not a line of ours", where=f"{self._path}:{number}", mend=mend) from unreadable
        return found

    def there(self) -> list[str]:
        """What of it is there now, newest first, as sentences: undoing would take it away."""
        return [line for entry in reversed(self.entries()) for line in _kind(entry).there(entry.values)]

    def undo(self, told: Callable[[str], None]) -> list[Failure]:
        """Undo all entries, newest first.  What fails is returned and kept; it does not stop the others."""
        failures: list[Failure] = []
        for entry in reversed(self.entries()):
            try:
                for line in _kind(entry).undo(entry.values):
                    told(line)
            except (TestbedError, OSError, KeyError, TypeError) as failed:
                failures.append(Failure(entry, str(failed)))
        self._keep([failure.entry for failure in reversed(failures)])
        return failures

    def _keep(self, entries: Sequence[Entry]) -> None:
        """Make these the whole journal; the file is the old one or the new one at any time."""
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)
        if entries:
            Journal(new).announce(*entries)
            new.replace(self._path)
        else:
            self._path.unlink(missing_ok=True)


def _kind(entry: Entry) -> Any:
    if entry.kind not in KINDS:
        raise RigError(f"{entry}: this version cannot undo that", mend="use the version that wrote it")
    return KINDS[entry.kind]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
