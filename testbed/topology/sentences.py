"""Pydantic's findings, in sentences with a mend, each at its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from testbed.topology.document import Document
from testbed.topology.faults import Fault, Path, nearest, shown

# What a value must be, by the beginning of pydantic's error type.
WANTED = {
    "float_": ("a number", "write a number without quotes or unit"),
    "int_": ("a whole number", "write a whole number without quotes or unit"),
    "bool_": ("true or false", "write true or false"),
    "string_type": ("text", "write it as text, in quotes if it looks like a number"),
    "list_type": ("a list", "write a list: [a, b]"),
    "tuple_type": ("a list", "write a list: [a, b]"),
    "dict_type": ("a mapping of names to entries", "write `name: {...}` lines under it"),
    "model_type": ("a mapping of keys to values", "write `key: value` lines under it"),
    "model_attributes_type": ("a mapping of keys to values", "write `key: value` lines under it"),
    "ip_v4_address": ("an IPv4 address", "write it as 10.100.0.11"),
    "ip_v6_address": ("an IPv6 address", "write it as fd00:0:0:64::b"),
    "ip_v4_interface": ("an IPv4 address with prefix length", "write it as 10.1.0.2/24"),
    "ip_v6_interface": ("an IPv6 address with prefix length", "write it as fd00:0:0:1::2/64"),
    "ip_v4_network": ("an IPv4 subnet", "write it as 10.100.0.0/24, with no bit set behind the prefix"),
    "ip_v6_network": ("an IPv6 subnet", "write it as fd00:0:0:64::/64, with no bit set behind the prefix"),
}
BOUNDS = {
    "greater_than_equal": ("ge", "less than {}, the least"),
    "greater_than": ("gt", "not more than {}"),
    "less_than_equal": ("le", "more than {}, the most"),
    "less_than": ("lt", "not less than {}"),
}
# Patterns in words.
PATTERNS = {
    r"^[a-z][a-z0-9-]*$": "a name: small letters, digits and hyphens, a letter first",
    r"^[a-z0-9][a-z0-9-]*$": "a name: small letters, digits and hyphens",
    r"^sip:[A-Za-z0-9._+-]+@[a-z0-9.-]+$": "a SIP URI: sip:user@domain",
    r"^[A-Za-z0-9._+-]+@[a-z0-9.-]+$": "a private identity: user@domain",
}


def faults(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Fault]:
    """Every finding as a fault."""
    return [_fault(detail, document, model) for detail in error.errors(include_url=False)]


def place(detail: ErrorDetails, document: Document) -> Path:
    """The finding's path in the file: pydantic's location without the tags of unions and its `[key]`."""
    return _place(detail["loc"], document.data)


def _place(location: tuple[int | str, ...], data: Any) -> Path:
    path: list[int | str] = []
    for number, part in enumerate(location):
        last = number == len(location) - 1
        if part == "[key]" and last:
            continue
        known = part in data if isinstance(data, Mapping) else isinstance(data, list) and isinstance(part, int)
        if not known and not last:
            continue  # the tag of a union
        path.append(part)
        data = data[part] if known else None
    return tuple(path)


def _fault(detail: ErrorDetails, document: Document, model: type[BaseModel]) -> Fault:
    path, kind = place(detail, document), detail["type"]
    if kind == "missing":
        around = path[:-1]
        field = _fields(model, detail["loc"][:-1]).get(str(path[-1]))
        meaning = f": {field.description}" if field is not None and field.description else ""
        return document.fault(path, f"`{path[-1]}` is missing", f"add `{path[-1]}: ...`{meaning}", at_key=bool(around))
    if kind == "extra_forbidden":
        known = list(_fields(model, detail["loc"][:-1]))
        free = [name for name in known if name not in _at(document.data, path[:-1])] or known
        return document.fault(path, "there is no such key here", nearest(str(path[-1]), free), at_key=True)
    what, mend = _value(detail)
    return document.fault(path, what, mend, at_key=detail["loc"][-1:] == ("[key]",))


def _value(detail: ErrorDetails) -> tuple[str, str]:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind in BOUNDS:
        key, words = BOUNDS[kind]
        return f"{shown(given)} is {words.format(format(context[key], 'g'))}", "correct the number"
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        known = [word.strip(" '") for word in str(context.get("expected", context.get("expected_tags"))).split(",")]
        known = [word.strip("' ") for part in known for word in part.split(" or ")]
        tag = context.get("tag", given)
        return f"`{shown(tag)}` is not known here", nearest(str(tag), known)
    if kind == "union_tag_not_found":
        return "`kind` is missing", "add `kind: ...`"
    if kind == "string_too_long":
        most = context["max_length"]
        why = ", the kernel's limit for the name of a device" if most == 15 else ""
        return f"`{shown(given)}` has {len(given)} characters, more than {most}{why}", "shorten it"
    if kind in ("too_short", "string_too_short"):
        return "is empty", "add an entry"
    if kind == "too_long":
        return f"has {context['actual_length']} entries, more than {context['max_length']}", "remove some"
    if kind == "string_pattern_mismatch":
        words = PATTERNS.get(context["pattern"], f"of the form {context['pattern']}")
        return f"`{shown(given)}` is not {words}", "correct it"
    for beginning, (words, mend) in WANTED.items():
        if kind.startswith(beginning):
            return (f"has no value, {words} is wanted" if given is None else f"`{shown(given)}` is not {words}"), mend
    if isinstance(context.get("mend"), str):  # our own, see `refuse`
        return detail["msg"], context["mend"]
    return shown(detail["msg"]), "correct it"


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _fields(model: type[BaseModel], location: tuple[int | str, ...]) -> dict[str, Any]:
    """The fields of the model at a location, by the names that they have in a file."""
    annotation: Any = model
    for part in location:
        annotation = _inner(annotation, part)
    return {field.alias or name: field for found in _models(annotation) for name, field in found.model_fields.items()}


def _inner(annotation: Any, part: int | str) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _inner(get_args(annotation)[0], part)
    if origin in (Union, UnionType):
        for member in get_args(annotation):
            for found in _models(member):
                if _tag(found) == part:
                    return found
        return next((inner for member in get_args(annotation) if (inner := _inner(member, part)) is not None), None)
    if origin in (dict, list, tuple):
        return get_args(annotation)[-1] if origin is dict else get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
    return None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            yield annotation
    else:
        for member in get_args(annotation):
            yield from _models(member)


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation)[0] if kind is not None and get_args(kind.annotation) else None
