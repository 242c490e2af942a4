"""`testbed modem`: LTE modems on this bench, and a virtual one to try everything on.

PORT names a modem's AT port: a path, best /dev/serial/by-id/...; or serial:NUMBER[:INTERFACE]; or
usb:PATH[:INTERFACE], as in usb:1-1.2:2 (see `testbed modem list`).
"""

from __future__ import annotations

import importlib

import click

# verb -> (module, one line of help); as in testbed.cli.main nothing is imported before it is used
VERBS = {
    "list": ("testbed.cli.modem_list", "Serial ports of USB modems: what they are, their names, who has them open."),
    "info": ("testbed.cli.modem_info", "What a modem is, its card, where it is registered, its contexts."),
    "at": ("testbed.cli.modem_at", "A console on the AT port, or single commands."),
    "watch": ("testbed.cli.modem_watch", "Signal, cell and registration as they change."),
    "parse": ("testbed.cli.modem_parse", "Read a modem's answer on standard input, print what it says as JSON."),
    "reset": ("testbed.cli.modem_reset", "Restart a modem and wait until it is back."),
    "record": ("testbed.cli.modem_at", "As `at`, and write every byte to a transcript."),
    "virtual": ("testbed.cli.modem_virtual", "A virtual modem on a pseudo-terminal, to try all of this without one."),
}


class ModemGroup(click.Group):
    """A group whose commands are imported on first use: pyserial and the drivers take longer than `--help` may."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(VERBS[cmd_name][0])
        command: click.Command = getattr(module, "list_" if cmd_name == "list" else cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=ModemGroup)
def modem() -> None:
    """LTE modems on this bench.

    PORT names a modem's AT port: a path, best one below /dev/serial/by-id; serial:NUMBER[:INTERFACE]; or
    usb:PATH[:INTERFACE] as in usb:1-1.2:2.  `testbed modem list` shows them.  Without a modem: `testbed modem virtual`.
    """
