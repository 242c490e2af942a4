"""One process holds a rig; who dies holding it leaves it to the next, who undoes what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from rig_eyes import ip, plan

from testbed.cli.clean import clean
from testbed.errors import RigError, UsageError
from testbed.rig.journal import Entry, Journal
from testbed.rig.reservation import Reservation
from testbed.rig.rig import Rig


def elsewhere(act: Callable[[], object]) -> int:
    """Do something in another process, which then stays; returns its number when it is done."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            act()
            os.write(write, b"done")
            signal.pause()
        finally:
            os._exit(1)
    os.close(write)
    assert os.read(read, 4) == b"done"
    os.close(read)
    return child


def end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_second_holder_is_told_by_whom_and_since_when_and_what_to_do(tmp_path: Path) -> None:
    child = elsewhere(lambda: Reservation("shared", tmp_path / "shared").acquire("run-17"))
    try:
        with pytest.raises(RigError) as refused, Rig(plan(), "shared", tmp_path).hold():
            pass
        text = str(refused.value)
        assert f"rig shared: held by process {child} (" in text
        assert "since 20" in text
        assert "--rig NAME" in text
        assert refused.value.exit_code == 3
        noted = json.loads((tmp_path / "shared/holder.json").read_text())
        assert (noted["pid"], noted["run"]) == (child, "run-17")
    finally:
        end(child)
    with Rig(plan(), "shared", tmp_path).hold():
        pass
    assert not (tmp_path / "shared/holder.json").exists()


def test_one_process_cannot_hold_a_rig_twice(tmp_path: Path) -> None:
    first, second = Rig(plan(), "twice", tmp_path), Rig(plan(), "twice", tmp_path)
    with (
        first.hold(),
        pytest.raises(RigError, match=f"held by process {os.getpid()} "),
        second.hold(),
    ):
        pass


def test_what_a_dead_holder_left_is_undone_by_the_next_one_who_says_so(tmp_path: Path) -> None:
    def hold() -> None:
        rig = Rig(plan(), "left", tmp_path)
        rig._reservation.acquire("run-1")
        rig.bring_up()

    child = elsewhere(hold)
    end(child)
    assert any(entry["name"] == "left-ue" for entry in ip(None, "netns"))
    told: list[str] = []
    with Rig(plan(), "left", tmp_path).hold(told.append):
        assert not any(entry["name"].startswith("left-") for entry in ip(None, "netns"))
    assert told[0].startswith(f"rig left: undoing what was left by process {child} (")
    assert "removed network namespace left-ue" in told


def test_the_lock_is_not_inherited_by_what_the_holder_starts(tmp_path: Path) -> None:
    rig = Rig(plan(), "heir", tmp_path)
    with rig.hold():
        rig.bring_up()
        heir = rig.spawn("ue", ["sleep", "600"]).pid
        find = ["find", f"/proc/{heir}/fd", f"/proc/{os.getpid()}/fd", "-lname", f"{tmp_path}/*"]
        holders = subprocess.run(find, capture_output=True, text=True, check=False).stdout.split()
        assert holders and all(path.startswith(f"/proc/{os.getpid()}/") for path in holders)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a/b", "..", "a" * 17])
def test_a_name_that_could_not_begin_a_namespaces_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name for a rig"):
        Rig(plan(), name, tmp_path)


class TestClean:
    """`testbed clean`, beside a rig that is alive."""

    def run(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(clean, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit | RigError), result.exception
        return result.exit_code, result.output

    def dead(self, state: Path, name: str) -> int:
        def hold() -> None:
            rig = Rig(plan(), name, state)
            rig._reservation.acquire("run-1")
            rig.bring_up()

        child = elsewhere(hold)
        end(child)
        return child

    def test_a_dry_run_says_what_would_be_undone_and_undoes_nothing(self, tmp_path: Path) -> None:
        pid = self.dead(tmp_path, "dry")
        for _ in range(2):
            code, text = self.run("--state", str(tmp_path), "--dry-run")
            assert code == 0
            assert f"rig dry was left by process {pid}" in text
            assert "rig dry: would be undone: network namespace dry-ue" in text
        code, text = self.run("--state", str(tmp_path))
        assert (code, "rig dry: removed network namespace dry-ue" in text) == (0, True)
        assert self.run("--state", str(tmp_path)) == (0, "nothing to undo\n")

    def test_a_rig_whose_holder_lives_is_left_alone_and_the_others_are_cleaned(self, tmp_path: Path) -> None:
        self.dead(tmp_path, "gone")
        with Rig(plan(), "alive", tmp_path).hold() as rig:
            rig.bring_up()
            code, text = self.run("--state", str(tmp_path), "--all")
            assert code == 0
            assert f"rig alive is left alone: held by process {os.getpid()}" in text
            assert "rig gone: removed network namespace gone-ue" in text
            code, text = self.run("--state", str(tmp_path), "--rig", "alive")
            assert (code, "is left alone" in text) == (3, True)
            names = {entry["name"] for entry in ip(None, "netns")}
            assert "alive-ue" in names
            assert "gone-ue" not in names

    def test_json_says_the_same_for_programs(self, tmp_path: Path) -> None:
        pid = self.dead(tmp_path, "told")
        code, text = self.run("--state", str(tmp_path), "--rig", "told", "--json")
        (rig,) = json.loads(text)["rigs"]
        assert code == 0
        assert rig["left_by"].startswith(f"process {pid} ")
        assert "removed network namespace told-hss" in rig["undone"]
        assert (rig["held"], rig["left"], rig["failed"]) == (None, [], [])

    def test_what_cannot_be_undone_is_reported_and_kept(self, tmp_path: Path) -> None:
        folder = tmp_path / "stuck"
        folder.mkdir()
        (folder / "lock").touch()
        Journal(folder / "journal.jsonl").announce(Entry("from-the-future", {}), Entry("folder", {"path": "/nowhere"}))
        code, text = self.run("--state", str(tmp_path))
        assert code == 3
        assert "rig stuck: not undone: from-the-future {}: this version cannot undo that" in text
        assert [entry.kind for entry in Journal(folder / "journal.jsonl").entries()] == ["from-the-future"]

    def test_a_rig_that_was_never_there_is_nothing_to_undo(self, tmp_path: Path) -> None:
        assert self.run("--state", str(tmp_path), "--rig", "nobody") == (0, "nothing to undo\n")
