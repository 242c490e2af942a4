"""Subscribers in a database: put, changed with their sequence number left alone, never given another key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from bson import Int64
from epc_settings import IMSI, SUBSCRIBER

from drivers.epc.errors import DatabaseAway, OtherKey
from drivers.epc.nextepc import document
from drivers.epc.settings import PdnSubscription
from drivers.epc.subscribers import SubscriberBase
from drivers.host.local import LocalHost

ANNOUNCED = b"waiting for connections on "


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    """Of a stand-in that runs as a process of its own."""
    argv = [sys.executable, "-m", "drivers.virtual.mongodb.server", "127.0.0.1", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        line = process.stdout.readline()
        yield f"mongodb://{line.split(ANNOUNCED)[1].decode().strip()}"
        process.terminate()


@pytest.fixture
def base(uri: str) -> Iterator[SubscriberBase]:
    found = SubscriberBase(uri, "test")
    yield found
    found.remove(IMSI)


def test_a_subscriber_keeps_his_sequence_number_and_gets_the_rest(base: SubscriberBase) -> None:
    base.put(document(SUBSCRIBER))
    assert base.change(IMSI, {"security.sqn": Int64(4096)})
    base.put(document(replace(SUBSCRIBER, pdns=(PdnSubscription("other"),))))
    found = base.get(IMSI)
    assert found and found["security"]["sqn"] == 4096
    assert [pdn["apn"] for pdn in found["pdn"]] == ["other"]


def test_another_key_is_refused_and_nothing_is_changed(base: SubscriberBase) -> None:
    base.put(document(SUBSCRIBER))
    with pytest.raises(
        OtherKey, match=r"subscriber 001010123456789: is there already, with another k and opc"
    ) as refused:
        base.put(document(replace(SUBSCRIBER, k="ff" * 16, opc="ff" * 16)))
    assert "ff" * 16 not in str(refused.value) and refused.value.mend
    assert base.get(IMSI) is not None and base.remove(IMSI) and not base.remove(IMSI)


def test_an_order_is_carried_out_where_the_database_is(base: SubscriberBase, uri: str) -> None:
    there = SubscriberBase(uri, "test", LocalHost())
    there.put(document(SUBSCRIBER))
    assert base.get(IMSI)
    with pytest.raises(OtherKey, match="is there already, with another k\n  mend: remove him first"):
        there.put(document(replace(SUBSCRIBER, k="ff" * 16)))


def test_a_database_that_is_away_is_told_with_the_clients_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.epc.subscribers.ANSWER_MS", 200)
    with pytest.raises(DatabaseAway, match=r"MongoDB at mongodb://127\.0\.0\.1:1, database test: cannot be reached"):
        SubscriberBase("mongodb://127.0.0.1:1", "test").get(IMSI)
