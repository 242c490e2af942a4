"""`result.json` there and back, today's and tomorrow's; folders of runs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_call import Call

from testbed.errors import UsageError
from testbed.measure.words import EXIT_CODE, Verdict
from testbed.results.analyse import analyse
from testbed.results.folder import RunFolder, list_runs, write_atomic
from testbed.results.model import Kernel, LatenessRecord, Measured, Result


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = RunFolder.create(tmp_path_factory.mktemp("runs"), "global-reregistration")
    return analyse(folder, Call().write(folder))


def test_a_result_comes_back_from_its_text_as_it_was(result: Result) -> None:
    assert Result.model_validate_json(result.to_json()) == result


def test_keys_of_a_newer_version_are_kept(result: Result) -> None:
    record = json.loads(result.to_json())
    record["mos"] = 4.2
    record["handoffs"][0]["radio"] = {"rsrp_dbm": -97}
    again = json.loads(Result.model_validate(record).to_json())
    assert again["mos"] == 4.2
    assert again["handoffs"][0]["radio"] == {"rsrp_dbm": -97}


def test_a_record_of_designs_keys_alone_is_a_result() -> None:
    record = {
        "schema": 1, "id": "x", "scenario": "s", "topology": "t", "kernel": {"name": "uml", "release": "6.1"},
        "started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:00:01+00:00", "verdict": "rig-error",
        "reasons": ["why"], "sender_lateness_ms": {"p50": None, "p99": None}, "capture_drops": None,
        "handoffs": [{
            "trigger": "blackhole", "from": "lte", "to": "wifi", "procedure": "replaces", "handoff_ms": None,
            "interruption_ms": {"uplink": {"value": None}, "downlink": {"value": 1.0, "uncertainty": 8.0}},
            "lost": {"uplink": 0, "downlink": 1}, "phases_ms": {"detect": None},
            "floor_ms": {"uplink": 1, "downlink": 2}, "over_floor": {"uplink": None, "downlink": 0.5},
        }],
    }  # fmt: skip
    result = Result.model_validate(record)
    assert result.exit_code == 3
    assert result.handoffs[0].from_access == "lte"


@given(verdict=st.sampled_from(Verdict), reasons=st.lists(st.text()), value=st.none() | st.floats(0, 1e6))
def test_any_result_comes_back(verdict: Verdict, reasons: list[str], value: float | None) -> None:
    result = Result(
        id="x", scenario="s", topology="t", kernel=Kernel(name="host", release="6"), started="a", ended="b",
        verdict=verdict, reasons=reasons, sender_lateness_ms=LatenessRecord(p50=value, p99=None), capture_drops=0,
    )  # fmt: skip
    assert Result.model_validate_json(result.to_json()) == result
    assert result.exit_code == EXIT_CODE[verdict]


def test_a_measured_figure_without_media_has_no_value() -> None:
    assert Measured(value=None).resumed


def test_a_run_folder_is_called_by_its_time_and_scenario(tmp_path: Path) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    first, second = (RunFolder.create(tmp_path, "Global Re-registration!", now=moment) for _ in range(2))
    assert first.id.startswith("20260203T040506Z-global-re-registration-")
    assert first.id != second.id
    assert first.captures.is_dir()
    assert first.logs.is_dir()


def test_a_place_where_nothing_can_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UsageError, match="--runs DIR"):
        RunFolder.create(tmp_path / "runs", "x")


def test_a_run_is_found_by_path_id_and_as_much_of_it_as_is_its_own(tmp_path: Path) -> None:
    one, two = RunFolder.create(tmp_path, "release7"), RunFolder.create(tmp_path, "replaces")
    assert RunFolder.find(tmp_path, str(one.path)) == one
    assert RunFolder.find(tmp_path, one.id) == one
    assert RunFolder.find(tmp_path, "replaces") == two
    with pytest.raises(UsageError, match="2 runs are called like this"):
        RunFolder.find(tmp_path, "re")
    with pytest.raises(UsageError, match="no such run"):
        RunFolder.find(tmp_path, "carrier")


def test_only_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    late = RunFolder.create(tmp_path, "x", now=datetime(2026, 2, 2, tzinfo=UTC))
    early = RunFolder.create(tmp_path, "x", now=datetime(2026, 2, 1, tzinfo=UTC))
    assert list_runs(tmp_path) == [early.path, late.path]
    with pytest.raises(UsageError, match="no runs can be listed"):
        list_runs(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "said"), [(None, "no result.json"), ("{}", "not the result of a run"), ("", "not the result")]
)
def test_a_result_that_is_not_one_is_a_sentence(tmp_path: Path, text: str | None, said: str) -> None:
    folder = RunFolder.create(tmp_path, "x")
    if text is not None:
        folder.write("result.json", text)
    with pytest.raises(UsageError, match=said):
        folder.read_result()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_atomic(tmp_path / "result.json", "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_written_with_the_mode_it_was_given(tmp_path: Path) -> None:
    assert write_atomic(tmp_path / "esp_sa", "keys", mode=0o600).stat().st_mode & 0o777 == 0o600
