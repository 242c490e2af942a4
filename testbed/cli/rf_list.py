"""`testbed rf list`: each lever with its state and limits; one that does not answer keeps no other from being shown."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from drivers.errors import DriverError
from drivers.rf.attenuator import MiniCircuitsAttenuator
from drivers.rf.limits import Limits
from drivers.rf.spec import LeverSpec
from testbed.cli.rf_bench import BENCH, JSON, as_record, read, safe_state, said, said_limits, state, trouble

UNANSWERED = ("Unreachable", "Silent")  # of drivers.rf.errors


@click.command("list")
@BENCH
@JSON
def list_(bench: Path, as_json: bool) -> None:
    """Show each lever of the bench file: its state, what it can be set to, its safe state, and what it is.

    Nothing is moved.  They are asked one after the other; one that does not answer is said to be so.
    """
    levers = read(bench).levers
    width = max(map(len, levers))
    records = []
    for name, spec in levers.items():
        records.append(look(name, spec))
        if not as_json:
            _draw(records[-1], width)
    if as_json:
        click.echo(json.dumps({"levers": records}, indent=2))


def look(name: str, spec: LeverSpec) -> dict[str, Any]:
    """One lever as JSON; `trouble` where it could not be asked."""
    found = {"name": name, "kind": spec.kind, "safe": as_record(safe_state(spec)) or None}
    try:
        with closing(spec.open()) as lever:
            able = asdict(lever.limits) if isinstance(lever, MiniCircuitsAttenuator) else None
            return {**found, "where": lever.where, "state": as_record(state(lever)), "limits": able, "trouble": None}
    except DriverError as error:
        return {**found, "where": error.where, "state": None, "limits": None, "trouble": trouble(error)}


def _draw(one: dict[str, Any], width: int) -> None:
    name = click.style(f"{one['name']:<{width}}", bold=True)
    if error := one["trouble"]:
        word = "no answer" if error["kind"] in UNANSWERED else "trouble"
        click.echo(f"{name}  {click.style(f'{word:<9}', fg='red')}  {one['where']}: {error['what']}")
        if error["mend"]:
            click.echo(f"{'':<{width}}  mend: {error['mend']}")
        return
    limits = said_limits(Limits(**one["limits"])) if one["limits"] else "on or off"
    safe = f"safe {said(next(iter(one['safe'].values())))}" if one["safe"] else "no safe state"
    click.echo(f"{name}  {said(next(iter(one['state'].values()))):<9}  {limits:<20}  {safe:<13}  {one['where']}")
