"""The store of subscribers: what it keeps and refuses, and that keys show nowhere."""

from __future__ import annotations

import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.core.subscribers import AMF, IN_MEMORY, Subscriber, SubscriberStore, default_path, from_line, to_lines
from testbed.errors import UsageError

K, OPC = bytes(range(16)), bytes(range(100, 116))
ONE = Subscriber("one@home1.net", ("sip:one@home1.net", "tel:+15550001"), K, OPC)
SETS = (("sip:a@home1.net", "sip:b@home1.net"), ("sip:c@home1.net",))
TWO_SETS = Subscriber("two@home1.net", SETS[0] + SETS[1], K, OPC, implicit_sets=SETS)
VERSION_0 = """
CREATE TABLE subscriber (
    impi TEXT PRIMARY KEY, k BLOB NOT NULL, opc BLOB NOT NULL, amf BLOB NOT NULL, sqn INTEGER NOT NULL);
CREATE TABLE identity (
    impu TEXT PRIMARY KEY, place INTEGER NOT NULL,
    impi TEXT NOT NULL REFERENCES subscriber (impi) ON DELETE CASCADE);
"""


def test_what_was_added_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "not-there-yet" / "subscribers.db"
    store = SubscriberStore(path)
    store.add(ONE)
    store.set_sqn(ONE.impi, 1 << 40)
    store.close()
    again = SubscriberStore(path)
    (read,) = again.list()
    assert read == again.get(ONE.impi) == again.by_impu("tel:+15550001")
    assert (read.impus, read.k, read.opc, read.amf, read.sqn) == (ONE.impus, K, OPC, AMF, 1 << 40)


def test_without_sets_all_identities_are_one() -> None:
    assert ONE.implicit_sets == (ONE.impus,)
    assert TWO_SETS.implicit_set("sip:b@home1.net") == SETS[0]


def test_sets_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "subscribers.db"
    SubscriberStore(path).add(TWO_SETS)
    assert SubscriberStore(path).get(TWO_SETS.impi) == TWO_SETS


def test_a_file_from_before_there_were_sets_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "subscribers.db"
    with sqlite3.connect(path) as old:
        old.executescript(VERSION_0)
        old.execute("INSERT INTO subscriber VALUES (?, ?, ?, ?, 7)", (ONE.impi, K, OPC, AMF))
        rows = [(impu, place, ONE.impi) for place, impu in enumerate(ONE.impus)]
        old.executemany("INSERT INTO identity VALUES (?, ?, ?)", rows)
    old.close()
    store = SubscriberStore(path)
    assert store.get(ONE.impi) == replace(ONE, sqn=7)
    store.add(TWO_SETS)
    store.close()
    assert SubscriberStore(path).list() == (replace(ONE, sqn=7), TWO_SETS)


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "subscribers.db"
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="later version"):
        SubscriberStore(path)
    assert path.read_bytes() == before


def test_the_file_is_its_owners_alone_even_when_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "subscribers.db"
    path.touch(0o644)
    SubscriberStore(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_show_in_no_representation() -> None:
    said = repr(ONE) + str(ONE)
    assert K.hex() not in said and OPC.hex() not in said and repr(K) not in said


def test_identities_belong_to_one_subscriber_and_a_refusal_changes_nothing() -> None:
    store = SubscriberStore(IN_MEMORY)
    store.add(ONE)
    for other in (ONE, Subscriber("two@home1.net", ("sip:two@home1.net", "sip:one@home1.net"), K, OPC)):
        with pytest.raises(UsageError, match=r"belongs to one@home1\.net already"):
            store.add(other)
    with pytest.raises(UsageError, match=r"there is a subscriber one@home1\.net already"):
        store.add(Subscriber("one@home1.net", ("sip:new@home1.net",), K, OPC))
    assert store.list() == (ONE,)
    assert store.by_impu("sip:two@home1.net") is None


def test_who_was_removed_frees_its_identities() -> None:
    store = SubscriberStore(IN_MEMORY)
    store.add(ONE)
    store.remove(ONE.impi)
    store.add(Subscriber("two@home1.net", ONE.impus, K, OPC))
    assert [one.impi for one in store.list()] == ["two@home1.net"]


def test_who_is_not_there_cannot_be_removed_read_or_counted() -> None:
    store = SubscriberStore(IN_MEMORY)
    for act in (store.remove, store.get, lambda impi: store.set_sqn(impi, 1)):
        with pytest.raises(UsageError, match=r"there is no subscriber nobody@home1\.net"):
            act("nobody@home1.net")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"impi": "one"}, "no private identity"),
        ({"impi": "one@home1.net\nx"}, "no private identity"),
        ({"impus": ()}, "no public identity"),
        ({"impus": ("one@home1.net",)}, "no public identity"),
        ({"impus": ("sip:a@home1.net>",)}, "no public identity"),
        ({"impus": ("sip:a@home1.net", "sip:a@home1.net")}, "twice"),
        ({"implicit_sets": (("sip:other@home1.net",),)}, "sets are not its public identities"),
        ({"implicit_sets": (("sip:one@home1.net",), ())}, "sets are not its public identities"),
        ({"k": bytes(15)}, "K has 15 bytes instead of 16"),
        ({"opc": bytes(17)}, "OPc has 17 bytes instead of 16"),
        ({"amf": b"\x80"}, "AMF has 1 bytes instead of 2"),
        ({"sqn": 1 << 48}, "does not fit 48 bits"),
        ({"sqn": -1}, "does not fit 48 bits"),
    ],
)
def test_what_is_no_subscriber_is_refused(change: dict[str, object], fault: str) -> None:
    good: dict[str, object] = {"impi": "one@home1.net", "impus": ("sip:one@home1.net",), "k": K, "opc": OPC}
    with pytest.raises(UsageError, match=fault) as refused:
        Subscriber(**(good | change))  # type: ignore[arg-type]
    assert bytes(15).hex() not in str(refused.value)


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "subscribers.db"
    path.write_text("this is a letter to my aunt, and long enough to be taken for pages\n" * 20)
    with pytest.raises(UsageError, match="cannot be used"):
        SubscriberStore(path)
    with pytest.raises(UsageError, match="cannot be used"):
        SubscriberStore(tmp_path)


def test_the_default_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "handoff-testbed" / "subscribers.db"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local" / "share" / "handoff-testbed" / "subscribers.db"


def test_lines_carry_all_there_is() -> None:
    (line,) = to_lines([ONE])
    assert from_line(line) == ONE
    del line["amf"], line["sqn"], line["implicit_sets"]
    assert from_line(line) == ONE
    (line,) = to_lines([TWO_SETS])
    assert from_line(line) == TWO_SETS


@pytest.mark.parametrize("line", [{}, {"impi": "one@home1.net"}, {"impi": "one@home1.net", "impus": ["x"], "k": "zz"}])
def test_a_line_that_says_less_is_refused(line: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        from_line(line)


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    store = SubscriberStore(tmp_path / "subscribers.db")
    store.add(ONE)

    def count() -> None:
        for sqn in range(50):
            store.set_sqn(ONE.impi, sqn)
            store.by_impu(ONE.impus[0])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(ONE.impi).sqn == 49
