"""`testbed modem parse`: what the driver makes of an answer, so that a user can show what was misread."""

from __future__ import annotations

import json
import sys

import click

from drivers.modem.errors import ResponseError
from drivers.modem.responses.table import commands
from drivers.modem.responses.table import parse as read
from drivers.modem.vendors.model import Vendor
from testbed.cli.modem_options import VENDOR
from testbed.errors import UsageError


class _Parse(click.Command):
    """Its help ends with the commands whose answers can be read."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Answers to these commands can be read"):
            formatter.write_text("  ".join(commands()))


@click.command(cls=_Parse)
@click.option("--command", "line", required=True, help="The command line; +CREG for a result code that came by itself.")
@VENDOR
def parse(line: str, vendor: Vendor | None) -> None:
    """Read the answer to a command on standard input, as the modem sent it, and print what it says as JSON.

    With several commands in one line (AT+CSQ;+CREG?) each has its part.  The answers tell vendors apart by their
    commands' names; --vendor is checked, and named where an answer cannot be read.

    \b
    printf '+CSQ: 17,99\\r\\nOK\\r\\n' | testbed modem parse --command AT+CSQ
    """
    answer = sys.stdin.buffer.read().decode("latin-1")  # a byte is a character: no answer is refused
    try:
        found = read(line, answer)
    except ResponseError as wrong:
        where = f"standard input, answer to {line}" + (f" of {vendor.name}" if vendor else "")
        raise UsageError(wrong.what, where=where, mend=wrong.mend or "is this the answer to that command?") from wrong
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
