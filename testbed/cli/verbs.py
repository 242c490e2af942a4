"""A group of verbs that are imported on first use, so that `--help` is fast."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click


class Verbs(click.Group):
    """`table` is verb -> (module, one line of help); the command there has the verb's name, `list_` that of `list`."""

    def __init__(self, *arguments: object, table: Mapping[str, tuple[str, str]], **more: object) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._table:
            return None
        module = importlib.import_module(self._table[cmd_name][0])
        command: click.Command = getattr(module, "list_" if cmd_name == "list" else cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in self._table.items()])
