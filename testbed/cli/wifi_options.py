"""What the verbs of `testbed wifi` have in common on the command line."""

from __future__ import annotations

import click

DEVICE = click.argument("device", required=False)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
