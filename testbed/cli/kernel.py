"""`testbed kernel`: the kernels that a rig can run on, and commands inside one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
WRITABLE = click.option("--writable", multiple=True, type=FOLDER, help="A folder of the host that it may write.")


@click.group()
def kernel() -> None:
    """The kernel a rig runs on."""


@kernel.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def status(as_json: bool) -> None:
    """Say which kernels there are, and which one `--kernel auto` would choose and why."""
    from testbed.rig.kernel.status import status as look

    found = look()
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2))
        return
    for kind in found.kernels:
        click.echo(f"{kind.name}  {kind.release or 'not installed'}: {kind.lacks or 'can carry a rig'}")
    click.echo(f"auto  {found.choice or 'none'}: {found.reason}")


@kernel.command("exec", context_settings={"ignore_unknown_options": True})
@WRITABLE
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Where the guest kernel's own words go.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(argv: tuple[str, ...], writable: tuple[Path, ...], log: Path | None) -> None:
    """Run ARGV as root in a guest kernel over this machine's files; its exit status is ours.

    What it writes outside the writable folders is gone with the guest.  Put -- before a command with options.
    """
    from testbed.rig.kernel.choose import run_in_guest

    sys.exit(run_in_guest(argv, writable, log=log))


@kernel.command()
@WRITABLE
def shell(writable: tuple[Path, ...]) -> None:
    """A shell as root in a guest kernel over this machine's files."""
    from testbed.errors import UsageError
    from testbed.rig.kernel.choose import run_in_guest

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        mend = "use: testbed kernel exec -- ARGV"
        raise UsageError("a shell needs a terminal", where="testbed kernel shell", mend=mend)
    sys.exit(run_in_guest([os.environ.get("SHELL", "/bin/sh")], writable, interactive=True))
