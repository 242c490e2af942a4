"""How a kernel's build is shown: one line that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Self

import click

from testbed.rig.kernel.build import Step

EVERY_S = 15.0  # where lines cannot be overwritten


class Progress:
    """Tells of a build on standard error for the time of a `with` block."""

    def __init__(self) -> None:
        self._overwrites = sys.stderr.isatty()
        self._begun = self._said_at = time.monotonic()
        self._text = ""
        self._open = False  # whether the cursor stands behind a line that may be overwritten

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line()

    def told(self, step: Step) -> None:
        """Show a step."""
        now = time.monotonic()
        if step.text != self._text:
            self._end_line()
        elif not self._overwrites and now - self._said_at < EVERY_S:
            return
        self._text, self._said_at = step.text, now
        counted = f" {step.done} of about {step.about} files" if step.about else ""
        minutes, seconds = divmod(int(now - self._begun), 60)
        line = f"{minutes:3}:{seconds:02}  {step.text}{counted}"
        click.echo(f"\r\x1b[K{line}" if self._overwrites else line, err=True, nl=not self._overwrites)
        self._open = self._overwrites

    def _end_line(self) -> None:
        if self._open:
            click.echo("", err=True)
            self._open = False
