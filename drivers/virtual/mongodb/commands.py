"""The commands of MongoDB that its drivers and an EPC's daemons send, over documents in memory."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from bson import Int64, ObjectId

from drivers.virtual.mongodb.documents import Document, Unsupported, matches, project, update

STAND_IN = "stand-in"  # in what it says of its version: nobody shall take it for a MongoDB
WIRE_VERSION = 21  # MongoDB 7.0's: what today's drivers speak
MAX_BYTES, MAX_MESSAGE, MAX_BATCH = 16 << 20, 48_000_000, 100_000
COMMAND_NOT_FOUND, BAD_VALUE, DUPLICATE_KEY = 59, 2, 11000


class Store:
    """Databases with their collections.  Nothing is kept beyond the process."""

    def __init__(self) -> None:
        self._collections: dict[tuple[str, str], list[Document]] = {}

    def run(self, command: Mapping[str, Any]) -> Document:
        """Answer a command; the first key is its name.  What is not known is refused as a real server refuses it."""
        name = next(iter(command), "")
        action = _COMMANDS.get(name.lower())
        if action is None:
            return _refused(f"no such command: '{name}'", COMMAND_NOT_FOUND)
        try:
            return {**action(self, command), "ok": 1.0}
        except Unsupported as unsupported:
            return _refused(str(unsupported), BAD_VALUE)

    def hello(self, command: Mapping[str, Any]) -> Document:
        return {
            "helloOk": True, "ismaster": True, "isWritablePrimary": True, "maxBsonObjectSize": MAX_BYTES,
            "maxMessageSizeBytes": MAX_MESSAGE, "maxWriteBatchSize": MAX_BATCH, "minWireVersion": 0,
            "maxWireVersion": WIRE_VERSION, "readOnly": False, "logicalSessionTimeoutMinutes": 30,
            "localTime": datetime.datetime.now(datetime.UTC),
        }  # fmt: skip

    def nothing(self, command: Mapping[str, Any]) -> Document:
        return {}

    def build_info(self, command: Mapping[str, Any]) -> Document:
        return {"version": f"7.0.0-{STAND_IN}", "versionArray": [7, 0, 0, 0]}

    def server_status(self, command: Mapping[str, Any]) -> Document:
        return {**self.build_info(command), "process": STAND_IN, "uptime": 1.0}

    def list_collections(self, command: Mapping[str, Any]) -> Document:
        names = sorted(name for base, name in self._collections if base == command["$db"])
        return _cursor(command["$db"], "$cmd.listCollections", [{"name": name, "type": "collection"} for name in names])

    def find(self, command: Mapping[str, Any]) -> Document:
        wanted = command.get("filter", {})
        found = [one for one in self._of(command, "find") if matches(one, wanted)]
        limit = abs(command.get("limit", 0)) or len(found)
        shown = [project(one, command.get("projection", {}), wanted) for one in found[:limit]]
        return _cursor(command["$db"], command["find"], shown)

    def get_more(self, command: Mapping[str, Any]) -> Document:
        return {"cursor": {"id": Int64(0), "ns": f"{command['$db']}.{command['collection']}", "nextBatch": []}}

    def count(self, command: Mapping[str, Any]) -> Document:
        return {"n": sum(matches(one, command.get("query", {})) for one in self._of(command, "count"))}

    def insert(self, command: Mapping[str, Any]) -> Document:
        place, errors, inserted = self._of(command, "insert"), [], 0
        for index, document in enumerate(command["documents"]):
            document.setdefault("_id", ObjectId())
            if any(one["_id"] == document["_id"] for one in place):
                errors.append({"index": index, "code": DUPLICATE_KEY, "errmsg": f"duplicate key {document['_id']}"})
                continue
            place.append(document)
            inserted += 1
        return {"n": inserted, **({"writeErrors": errors} if errors else {})}

    def update(self, command: Mapping[str, Any]) -> Document:
        place, seen, changed, upserted = self._of(command, "update"), 0, 0, []
        for index, one in enumerate(command["updates"]):
            found = [document for document in place if matches(document, one["q"])]
            found = found if one.get("multi") else found[:1]
            seen += len(found)
            changed += sum(_changed(document, one["u"]) for document in found)
            if not found and one.get("upsert"):
                new: Document = {"_id": ObjectId(), **one["q"]}
                _changed(new, one["u"])
                place.append(new)
                upserted.append({"index": index, "_id": new["_id"]})
        answer: Document = {"n": seen + len(upserted), "nModified": changed}
        return {**answer, "upserted": upserted} if upserted else answer

    def delete(self, command: Mapping[str, Any]) -> Document:
        place, gone = self._of(command, "delete"), 0
        for one in command["deletes"]:
            found = [document for document in place if matches(document, one["q"])]
            for document in found[: one.get("limit") or None]:
                place.remove(document)
                gone += 1
        return {"n": gone}

    def drop(self, command: Mapping[str, Any]) -> Document:
        self._collections.pop((command["$db"], command["drop"]), None)
        return {}

    def _of(self, command: Mapping[str, Any], verb: str) -> list[Document]:
        return self._collections.setdefault((command["$db"], command[verb]), [])


def _changed(document: Document, change: Mapping[str, Any]) -> bool:
    """Update or replace a document in place."""
    if not isinstance(change, Mapping):
        raise Unsupported("an update by a pipeline")
    if any(key.startswith("$") for key in change):
        return update(document, change)
    new = {"_id": document["_id"], **change}
    differs = new != document
    document.clear()
    document.update(new)
    return differs


def _cursor(base: str, collection: str, documents: list[Document]) -> Document:
    return {"cursor": {"id": Int64(0), "ns": f"{base}.{collection}", "firstBatch": documents}}


def _refused(why: str, code: int) -> Document:
    return {"ok": 0.0, "errmsg": why, "code": code}


_COMMANDS: dict[str, Callable[[Store, Mapping[str, Any]], Document]] = {
    "hello": Store.hello,
    "ismaster": Store.hello,
    "ping": Store.nothing,
    "endsessions": Store.nothing,
    "killcursors": Store.nothing,
    "buildinfo": Store.build_info,
    "serverstatus": Store.server_status,
    "listcollections": Store.list_collections,
    "find": Store.find,
    "getmore": Store.get_more,
    "count": Store.count,
    "insert": Store.insert,
    "update": Store.update,
    "delete": Store.delete,
    "drop": Store.drop,
}
