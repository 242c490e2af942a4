"""`testbed kernel`: the kernels that a rig can run on, and commands inside one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from testbed.rig.kernel.uml import Clock

FOLDER = click.Path(path_type=Path, file_okay=False)
BUILDS = {"debian": " (Debian's build)", "rig": " (the rig kernel)"}
CLOCK = click.option("--clock", type=click.Choice(["real", "simulated"]), default="real", show_default=True)
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
        release = f"{kind.release or 'not installed'}{BUILDS.get(kind.build, '')}"
        click.echo(f"{kind.name}  {release}: {kind.lacks or 'can carry a rig'}")
    click.echo(f"auto  {found.choice or 'none'}: {found.reason}")
    click.echo(f"simulated time: {_simulated()}")


@kernel.command()
def build() -> None:
    """Build the rig kernel from Debian's kernel source; what it adds is simulated time, Wi-Fi and USB.

    It takes some minutes and is kept in your cache folder; a second call returns at once.
    """
    from testbed.cli.kernel_build import Progress
    from testbed.rig.kernel.build import build as make

    with Progress() as progress:
        made = make(progress.told)
    click.echo(f"{made.binary}")


@kernel.command()
def path() -> None:
    """Print where the rig kernel is; exit status 3 where it has not been built."""
    from testbed.errors import RigError
    from testbed.rig.kernel.rig_kernel import cache, find
    from testbed.rig.kernel.uml import BUILD_IT

    there = find()
    if there is None:
        raise RigError("there is no rig kernel of this configuration", where=str(cache()), mend=BUILD_IT)
    click.echo(f"{there.binary}")


@kernel.command()
def remove() -> None:
    """Remove the rig kernels from the cache, and what interrupted builds left."""
    from testbed.rig.kernel.rig_kernel import remove as remove_all

    for folder in remove_all():
        click.echo(f"removed {folder}", err=True)


def _simulated() -> str:
    from testbed.rig.kernel import rig_kernel, uml

    there = rig_kernel.find()
    if there is None:
        return f"needs the rig kernel; build it: {uml.BUILD_IT}"
    return f"the rig kernel {there.release}, built {there.built} from Debian's {there.source}"


@kernel.command("exec", context_settings={"ignore_unknown_options": True})
@WRITABLE
@CLOCK
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Where the guest kernel's own words go.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(argv: tuple[str, ...], writable: tuple[Path, ...], clock: Clock, log: Path | None) -> None:
    """Run ARGV as root in a guest kernel over this machine's files; its exit status is ours.

    What it writes outside the writable folders is gone with the guest.  Put -- before a command with options.
    """
    from testbed.rig.kernel.choose import run_in_guest

    sys.exit(run_in_guest(argv, writable, log=log, clock=clock))


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
