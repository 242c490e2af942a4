"""`testbed scenario`: the scenarios that ship, and whether one of your own is right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from testbed.errors import UsageError


@click.group()
def scenario() -> None:
    """List, show and check scenarios.

    FILE is the path of a file, or the name of one that ships (see `testbed scenario list`).
    """


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
@click.option(
    "--page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Write them into this Markdown page instead, as the table below `## What ships`.",
)
def scenarios(as_json: bool, page: Path | None) -> None:
    """The scenarios that ship: name, rows of the proposal's table, title."""
    from testbed.cli.run import list_scenarios

    if page is None:
        list_scenarios(as_json=as_json)
        return
    from testbed.scenario.catalogue import catalogue
    from testbed.scenario.catalogue_page import renewed

    page.write_text(renewed(page.read_text(encoding="utf-8"), catalogue(), str(page)), encoding="utf-8")


scenario.add_command(scenarios, "list")


@scenario.command()
@click.argument("file")
@click.option("--as-file", is_flag=True, help="As a scenario file, every key spelt out.")
def show(file: str, as_file: bool) -> None:
    """Tell FILE step by step."""
    from testbed.scenario.catalogue import find
    from testbed.scenario.stepped import SteppedScenario

    found = find(file)
    if as_file:
        click.echo(found.to_yaml(), nl=False)
        return
    click.echo(f"{found.name}: {found.title}")
    rows = f"rows {', '.join(map(str, found.rows))}; " if found.rows else ""
    click.echo(f"{rows}topology {found.topology}, core {found.profile}")
    if isinstance(found, SteppedScenario):
        for number, step in enumerate(found.steps, 1):
            click.echo(f"{number:4}  {step.verb.said()}")
    else:
        click.echo(f"{found.trigger}, {found.procedure}, sessions by {found.move}, {found.handoffs} handoffs")


@scenario.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One object on standard output, faults with line and column.")
def check(files: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with FILE, every fault with its line, its key and its mend."""
    from testbed.scenario.catalogue import find
    from testbed.topology.faults import FileFaults
    from testbed.topology.load import load, resolve
    from testbed.topology.planning import make_plan

    records, faulty = [], False
    for name in files:
        try:
            found = find(name)
            found.fit(make_plan(load(resolve(found.topology))))
        except UsageError as error:
            faulty = True
            faults = error.as_records() if isinstance(error, FileFaults) else [{"what": error.what, "mend": error.mend}]
            records.append({"file": name, "ok": False, "faults": faults})
            if not as_json:
                click.echo(f"error: {error}", err=True)
            continue
        records.append({"file": name, "ok": True, "faults": []})
        if not as_json:
            click.echo(f"{name}: fine: {found.title}")
    if as_json:
        click.echo(json.dumps({"files": records}, indent=2))
    if faulty:
        sys.exit(UsageError.exit_code)


@scenario.command()
@click.argument("word", required=False)
def verbs(word: str | None) -> None:
    """What a step may say: all verbs and subjects of `expect`, or WORD with its keys."""
    from testbed.scenario.language.help import all_words, one_word

    for line in one_word(word) if word else all_words():
        click.echo(line)


@scenario.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there instead.")
def schema(output: Path | None) -> None:
    """Print the JSON Schema of scenario files, for editors.

    A file that begins with `# yaml-language-server: $schema=scenario.schema.json` is completed and checked by it.
    """
    from testbed.scenario.schema import json_schema

    text = json_schema()
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        mend = "choose another path"
        raise UsageError(f"cannot be written: {error.strerror}", where=str(output), mend=mend) from error
