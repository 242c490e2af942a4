"""`testbed topology` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from testbed.cli.topology import topology
from testbed.topology.drawing import quality_words
from testbed.topology.load import SHIPPED, load, shipped
from testbed.topology.planning import make_plan
from testbed.topology.schema import json_schema

VALID = (SHIPPED / "two-access.yaml").read_text(encoding="utf-8")


def call(*arguments: str, width: int = 80) -> Result:
    return CliRunner(env={"COLUMNS": str(width)}).invoke(topology, arguments)


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text(VALID.replace("delay_ms: 25", "dely_ms: 25"), encoding="utf-8")
    return path


def test_what_ships_is_fine() -> None:
    result = call("check", *shipped())
    assert result.exit_code == 0, result.output
    assert f"{SHIPPED / 'two-access.yaml'}: fine: 3 accesses, 5 servers, 2 UEs" in result.output


def test_a_wrong_file_is_told_on_standard_error_with_exit_code_2(wrong: Path) -> None:
    result = call("check", str(wrong), "two-access")
    assert result.exit_code == 2
    assert f"error: {wrong}:14:5: accesses.lte.dely_ms: there is no such key here" in result.stderr
    assert "two-access.yaml: fine" in result.stdout  # the others are checked all the same


def test_check_as_json_gives_line_and_column(wrong: Path) -> None:
    result = call("check", "--json", str(wrong), "nothing-like-it")
    assert result.exit_code == 2
    first, second = json.loads(result.stdout)["files"]
    fault = {"line": 14, "column": 5, "file": str(wrong), "key": "accesses.lte.dely_ms"}
    words = {"what": "there is no such key here", "mend": "did you mean `delay_ms`?"}
    assert first == {"file": str(wrong), "ok": False, "faults": [fault | words]}
    assert second["ok"] is False and "there is no topology" in second["faults"][0]["what"]


def test_the_whole_program_ends_in_a_sentence_not_in_a_traceback(wrong: Path) -> None:
    command = [sys.executable, "-c", "from testbed.cli.main import main; main()", "topology", "show", str(wrong)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.startswith(f"error: {wrong}:14:5: ") and "Traceback" not in ended.stderr


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_drawing_fits_and_names_every_part(name: str, width: int) -> None:
    result = call("show", name, "--addresses", width=width)
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.output.splitlines()) <= width
    assert "\x1b" not in result.output  # not a terminal: plain
    plan = make_plan(load(shipped()[name]))
    picture, _, rest = result.output.partition("Delays are one way")
    for part in (*plan.servers, *plan.ues, *plan.accesses):
        assert part in picture
    for access in plan.accesses.values():
        assert quality_words(access.shape) in picture
    for access in plan.accesses.values():
        assert all(f"{address.address}/{address.prefix}" in rest for address in access.addresses)


def test_the_drawing_without_addresses_has_none() -> None:
    assert "10.1.0.2" not in call("show", "two-access").output


def test_a_pcscf_of_two_accesses_is_drawn_once() -> None:
    picture = call("show", "same-pcscf").output.partition("Delays")[0]
    assert picture.count(" pcscf ") == 1


def test_a_terminal_without_box_drawing_gets_plain_characters() -> None:
    command = [sys.executable, "-c", "from testbed.cli.main import main; main()", "topology", "show", "two-access"]
    environment = {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    ended = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert b"25 ~ 2 ms" in ended.stdout and ended.stdout.isascii()


def test_the_list_names_what_ships_with_its_title() -> None:
    listed = " ".join(call("list").output.split())
    for name, path in shipped().items():
        assert f"{name} {load(path).title}" in listed
    names = [entry["name"] for entry in json.loads(call("list", "--json").output)["topologies"]]
    assert names == sorted(shipped())


def test_the_schema_beside_the_files_is_the_models(tmp_path: Path) -> None:
    """Made with `testbed topology schema --output topologies/topology.schema.json`."""
    assert (SHIPPED / "topology.schema.json").read_text(encoding="utf-8") == json_schema()
    assert call("schema", "--output", str(tmp_path / "s.json")).exit_code == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == call("schema").output


def test_every_file_that_ships_names_the_schema_for_editors() -> None:
    for path in shipped().values():
        assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=topology.schema.json\n")


def test_the_schema_refuses_unknown_keys_and_describes_known_ones() -> None:
    schema = json.loads(json_schema())
    objects = [schema, *schema["$defs"].values()]
    assert all(entry["additionalProperties"] is False for entry in objects)
    assert all(
        "description" in found or "const" in found for entry in objects for found in entry["properties"].values()
    )
