"""`testbed bench`: what it is told, and the figures that need no rig."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from testbed.cli.main import cli
from testbed.errors import UsageError


def test_the_at_channel_is_timed_beside_bare_pyserial_and_answers_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "responses.json"
    file.write_text(json.dumps({"cases": [{"command": "AT+CSQ", "raw": "+CSQ: 17,99"}] * 4}))
    result = CliRunner().invoke(cli, ["bench", "--only", "modem", "--responses", str(file), "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["what"]: row for row in json.loads(result.stdout)["bench"]}
    units = [row["figure"].partition(" ")[2] for row in rows.values()]
    assert units == ["ms", "ms", "ms", "/s"]
    assert rows["answers of modems parsed"]["how"] == "4 different ones"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"cases": [{"command": "AT+CSQ"}]}', '{"cases": []}', '{"cases": 1}']
)
def test_a_file_without_answers_is_wrong_usage(tmp_path: Path, text: str) -> None:
    file = tmp_path / "responses.json"
    file.write_text(text)
    result = CliRunner().invoke(cli, ["bench", "--only", "modem", "--responses", str(file)])
    assert isinstance(result.exception, UsageError) and "it holds no answers" in str(result.exception)
