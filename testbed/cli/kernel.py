"""`testbed kernel`: the kernels that a rig can run on, and commands inside one."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group()
def kernel() -> None:
    """The kernel a rig runs on."""


@kernel.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--writable", multiple=True, type=click.Path(path_type=Path), help="A folder of the host it may write.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Where the guest kernel's own words go.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(argv: tuple[str, ...], writable: tuple[Path, ...], log: Path | None) -> None:
    """Run ARGV as root in a guest kernel over this machine's files; its exit status is ours.

    What it writes outside the writable folders is gone with the guest.  Put -- before a command with options.
    """
    from testbed.rig.kernel.choose import run_in_guest

    sys.exit(run_in_guest(argv, writable, log=log))
