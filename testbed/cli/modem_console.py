"""The console of `testbed modem at`: a line to type on, below what the modem says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from drivers.modem.errors import PortNotBack
from drivers.modem.responses.table import commands

if TYPE_CHECKING:
    from testbed.cli.modem_at import Talk

BACK_S = 3600.0  # somebody sits here, who will leave when it takes too long


class Console:
    """Reads commands until Ctrl-D.  A modem that went is waited for while one may go on typing."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        completer = WordCompleter([*commands()], ignore_case=True, sentence=True)
        self._prompt: PromptSession[str] = PromptSession(
            history=_history(), completer=completer, complete_while_typing=False
        )

    async def run(self) -> None:
        click.echo(f"{self._talk.keeper.path}: what comes by itself is marked with *")
        click.echo("Tab completes, Ctrl-C gives a command up, Ctrl-D leaves")
        back = asyncio.create_task(self._come_back())
        try:
            with patch_stdout():
                await self._converse()
        finally:
            back.cancel()

    async def _converse(self) -> None:
        while True:
            try:
                line = (await self._prompt.prompt_async("AT> ")).strip()
            except EOFError:
                return
            except KeyboardInterrupt:  # clears the line, as in a shell
                continue
            if line.lower() in ("quit", "exit"):
                return
            if line:
                await self._ask(line)

    async def _ask(self, line: str) -> None:
        """Run a command; Ctrl-C ends it and not the console."""
        loop = asyncio.get_running_loop()
        running = loop.create_task(self._talk.ask(line))
        loop.add_signal_handler(signal.SIGINT, running.cancel)
        try:
            await asyncio.wait({running})
        finally:
            loop.remove_signal_handler(signal.SIGINT)
        if running.cancelled():
            click.echo(f"{line} was given up")
        else:
            running.result()

    async def _come_back(self) -> None:
        while True:
            await self._talk.gone.wait()
            self._talk.gone.clear()
            with contextlib.suppress(PortNotBack):
                await self._talk.keeper.wait_open(BACK_S)
                click.echo(f"* the modem is back as {self._talk.keeper.path}")


class _History(FileHistory):
    """Keeps no PIN."""

    def store_string(self, string: str) -> None:
        from testbed.cli.modem_at import is_secret

        if not is_secret(string):
            super().store_string(string)


def _history() -> History:
    """What was typed before, in the user's state folder; for this session alone where that cannot be written."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "testbed"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "at-history"
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return _History(str(file))
