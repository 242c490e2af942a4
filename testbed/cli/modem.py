"""`testbed modem`: LTE modems on this bench, and a virtual one to try everything on.

PORT names a modem's AT port: a path, best /dev/serial/by-id/...; or serial:NUMBER[:INTERFACE]; or
usb:PATH[:INTERFACE], as in usb:1-1.2:2 (see `testbed modem list`).
"""

from __future__ import annotations

import click

from testbed.cli.verbs import Verbs

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


@click.group(cls=Verbs, table=VERBS)
def modem() -> None:
    """LTE modems on this bench.

    PORT names a modem's AT port: a path, best one below /dev/serial/by-id; serial:NUMBER[:INTERFACE]; or
    usb:PATH[:INTERFACE] as in usb:1-1.2:2.  `testbed modem list` shows them.  Without a modem: `testbed modem virtual`.
    """
