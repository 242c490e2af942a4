"""`testbed topology`: what a topology file says, and whether it may be said so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from testbed.errors import UsageError


@click.group()
def topology() -> None:
    """Check, draw and describe topology files.

    FILE is the path of a file, or the bare name of one that ships (see `testbed topology list`).
    """


@topology.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One object on standard output, faults with line and column.")
def check(files: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with FILE, every fault with its line, its key and its mend."""
    from testbed.topology.load import load, resolve
    from testbed.topology.planning import make_plan

    records, faulty = [], False
    for name in files:
        try:
            path = resolve(name)
            plan = make_plan(load(path))
        except UsageError as error:
            faulty = True
            records.append({"file": name, "ok": False, "faults": _faults(error)})
            if not as_json:
                click.echo(f"error: {error}", err=True)
            continue
        records.append({"file": str(path), "ok": True, "faults": []})
        if not as_json:
            counts = (len(plan.accesses), "access"), (len(plan.servers), "server"), (len(plan.ues), "UE")
            click.echo(f"{path}: fine: " + ", ".join(_count(*count) for count in counts))
    if as_json:
        click.echo(json.dumps({"files": records}, indent=2))
    if faulty:
        sys.exit(UsageError.exit_code)


def _faults(error: UsageError) -> list[dict[str, object]]:
    from testbed.topology.faults import FileFaults

    if isinstance(error, FileFaults):
        return error.as_records()
    return [{"line": 0, "column": 0, "file": "", "key": "", "what": error.what, "mend": error.mend}]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}{'es' if word.endswith('s') else 's'}"


@topology.command()
@click.argument("file")
@click.option("--addresses", is_flag=True, help="Add every namespace, device and address.")
def show(file: str, addresses: bool) -> None:
    """Draw FILE."""
    from rich.console import Console

    from testbed.topology.drawing import page
    from testbed.topology.load import load, resolve
    from testbed.topology.planning import make_plan

    found = load(resolve(file))
    console = Console(highlight=False)
    console.print(page(make_plan(found), found.title, console, addresses=addresses), crop=False)


@topology.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there instead.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of topology files, for editors.

    An editor with a YAML language server completes and checks a file that begins with
    `# yaml-language-server: $schema=topology.schema.json`.
    """
    from testbed.topology.schema import json_schema

    text = json_schema()
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", where=str(output), mend="choose another path"
        ) from error


@topology.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
def list_shipped(as_json: bool) -> None:
    """The topologies that ship with the project."""
    from rich.console import Console
    from rich.table import Table

    from testbed.topology.load import load, shipped

    found = {name: (load(path).title, path) for name, path in shipped().items()}
    if as_json:
        records = [{"name": name, "title": title, "file": str(path)} for name, (title, path) in found.items()]
        click.echo(json.dumps({"topologies": records}, indent=2))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for name, (title, _) in found.items():
        table.add_row(f"[bold]{name}[/bold]", title)
    Console(highlight=False).print(table)
