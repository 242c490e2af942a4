"""Subscribers in a core's MongoDB, by pymongo: from here, or on the core's host, where only its loopback leads to it.

`python -m drivers.epc.subscribers URI DATABASE` is the other end: an order as JSON (MongoDB's extended one) comes on
standard input, its answer goes to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from bson import json_util

from drivers.epc.errors import DatabaseAway, OtherKey
from drivers.errors import DriverError
from drivers.protocols import Host

ANSWER_MS = 5000
KEYS = ("k", "opc", "op", "amf")
COLLECTION = "subscribers"


class SubscriberBase:
    """The collection `subscribers` of one core."""

    def __init__(self, uri: str, database: str, host: Host | None = None) -> None:
        """With a `host`, the URI is meant there, and this project's Python must be there, too: a namespace, say."""
        self._uri, self._database, self._host = uri, database, host

    def put(self, document: Mapping[str, Any]) -> None:
        """Add a subscriber or change one; his sequence number stays as it is.  Raises OtherKey, DatabaseAway."""
        self._order("put", document)

    def remove(self, imsi: str) -> bool:
        """Whether he was there."""
        return bool(self._order("remove", imsi))

    def get(self, imsi: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._order("get", imsi)
        return found

    def change(self, imsi: str, fields: Mapping[str, Any]) -> bool:
        """Set fields of a subscriber; whether he was there."""
        return bool(self._order("change", [imsi, fields]))

    def _order(self, verb: str, argument: Any) -> Any:
        if self._host is None:
            return obey(self._uri, self._database, verb, argument)
        argv = [sys.executable, "-m", "drivers.epc.subscribers", self._uri, self._database]
        order = json_util.dumps({"do": verb, "with": argument}).encode()
        answer = json_util.loads(self._host.run(argv, stdin=order))
        if "error" in answer:
            raise _ERRORS[answer["error"]](answer["what"], where=answer["where"], mend=answer["mend"])
        return answer["result"]


def obey(uri: str, database: str, verb: str, argument: Any) -> Any:
    """Carry out an order on a MongoDB.  Raises DatabaseAway with the client's own words."""
    from pymongo import MongoClient  # a third of a second
    from pymongo.errors import ConnectionFailure, PyMongoError

    where = f"MongoDB at {uri}, database {database}"
    try:
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=ANSWER_MS) as client:
            return _ORDERS[verb](client[database][COLLECTION], argument)
    except ConnectionFailure as away:
        raise DatabaseAway(f"cannot be reached: {away}", where=where, mend="start mongod there") from away
    except PyMongoError as refused:
        raise DriverError(f"refuses: {refused}", where=where) from refused


def _put(collection: Any, document: Mapping[str, Any]) -> None:
    imsi, security = document["imsi"], document["security"]
    there = collection.find_one({"imsi": imsi})
    if there is None:
        collection.insert_one(dict(document))
        return
    held = there.get("security", {})
    if different := [name for name in KEYS if held.get(name) != security.get(name)]:
        what = f"is there already, with another {' and '.join(different)}"
        raise OtherKey(what, where=f"subscriber {imsi}", mend="remove him first, or correct the key")
    plain = {name: value for name, value in document.items() if name not in ("imsi", "security", "_id")}
    collection.update_one({"imsi": imsi}, {"$set": plain})


_ORDERS = {
    "put": _put,
    "get": lambda collection, imsi: collection.find_one({"imsi": imsi}),
    "remove": lambda collection, imsi: collection.delete_one({"imsi": imsi}).deleted_count > 0,
    "change": lambda collection, order: (
        collection.update_one({"imsi": order[0]}, {"$set": dict(order[1])}).matched_count > 0
    ),
}
_ERRORS = {kind.__name__: kind for kind in (DriverError, DatabaseAway, OtherKey)}


def _main(uri: str, database: str) -> None:
    order = json_util.loads(sys.stdin.read())
    try:
        answer = {"result": obey(uri, database, order["do"], order["with"])}
    except DriverError as fault:
        answer = {"error": type(fault).__name__, "what": fault.what, "where": fault.where, "mend": fault.mend}
    print(json_util.dumps(answer))


if __name__ == "__main__":
    _main(*sys.argv[1:])
