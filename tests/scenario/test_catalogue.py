"""The catalogue as a whole: documented, and with something for each kind of core."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from testbed.core.options import Profile
from testbed.errors import UsageError
from testbed.scenario.catalogue import catalogue
from testbed.scenario.catalogue_page import renewed

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
SCENARIOS = catalogue()


def test_the_page_lists_every_scenario_with_its_rows_and_its_title() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page, SCENARIOS, PAGE.name), "write it: testbed scenarios --page docs/scenarios.md"


def test_a_table_is_renewed_where_it_stands() -> None:
    two = {name: SCENARIOS[name] for name in ("figure-1", "plain-core-refuses")}
    page = "# Title\n\n## What ships\n\n| old |\n\n## After\n\ntext\n"
    lines = renewed(page, two, "page.md").splitlines()
    assert lines[:4] == ["# Title", "", "## What ships", ""] and lines[-3:] == ["## After", "", "text"]
    assert lines[6].startswith("| `figure-1` | 1, 7 | four-accesses | Four IMS connections at once, ")
    assert lines[7].startswith("| `plain-core-refuses` | 12 | two-access, core plain | ")
    assert renewed("\n".join(lines) + "\n", two, "page.md") == "\n".join(lines) + "\n"
    with pytest.raises(UsageError, match="there is no heading `## What ships`"):
        renewed("# Title\n", two, "page.md")


def test_each_kind_of_core_has_a_scenario() -> None:
    assert {scenario.profile for scenario in SCENARIOS.values()} == set(get_args(Profile))
