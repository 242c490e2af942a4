"""Every real response of the data file reads as it says; anything else is one kind of error."""

from __future__ import annotations

from typing import Any

import pytest
from real_responses import MISSING, ROWS

from drivers.modem.responses.table import parse


@pytest.mark.skipif(not ROWS, reason=MISSING)
def test_the_data_file_has_all_its_rows() -> None:
    assert len(ROWS) == 188


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['command']}-{row['model']}")
def test_a_real_response_reads_as_expected(row: dict[str, Any]) -> None:
    parsed = parse(row["command"], row["raw"])
    # `note` is the collector's remark on a row, not something that a response says.
    expected = {key: value for key, value in row["expected"].items() if key != "note"}
    assert {key: parsed.get(key, "not read") for key in expected} == expected
