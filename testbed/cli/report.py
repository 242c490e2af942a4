"""`testbed report`: a run analysed again from its own evidence."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command()
@click.argument("run")
@click.option("--runs", "runs_folder", type=click.Path(path_type=Path), default=Path("runs"), help="Where runs lie.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def report(run: str, runs_folder: Path, as_json: bool) -> None:
    """Analyse RUN again and rebuild its result.json, timeline.jsonl and report.html.

    RUN is a run's folder, its id, or enough of the id to know it by.  Ends with the exit code of the verdict.
    """
    from testbed.results.analyse import analyse, read_context
    from testbed.results.folder import RunFolder

    folder = RunFolder.find(runs_folder, run)
    result = analyse(folder, read_context(folder))
    if as_json:
        click.echo(json.dumps({"runs": [result.model_dump(mode="json", by_alias=True)]}, indent=2))
    else:
        from rich.console import Console

        from testbed.results.table import result_table

        Console().print(result_table(result, folder.path))
    sys.exit(result.exit_code)
