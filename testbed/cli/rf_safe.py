"""`testbed rf safe`: levers back in the state that the bench file calls safe."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from drivers.errors import DriverError
from drivers.rf.spec import LeverSpec
from testbed.cli.rf_bench import BENCH, JSON, Lever, State, as_record, read, safe_state, said, state, trouble
from testbed.errors import UsageError

NONE_SAID = "has no safe state in the bench file"
MEND = "write safe_db (an attenuator) or safe_on (a relay, a USB port) beside it"


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@BENCH
@JSON
def safe(names: tuple[str, ...], bench: Path, as_json: bool) -> None:
    """Put levers in their safe state: those named, else all that have one in the bench file.

    One that does not answer keeps no other from being put back; the exit code is 3 then.
    """
    file = read(bench)
    for name in names:
        if safe_state(file.named(name)) is None:
            raise UsageError(NONE_SAID, where=f"lever {name}", mend=MEND)
    records = []
    for name in dict.fromkeys(names) or file.levers:
        records.append(put_back(name, file.levers[name]))
        if not as_json:
            _say(records[-1])
    if as_json:
        click.echo(json.dumps({"levers": records}, indent=2))
    if any(one["trouble"] for one in records):
        sys.exit(DriverError.exit_code)


def put_back(name: str, spec: LeverSpec) -> dict[str, Any]:
    """One lever as JSON: how it was found and how it is now."""
    found: dict[str, Any] = {"name": name, "before": None, "after": None, "trouble": None}
    wanted = safe_state(spec)
    if wanted is None:
        return found
    try:
        with closing(spec.open()) as lever:
            found["before"] = as_record(state(lever))
            if found["before"] != as_record(wanted):
                _restore(lever, spec)
            found["after"] = as_record(state(lever))
    except DriverError as error:
        found["trouble"] = trouble(error)
    return found


def _restore(lever: Lever, spec: LeverSpec) -> None:
    states: list[Any] = spec.safe() or []
    lever.restore(states)


def _say(one: dict[str, Any]) -> None:
    name, error = click.style(one["name"], bold=True), one["trouble"]
    if error:
        mend = f"\n  mend: {error['mend']}" if error["mend"] else ""
        click.echo(f"{name}: {click.style('not put back', fg='red')}: {error['where']}: {error['what']}{mend}")
    elif one["after"] is None:
        click.echo(f"{name}: left as it is, for it {NONE_SAID}")
    elif one["before"] == one["after"]:
        click.echo(f"{name}: {said(_only(one['after']))}, as it was")
    else:
        click.echo(f"{name}: {said(_only(one['after']))}; it was {said(_only(one['before']))}")


def _only(record: dict[str, State]) -> State:
    return next(iter(record.values()))
