"""`testbed runs`: what lies in a folder of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed.errors import UsageError

if TYPE_CHECKING:
    from testbed.results.folder import RunFolder
    from testbed.results.model import Result


@click.group()
def runs() -> None:
    """The runs that lie in a folder."""


@runs.command("list")
@click.option("--runs", "folder", type=click.Path(path_type=Path), default=Path("runs"), help="Where runs lie.")
@click.option("--json", "as_json", is_flag=True, help="Print their results as JSON.")
def list_(folder: Path, as_json: bool) -> None:
    """List runs, oldest first, with verdict and interruption."""
    from testbed.results.folder import RunFolder, list_runs

    entries = [(path.name, _result(RunFolder(path))) for path in list_runs(folder)]
    if as_json:
        from testbed.results.summary import summarise

        results = [result for _, result in entries if result is not None]
        records = [result.model_dump(mode="json", by_alias=True) for result in results]
        click.echo(json.dumps({"runs": records, "summary": summarise(results)}, indent=2))
        return
    from rich.console import Console

    from testbed.results.table import runs_table

    Console().print(runs_table(entries))


def _result(run: RunFolder) -> Result | None:
    try:
        return run.read_result()
    except UsageError:
        return None
