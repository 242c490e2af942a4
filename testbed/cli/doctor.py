"""`testbed doctor`: what this machine can do, and how to mend what it lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from testbed.errors import RigError

if TYPE_CHECKING:
    from rich.console import Console

    from testbed.rig.doctor import Diagnosis

MARKS = {"there": ("✓", "green"), "missing": ("✗", "red"), "absent": ("–", "yellow")}


@click.command()
@click.option("--topology", metavar="FILE", help="Look for what this topology needs: a file, or one that ships.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def doctor(topology: str | None, as_json: bool) -> None:
    """Say what this machine can do for each kernel choice, and how to mend what it lacks.

    The exit status is 0 where a rig can run on at least one kernel, else 3.
    """
    from testbed.rig.doctor import diagnose, plan_of

    plan = plan_of(topology)
    if as_json:
        found = diagnose(plan)
        click.echo(json.dumps(found.as_dict(), indent=2))
    else:
        from rich.console import Console

        with Console(stderr=True).status("looking; a guest kernel is started to see what it can do"):
            found = diagnose(plan)
        _print(Console(), found)
    if found.choice is None:
        raise click.exceptions.Exit(RigError.exit_code)


def _print(console: Console, found: Diagnosis) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    group = ""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    for check in found.checks:
        if check.group != group:
            group = check.group
            table.add_section()
            table.add_row("", Text(group, style="bold"))
        mark, colour = MARKS[check.state]
        lines = [check.detail, *([f"mend: {check.mend}"] if check.mend else [])]
        table.add_row(Text(mark, style=colour), Text(check.name), Text("\n".join(lines)))
    console.print(table)
    rig = f"the rig of {found.topology}" if found.topology else "a wired rig"
    for ability in found.abilities:
        mark, colour = MARKS["there" if ability.can else "missing"]
        verdict = f"can run {rig}" if ability.can else f"cannot run {rig}: {', '.join(ability.missing)} missing"
        console.print(Text(mark, style=colour), Text(f"--kernel {ability.kernel} {verdict}"))
    console.print(f"  --kernel auto takes {found.choice}" if found.choice else "  no kernel can run it")
