"""Who holds a rig: a lock that the kernel takes back when its holder dies, and a note of who that is.

A rig's folder in the state folder: `lock` (flock(2) decides), `holder.json` (says who), `journal.jsonl` (what to undo).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from testbed.errors import RigError, UsageError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,14}[a-z0-9])?")


@dataclass(frozen=True)
class Holder:
    """The process that holds, or held, a rig."""

    pid: int
    command: list[str]
    since: str  # UTC, ISO 8601
    run: str

    @classmethod
    def ourselves(cls, run: str) -> Holder:
        return cls(os.getpid(), [*sys.orig_argv], datetime.now(UTC).isoformat(timespec="seconds"), run)

    def __str__(self) -> str:
        return f"process {self.pid} ({' '.join(self.command)}) since {self.since}"


def state_folder() -> Path:
    """Where rigs leave their journals: one place for root, one for each other user."""
    if os.geteuid() == 0:
        return Path("/var/lib/testbed")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "testbed"


def check_name(name: str) -> str:
    """A rig's name as given; raises UsageError when it cannot begin the name of a namespace."""
    if not NAME.fullmatch(name):
        mend = "up to 16 lower-case letters, digits and hyphens, beginning and ending with a letter or digit"
        raise UsageError(f"{name!r} is no name for a rig", where="--rig", mend=mend)
    return name


class Reservation:
    """The reservation of one rig, by this process."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        self._lock: int | None = None
        self._noted = False

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._lock is not None

    def acquire(self, run: str | None) -> None:
        """Hold the rig, or raise RigError, which says who does.  `run` None: the last holder's note stays."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as refused:
            mend = "choose a state folder that can be written"
            raise RigError(f"{refused.strerror}", where=str(self._folder), mend=mend) from refused
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            os.close(lock)
            raise self._is_held() from held
        self._lock = lock
        if run is None:
            return
        self._noted = True
        self._note().with_suffix(".new").write_text(json.dumps(asdict(Holder.ourselves(run))) + "\n")
        self._note().with_suffix(".new").replace(self._note())

    def release(self) -> None:
        """Let the rig go; a journal that is left says what its next holder has to undo."""
        if self._lock is not None:
            if self._noted:
                self._note().unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def holder(self) -> Holder | None:
        """Who holds the rig; one who died left its name here too."""
        try:
            return Holder(**json.loads(self._note().read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _is_held(self) -> RigError:
        holder = self.holder() or "a process that has only just begun"
        mend = "wait until it ends, end it, or use another rig with --rig NAME"
        return RigError(f"held by {holder}", where=f"rig {self._name}", mend=mend)

    def _note(self) -> Path:
        return self._folder / "holder.json"
