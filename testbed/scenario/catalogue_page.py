"""The table of scenarios that ship, as docs/scenarios.md has it below a heading of its own."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.errors import UsageError
from testbed.scenario.catalogue import AnyScenario

HEADING = "## What ships\n"


def table(scenarios: Mapping[str, AnyScenario]) -> str:
    """A line for each in Markdown: by its topology and core, with the rows of the proposal's table that it shows."""
    lines = ["| scenario | rows | on | what it shows |", "| --- | --- | --- | --- |"]
    for name, one in sorted(scenarios.items(), key=lambda item: (item[1].topology, item[0])):
        core = "" if one.profile == "seamless" else f", core {one.profile}"
        lines.append(f"| `{name}` | {', '.join(map(str, one.rows))} | {one.topology}{core} | {one.title} |")
    return "\n".join(lines) + "\n"


def renewed(page: str, scenarios: Mapping[str, AnyScenario], where: str) -> str:
    """The page with the table of today in the place of the one that it has.  Raises UsageError without the heading."""
    before, heading, after = page.partition(HEADING)
    if not heading:
        raise UsageError(
            f"there is no heading `{HEADING.strip()}`", where=where, mend="write it where the table belongs"
        )
    rest = after[after.index("\n## ") :] if "\n## " in after else ""
    return f"{before}{HEADING}\n{table(scenarios)}{rest}"
