"""The stand-in for MongoDB by MongoDB's own client, and by the queries of an HSS and a PCRF."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, OperationFailure

from drivers.errors import DriverError
from drivers.virtual.mongodb.commands import STAND_IN, Store
from drivers.virtual.mongodb.server import Server
from drivers.virtual.mongodb.wire import Conversation

IMSI = "001010000000001"


@pytest.fixture
def client() -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of a stand-in that serves in a thread of its own."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        server = await Server().start("127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    with MongoClient[dict[str, Any]]("127.0.0.1", ports[0], serverSelectionTimeoutMS=5000) as found:
        yield found
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_it_serves_what_an_hss_and_a_pcrf_ask(client: MongoClient[dict[str, Any]]) -> None:
    subscribers = client["epc"]["subscribers"]
    security = {"sqn": Int64(97), "k": "00"}
    pdns = [{"apn": "internet", "qci": 9}, {"apn": "ims", "qci": 5}]
    subscribers.insert_one({"imsi": IMSI, "security": security, "pdn": pdns})
    assert subscribers.find_one({"imsi": "0"}) is None
    found = subscribers.find_one({"imsi": IMSI, "pdn.apn": "ims"}, {"pdn.$": 1})
    assert found and found["pdn"] == [{"apn": "ims", "qci": 5}]
    subscribers.update_one({"imsi": IMSI}, {"$set": {"security.rand": "ab"}, "$inc": {"security.sqn": 32}})
    subscribers.update_one({"imsi": IMSI}, {"$bit": {"security.sqn": {"and": Int64((1 << 48) - 1)}}})
    found = subscribers.find_one({"imsi": IMSI})
    assert found and found["security"] == {"sqn": 129, "k": "00", "rand": "ab"}
    assert isinstance(found["security"]["sqn"], Int64)


def test_replace_upsert_and_delete(client: MongoClient[dict[str, Any]]) -> None:
    subscribers = client["epc"]["subscribers"]
    assert subscribers.replace_one({"imsi": IMSI}, {"imsi": IMSI, "n": 1}, upsert=True).upserted_id
    assert subscribers.replace_one({"imsi": IMSI}, {"imsi": IMSI, "n": 2}, upsert=True).matched_count == 1
    assert [one["n"] for one in subscribers.find()] == [2]
    with pytest.raises(DuplicateKeyError):
        subscribers.insert_one(next(iter(subscribers.find())))
    assert subscribers.delete_one({"imsi": IMSI}).deleted_count == 1
    assert client["epc"].list_collection_names() == ["subscribers"]


def test_nobody_takes_it_for_a_mongodb_and_what_it_cannot_do_it_says(client: MongoClient[dict[str, Any]]) -> None:
    assert STAND_IN in client.server_info()["version"]
    with pytest.raises(OperationFailure, match=r"stand-in for MongoDB: does not know the query operator"):
        client["epc"]["subscribers"].insert_one({"imsi": IMSI})
        client["epc"]["subscribers"].find_one({"imsi": {"$gt": ""}})
    with pytest.raises(OperationFailure, match="no such command: 'aggregate'"):
        list(client["epc"]["subscribers"].aggregate([]))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_answered_waited_for_or_refused(data: bytes) -> None:
    for head in (b"", b"\x20\0\0\0\1\0\0\0\0\0\0\0\xdd\x07\0\0", b"\x20\0\0\0\1\0\0\0\0\0\0\0\xd4\x07\0\0"):
        conversation = Conversation(Store().run)
        try:
            conversation.receive(head + data)
        except DriverError as fault:
            assert fault.where == "stand-in for MongoDB"
