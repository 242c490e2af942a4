"""Documents in collections: the part of MongoDB's query and update language that an HSS and a PCRF use."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from drivers.errors import DriverError

Document = dict[str, Any]
WHERE = "stand-in for MongoDB"


class Unsupported(DriverError):
    """A real server knows this, the stand-in does not."""

    def __init__(self, what: str) -> None:
        super().__init__(f"does not know {what}", where=WHERE, mend="use a real MongoDB")


def matches(document: Document, wanted: Mapping[str, Any]) -> bool:
    """Whether a document has these values; a dotted path goes through lists, of which one element will do."""
    for path, value in wanted.items():
        if path.startswith("$") or (isinstance(value, Mapping) and any(key.startswith("$") for key in value)):
            raise Unsupported(f"the query operator in {path}: {value}")
        if value not in list(_values(document, path.split("."))):
            return False
    return True


def project(document: Document, wanted: Mapping[str, Any], query: Mapping[str, Any]) -> Document:
    """The fields that were asked for; `list.$` is the one element of a list that the query matched."""
    names = [name for name, on in wanted.items() if on and name != "_id"]
    if not names:
        return document
    found: Document = {"_id": document["_id"]} if wanted.get("_id", True) else {}
    for name in names:
        if name.endswith(".$"):
            base = name[:-2]
            within = {path[len(base) + 1 :]: value for path, value in query.items() if path.startswith(f"{base}.")}
            found[base] = [one for one in document.get(base, []) if matches(one, within)][:1]
        elif "." in name:
            raise Unsupported(f"the projection {name}")
        elif name in document:
            found[name] = document[name]
    return found


def update(document: Document, change: Mapping[str, Any]) -> bool:
    """Change a document in place; whether it is another one now."""
    before = copy.deepcopy(document)
    for operator, fields in change.items():
        for path, value in fields.items():
            *way, last = path.split(".")
            place = document
            for name in way:
                place = place.setdefault(name, {})
            if operator == "$set":
                place[last] = value
            elif operator == "$unset":
                place.pop(last, None)
            elif operator == "$inc":
                place[last] = _like(place.get(last, 0), place.get(last, 0) + value)
            elif operator == "$bit":
                place[last] = _like(place[last], _bits(place[last], value))
            else:
                raise Unsupported(f"the update operator {operator}")
    return document != before


def _bits(old: int, operations: Mapping[str, int]) -> int:
    for operation, value in operations.items():
        old = {"and": old & value, "or": old | value, "xor": old ^ value}[operation]
    return old


def _like(old: Any, new: int) -> Any:
    """Numbers keep their BSON type: a 64-bit one does not shrink."""
    return type(old)(new)


def _values(place: Any, way: list[str]) -> Iterator[Any]:
    if isinstance(place, list):
        if not way:
            yield place
        for one in place:
            yield from _values(one, way)
    elif not way:
        yield place
    elif isinstance(place, Mapping) and way[0] in place:
        yield from _values(place[way[0]], way[1:])
