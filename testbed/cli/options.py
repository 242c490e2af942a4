"""Options of all verbs that carry runs out: on what, and where what came of them goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from testbed.rig.kernel.uml import Clock

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

KERNEL = click.option("--kernel", type=click.Choice(["auto", "host", "uml"]), default="auto", show_default=True)
WORKERS = click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="So many guests at a time.")
JSON = click.option(
    "--json", "as_json", is_flag=True, help="One object on standard output, all else on standard error."
)
RUNS = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Where the runs' folders go.",
)
RIG = click.option(
    "--rig", metavar="NAME", default="tb", show_default=True, help="One rig is held by one run at a time."
)


def clock_option(default: Clock) -> Option:
    """--clock, where a verb has a default of its own."""
    return click.option(
        "--clock",
        type=click.Choice(["real", "simulated"]),
        default=default,
        show_default=True,
        help="Simulated time needs the rig kernel (`testbed kernel build`).",
    )


def page_option(what: str) -> Option:
    """--page, with what is written there."""
    return click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help=f"Write {what} there too.")
