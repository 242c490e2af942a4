"""The folder of one run: where its evidence lies, and writes that are whole or not there (DESIGN "A run's folder")."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from testbed.errors import UsageError
from testbed.results.model import Result

_RUN = re.compile(r"\d{8}T\d{6}Z-")


@dataclass(frozen=True)
class RunFolder:
    """`runs/<utc time>-<scenario>-<suffix>/`; its name is the run's id."""

    path: Path

    @classmethod
    def create(cls, runs: Path, scenario: str, *, now: datetime | None = None) -> RunFolder:
        """Make a new folder below `runs` (made when missing).  The suffix keeps two runs in one second apart."""
        moment = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        slug = re.sub(r"[^a-z0-9]+", "-", scenario.lower()).strip("-") or "run"
        path = runs / f"{moment}-{slug}-{secrets.token_hex(2)}"
        try:
            (path / "captures").mkdir(parents=True)
            (path / "logs").mkdir()
        except OSError as error:
            raise UsageError(
                f"a run folder cannot be made: {error.strerror}", where=str(path), mend="give a writable --runs DIR"
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run's folder."""
        if not path.is_dir():
            raise UsageError("there is no such run folder", where=str(path), mend="`testbed runs list` names them")
        return cls(path)

    @classmethod
    def find(cls, runs: Path, name: str) -> RunFolder:
        """The run that is meant by a path, an id below `runs`, or as much of an id as only one run has."""
        for path in (Path(name), runs / name):
            if path.is_dir():
                return cls(path)
        found = [path for path in list_runs(runs) if name in path.name]
        if len(found) == 1:
            return cls(found[0])
        if not found:
            raise UsageError("there is no such run", where=name, mend=f"`testbed runs list --runs {runs}` names them")
        several = ", ".join(path.name for path in found[:5]) + (", ..." if len(found) > 5 else "")
        raise UsageError(f"{len(found)} runs are called like this: {several}", where=name, mend="give more of the name")

    @property
    def id(self) -> str:
        return self.path.resolve().name

    @property
    def captures(self) -> Path:
        return self.path / "captures"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def esp_sa(self) -> Path:
        """The decryption sidecar, mode 0600; absent when switched off."""
        return self.captures / "esp_sa"

    def capture(self, end: str) -> Path:
        """The capture of one end: `ue` or `far`."""
        return self.captures / f"{end}.pcapng"

    def write(self, name: str, text: str, *, mode: int = 0o644) -> Path:
        """Write a file of the folder so that a reader sees the old or the new one, never a half."""
        return write_atomic(self.path / name, text, mode=mode)

    def read_result(self) -> Result:
        """The run's `result.json`."""
        file = self.path / "result.json"
        if not file.is_file():
            raise UsageError("this run has no result.json", where=str(self.path), mend="the run did not end; repeat it")
        try:
            return Result.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise UsageError(
                f"this is not the result of a run: {error.errors()[0]['msg']}",
                where=str(file),
                mend="`testbed report` makes it anew from the run's captures",
            ) from error


def list_runs(runs: Path) -> list[Path]:
    """The run folders in a folder of runs, oldest first."""
    try:
        return sorted(path for path in runs.iterdir() if path.is_dir() and _RUN.match(path.name))
    except OSError as error:
        raise UsageError(f"no runs can be listed: {error.strerror}", where=str(runs), mend="give --runs DIR") from error


def write_atomic(path: Path, text: str, *, mode: int = 0o644) -> Path:
    """Write to a temporary name beside `path`, sync, rename."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
