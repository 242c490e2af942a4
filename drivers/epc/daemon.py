"""One daemon of a core: started on its host, ready by what it says, ended; its own words where it fails."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.epc.errors import CoreFailed
from drivers.protocols import Host, LongProcess

KEPT_LINES, SHOWN_LINES = 200, 6
LOOKED_AT_EVERY_S = 0.5  # whether a silent daemon still runs
LAST_WORDS_S = 0.3  # what it said last may come after its end
END_S = 3.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TROUBLE = re.compile(r"\b(ERRR|ERROR|FATAL|ASSERT|CRIT)\b|[Aa]ssert|error|[Ff]ailed", re.ASCII)


@dataclass(frozen=True)
class Recipe:
    """How a daemon is started, and the words by which all that it needs is there (each must be said once).

    `hopeless` are words after which it runs on, but will never be of use.
    """

    name: str
    argv: tuple[str, ...]
    ready: tuple[str, ...]
    hopeless: tuple[str, ...] = ()


class Daemon:
    """A daemon at work."""

    def __init__(self, host: Host, recipe: Recipe, logs: Path | None, said: threading.Condition) -> None:
        """`said` is told of each line; daemons that are waited for together share one."""
        self.recipe = recipe
        self._where = f"{recipe.name} on {host.name}"
        self._missing = set(recipe.ready)
        self._hopeless = False
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._said = said
        log = logs / f"{recipe.name}.log" if logs else None
        self._process: LongProcess = host.start(_as_a_service(recipe.argv), on_line=self._heard, log=log)

    def is_ready(self) -> bool:
        """Whether it has said what it should.  Raises CoreFailed once it never will."""
        ended = self._process.status is not None
        if (self._missing and ended) or self._hopeless:
            with self._said:
                self._said.wait_for(lambda: False, LAST_WORDS_S)
            how = f"ended with status {self._process.status}" if ended else "cannot do its work"
            raise CoreFailed(f"{how}{self._words()}", where=self._where, mend="see its log")
        return not self._missing

    def give_up(self) -> CoreFailed:
        """Why it is not ready."""
        missing = ", ".join(sorted(self._missing))
        return CoreFailed(f"has not said in time: {missing}{self._words()}", where=self._where)

    def check(self) -> None:
        """Raises CoreFailed when it has ended by itself."""
        if self._process.status is not None:
            what = f"has ended by itself with status {self._process.status}{self._words()}"
            raise CoreFailed(what, where=self._where)

    def end(self) -> None:
        self._process.end(END_S)

    @property
    def lines(self) -> tuple[str, ...]:
        """What it said last."""
        with self._said:
            return tuple(self._lines)

    def _heard(self, line: str) -> None:
        plain = _COLOUR.sub("", line).strip()
        with self._said:
            self._lines.append(plain)
            self._hopeless = self._hopeless or any(words in plain for words in self.recipe.hopeless)
            self._missing = {words for words in self._missing if words not in plain}
            self._said.notify_all()

    def _words(self) -> str:
        """Its last words about trouble, or simply its last ones."""
        said = [line for line in self._lines if line]
        shown = [line for line in said if _TROUBLE.search(line)] or said
        return ": " + " | ".join(shown[-SHOWN_LINES:]) if shown else ", without a word"


def wait_ready(daemons: Sequence[Daemon], said: threading.Condition, until: float) -> None:
    """Until all are ready; `until` is of the monotonic clock.  Raises CoreFailed as soon as one never will be."""
    while waiting := [daemon for daemon in daemons if not daemon.is_ready()]:
        left = until - time.monotonic()
        if left <= 0:
            raise waiting[0].give_up()
        with said:
            said.wait(min(left, LOOKED_AT_EVERY_S))


def _as_a_service(argv: Sequence[str]) -> list[str]:
    """As systemd starts one: a peer that has gone does not kill it (SIGPIPE); and it says each line when it has it.

    NextEPC's MME dies of an eNB that closes its association, without the former.  Without the latter a daemon whose
    output is no terminal keeps it to itself until a block is full.
    """
    return ["env", "--ignore-signal=PIPE", "stdbuf", "-oL", "-eL", *argv]
