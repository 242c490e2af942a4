"""`testbed modem at` and `record`: commands typed by a person, or sent by a script, on a port that is ours alone.

Nothing is sent that was not asked for but `AT`, to see that somebody is there.  What comes by itself is shown with an
asterisk.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from drivers.modem.at.command import Command
from drivers.modem.errors import ModemError, Refused
from drivers.modem.keeper import PortKeeper
from drivers.modem.transcript import Recorder
from drivers.modem.usb import PortName
from testbed.cli.modem_options import JSON, PORT
from testbed.errors import UsageError

SECRET = ("AT+CPIN=", "AT+CLCK=", "AT+CPWD=")  # never kept in the history
# What may take longer than the rest: TS 27.007 lets a modem search, attach and activate for minutes.
USUAL_S, PATIENCE_S = 10.0, {"AT+COPS": 180.0, "AT+CGACT": 150.0, "AT+CGATT": 75.0, "AT+CFUN": 30.0}

COMMANDS = click.argument("commands", nargs=-1)
TIMEOUT = click.option("--timeout", "timeout_s", type=float, help="Wait so long for each answer, in seconds.")


@click.command()
@PORT
@COMMANDS
@TIMEOUT
@JSON
def at(port: PortName, commands: tuple[str, ...], timeout_s: float | None, as_json: bool) -> None:
    """Run COMMANDS on a modem's AT port and print their answers; without any, open a console.

    In the console the arrows walk through what was typed before, Tab completes, result codes that come by themselves
    are shown as they come, Ctrl-C gives a command up, Ctrl-D leaves.  Where standard input is no terminal its lines are
    the commands.  With --json each answer and each result code is an object on a line of its own.  The exit code is 3
    where a command was refused or not answered.
    """
    sys.exit(asyncio.run(_at(port, commands, timeout_s, as_json, None)))


@click.command()
@PORT
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@COMMANDS
@click.option("--secrets", is_flag=True, help="Write PINs and a card's answers as they are.")
@TIMEOUT
@JSON
def record(
    port: PortName, file: Path, commands: tuple[str, ...], secrets: bool, timeout_s: float | None, as_json: bool
) -> None:
    """As `at`, and write every byte that is sent and received to the transcript FILE.

    PINs, and what a card computes, are crossed out.
    """
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(file.open("x", encoding="utf-8"))
        except OSError as error:
            mend = "name a new file" if isinstance(error, FileExistsError) else "choose another path"
            raise UsageError(f"cannot be written: {error.strerror}", where=str(file), mend=mend) from error
        recorder = stack.enter_context(closing(Recorder(opened, str(port), secrets=secrets)))
        code = asyncio.run(_at(port, commands, timeout_s, as_json, recorder))
    sys.exit(code)


async def _at(
    name: PortName, commands: tuple[str, ...], timeout_s: float | None, as_json: bool, recorder: Recorder | None
) -> int:
    from testbed.cli.modem_console import Console

    _check(commands)
    talk = Talk(name, timeout_s, as_json, recorder)
    talk.keeper.open()
    try:
        if commands:
            await talk.several(commands)
        elif sys.stdin.isatty():
            await Console(talk).run()
            return 0  # whoever types has seen what was refused
        else:
            await talk.several(await asyncio.to_thread(sys.stdin.readlines))
        return talk.exit_code
    finally:
        talk.keeper.close()


def _check(commands: Iterable[str]) -> None:
    """Before anything is sent."""
    for line in commands:
        try:
            Command(line)
        except ModemError as wrong:
            raise UsageError(wrong.what, where="COMMANDS", mend=wrong.mend) from wrong


class Talk:
    """Commands and their answers on one port, printed as they come."""

    def __init__(self, name: PortName, timeout_s: float | None, as_json: bool, recorder: Recorder | None) -> None:
        self.exit_code = 0
        self._timeout_s, self._as_json = timeout_s, as_json
        self.keeper = PortKeeper(name, self._heard, self._gone, recorder)
        self.gone = asyncio.Event()

    async def several(self, lines: Iterable[str]) -> None:
        """One after the other; empty lines are passed over."""
        for line in lines:
            if line.strip():
                await self.ask(line.strip())

    async def ask(self, line: str) -> None:
        """Run a command line and print what came of it."""
        try:
            answer = await self.keeper.run(self._command(line))
        except ModemError as error:
            self.exit_code = error.exit_code
            self._failed(line, error)
            return
        if self._as_json:
            self._say({"command": line, "ok": True, "lines": answer})
        else:
            click.echo("\n".join([*answer, "OK"]))

    def _command(self, line: str) -> Command:
        begins = line.upper()
        usual = next((each for start, each in PATIENCE_S.items() if begins.startswith(start)), USUAL_S)
        return Command(line, self._timeout_s or usual, secret=is_secret(line))

    def _failed(self, line: str, error: ModemError) -> None:
        code = error.code if isinstance(error, Refused) else None
        if self._as_json:
            fault = {"what": error.what, "where": error.where, "mend": error.mend}
            self._say({"command": line, "ok": False, "kind": type(error).__name__, "code": code, "error": fault})
        else:
            click.echo(f"error: {error.what}" + (f"\n  mend: {error.mend}" if error.mend else ""))

    def _heard(self, line: str) -> None:
        if self._as_json:
            self._say({"unsolicited": line})
        else:
            click.echo(f"* {line}")

    def _gone(self) -> None:
        self.gone.set()
        if self._as_json:
            self._say({"event": "gone"})
        else:
            click.echo("* the modem has gone")

    def _say(self, record: dict[str, Any]) -> None:
        click.echo(json.dumps(record, ensure_ascii=False))


def is_secret(line: str) -> bool:
    """Whether a command line holds a PIN or a password."""
    return any(start in line.upper().replace(" ", "") for start in SECRET)
