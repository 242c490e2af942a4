"""The journal: what it keeps, what it passes over, and that undoing takes away what is ours and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig_eyes import ip

from drivers.errors import DriverError
from drivers.host import mounts, netns
from testbed.errors import RigError
from testbed.rig.journal import Entry, Journal

A, B = Entry("folder", {"path": "/nowhere/a"}), Entry("folder", {"path": "/nowhere/b"})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def names() -> Iterator[list[str]]:
    """Namespaces that a test makes, beside one that keeps the folder of names mounted."""
    netns.share_folder()
    names: list[str] = []
    yield names
    for name in names:
        if netns.exists(name):
            subprocess.run(["ip", "netns", "delete", name], check=True)


def own_namespace() -> Path:
    return Path(netns.OWN).readlink()


def quietly(_: str) -> None:
    pass


def test_entries_come_back_in_their_order(journal: Journal) -> None:
    journal.announce(A)
    journal.announce(B, A)
    assert journal.entries() == [A, B, A]


@pytest.mark.parametrize("length", range(1, 40, 3))
def test_a_torn_last_line_is_passed_over_and_no_other(journal: Journal, tmp_path: Path, length: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal.announce(A, B)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[0][:length])
    assert journal.entries() == [A, B]
    path.write_bytes(whole + bytes(length))  # the file had grown, its contents were not yet written
    assert journal.entries() == [A, B]


def test_a_last_line_that_lacks_only_its_end_counts(journal: Journal, tmp_path: Path) -> None:
    journal.announce(A, B)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert journal.entries() == [A, B]


@pytest.mark.parametrize("line", ["{", "[]", "5", "null", '{"kind": "folder"}', '{"values": {}}', "\xe9"])
def test_a_line_in_the_middle_that_is_not_ours_is_an_error_with_its_number(
    journal: Journal, tmp_path: Path, line: str
) -> None:
    journal.announce(A, B)
    first, second = (tmp_path / "journal.jsonl").read_text().splitlines()
    (tmp_path / "journal.jsonl").write_text(f"{first}\n{line}\n{second}\n", encoding="latin-1")
    with pytest.raises(RigError, match=r"journal.jsonl:2: not a line of ours"):
        journal.entries()


def test_undoing_goes_from_the_newest_to_the_oldest_and_removes_the_file(journal: Journal, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        journal.announce(Entry("folder", {"path": str(tmp_path / name)}))
    told: list[str] = []
    assert journal.undo(told.append) == []
    assert told == [f"removed folder {tmp_path / 'two'}", f"removed folder {tmp_path / 'one'}"]
    assert list(tmp_path.iterdir()) == []


def test_an_undo_that_fails_is_kept_and_the_others_go_on(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    stuck = Entry("namespaces", {"names": 5, "mark": "m"})
    journal.announce(Entry("folder", {"path": str(tmp_path / "one")}), stuck, Entry("unheard-of", {}))
    journal.announce(Entry("folder", {"path": str(tmp_path / "two")}))
    failures = journal.undo(quietly)
    assert [failure.entry.kind for failure in failures] == ["unheard-of", "namespaces"]
    assert [entry.kind for entry in journal.entries()] == ["namespaces", "unheard-of"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.jsonl"]


def test_a_folder_that_holds_a_mount_is_left_and_its_contents_too(journal: Journal, tmp_path: Path) -> None:
    inside = tmp_path / "one/inside"
    inside.mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    mounts.mount(str(tmp_path / "precious"), inside, mounts.MS_BIND)
    journal.announce(Entry("folder", {"path": str(tmp_path / "one")}))
    (failure,) = journal.undo(quietly)
    assert "something is mounted in it" in failure.why
    assert (tmp_path / "precious/file").exists()
    journal.announce(Entry("mount", {"target": str(inside)}))
    assert journal.there() == [f"mount on {inside}", f"folder {tmp_path / 'one'}"]
    assert journal.undo(quietly) == []
    assert (tmp_path / "precious/file").exists()
    assert not (tmp_path / "one").exists()


def test_announcing_is_on_the_disk_before_it_returns(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    truly = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        truly(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    journal.announce(A, B)
    assert synced[0] == "journal.jsonl"
    assert len(synced) == 2  # and the folder, for a new file
    journal.announce(A)
    assert synced[2:] == ["journal.jsonl"]


def test_a_namespace_with_our_mark_goes_and_one_of_the_same_name_without_it_stays(
    journal: Journal, names: list[str]
) -> None:
    names += ["j-one", "j-two", "j-three"]
    for name, mark in (("j-one", "ours"), ("j-two", "another run's")):
        with netns.making(name, mark):
            pass
    subprocess.run(["ip", "netns", "add", "j-three"], check=True)
    journal.announce(Entry("namespaces", {"names": [*names, "j-four"], "mark": "ours"}))
    assert journal.there() == ["network namespace j-one"]
    told: list[str] = []
    assert journal.undo(told.append) == []
    assert told == ["removed network namespace j-one"]
    assert {"j-two", "j-three"} <= {entry["name"] for entry in ip(None, "netns")}
    assert json.loads(json.dumps(journal.there())) == []


def test_what_an_interrupted_making_left_goes_too_but_no_file_with_something_in_it(
    journal: Journal, names: list[str]
) -> None:
    (netns.FOLDER / "j-empty").touch()
    (netns.FOLDER / "j-full").write_text("somebody's")
    try:
        journal.announce(Entry("namespaces", {"names": ["j-empty", "j-full"], "mark": "ours"}))
        assert journal.undo(quietly) == []
        assert not netns.exists("j-empty")
        assert netns.exists("j-full")
    finally:
        (netns.FOLDER / "j-full").unlink()


def test_a_namespace_whose_making_fails_never_gets_its_name(names: list[str]) -> None:
    names.append("j-failed")
    with pytest.raises(DriverError, match="network namespace j-failed: cannot be made"), netns.making("j-failed", "m"):
        raise OSError(28, "No space left on device")
    assert not netns.exists("j-failed")


def test_a_taken_name_is_said_and_we_are_back_in_our_own_namespace(names: list[str]) -> None:
    names.append("j-taken")
    home = own_namespace()
    with netns.making("j-taken", "m"):
        assert own_namespace() != home
    assert own_namespace() == home
    with pytest.raises(DriverError, match="network namespace j-taken: exists already"), netns.making("j-taken", "m"):
        pass
    assert own_namespace() == home
    assert netns.read_mark("j-taken") == "m"
