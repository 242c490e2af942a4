"""Pydantic's findings, in sentences with a mend, each at its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

from testbed.topology.document import Document
from testbed.topology.faults import Fault, KeyPath, did_you_mean, nearest, shown

# What a value must be, by the beginning of pydantic's error type.
WANTED = {
    "float_": ("a number", "write a number without quotes or unit"),
    "int_": ("a whole number", "write a whole number without quotes or unit"),
    "bool_": ("true or false", "write true or false"),
    "string_type": ("text", "write it as text, in quotes if it looks like a number"),
    "list_type": ("a list", "write a list: [a, b]"),
    "tuple_type": ("a list", "write a list: [a, b]"),
    "dict_type": ("a mapping of keys to values", "write `key: value` lines under it"),
    "model_type": ("a mapping of keys to values", "write `key: value` lines under it"),
    "model_attributes_type": ("a mapping of keys to values", "write `key: value` lines under it"),
}
# The same by the field's own type, where pydantic says no more than that it could not make one.
WANTED_TYPES = {
    IPv4Address: ("an IPv4 address", "write it as 10.100.0.11"),
    IPv6Address: ("an IPv6 address", "write it as fd00:0:0:64::b"),
    IPv4Interface: ("an IPv4 address with prefix length", "write it as 10.1.0.2/24"),
    IPv6Interface: ("an IPv6 address with prefix length", "write it as fd00:0:0:1::2/64"),
    IPv4Network: ("an IPv4 subnet", "write it as 10.100.0.0/24, with no bit set behind the prefix"),
    IPv6Network: ("an IPv6 subnet", "write it as fd00:0:0:64::/64, with no bit set behind the prefix"),
}
BOUNDS = {
    "greater_than_equal": ("ge", "less than {}", "give {} or more"),
    "greater_than": ("gt", "not more than {}", "give more than {}"),
    "less_than_equal": ("le", "more than {}", "give {} or less"),
    "less_than": ("lt", "not less than {}", "give less than {}"),
}
DOMAIN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"
# Patterns in words.
PATTERNS = {
    r"^[a-z][a-z0-9-]*$": "a name: small letters, digits and hyphens, a letter first",
    r"^[a-z0-9][a-z0-9-]*$": "a name: small letters, digits and hyphens",
    r"^sip:[A-Za-z0-9._+-]+@[a-z0-9.-]+$": "a SIP URI: sip:user@domain",
    r"^[A-Za-z0-9._+-]+@[a-z0-9.-]+$": "a private identity: user@domain",
    DOMAIN: "a domain name: small letters, digits and hyphens in parts with dots between",
    r"^\P{C}*$": "printable text in one line",
}


def faults(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Fault]:
    """Every finding as a fault.  A key that is missing because it is misspelt is one fault, not two."""
    details = error.errors(include_url=False)
    found = [_fault(detail, document, model) for detail in details]
    misspelt = {
        (detail["loc"][:-1], fault.mend)
        for detail, fault in zip(details, found, strict=True)
        if detail["type"] == "extra_forbidden"
    }
    return [
        fault
        for detail, fault in zip(details, found, strict=True)
        if detail["type"] != "missing" or (detail["loc"][:-1], did_you_mean(str(detail["loc"][-1]))) not in misspelt
    ]


def place(detail: ErrorDetails, document: Document) -> KeyPath:
    """The finding's path in the file: pydantic's location without the tags of unions and its `[key]`."""
    return _place(detail["loc"], document.data)


def spares(detail: ErrorDetails, model: type[BaseModel]) -> bool:
    """Whether the faulty value can be left out and the rest judged: not a whole entry, which others name."""
    location = detail["loc"]
    return detail["type"] == "extra_forbidden" or bool(location and location[-1] in _fields(model, location[:-1]))


def _place(location: tuple[int | str, ...], data: Any) -> KeyPath:
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
    if kind.startswith("union_tag"):
        path = (*path, "kind")
    if kind in ("missing", "union_tag_not_found"):
        around = path[:-1]
        field = _fields(model, detail["loc"][:-1]).get(str(path[-1]))
        meaning = f": {field.description}" if field is not None and field.description else ""
        return document.fault(path, "is missing", f"add `{path[-1]}: ...`{meaning}", at_key=bool(around))
    if kind == "extra_forbidden":
        known = list(_fields(model, detail["loc"][:-1]))
        free = [name for name in known if name not in _at(document.data, path[:-1])] or known
        return document.fault(path, "there is no such key here", nearest(str(path[-1]), free), at_key=True)
    annotation: Any = model
    for part in detail["loc"]:
        annotation = _inner(annotation, part)
    wanted = next((WANTED_TYPES[kind] for kind in _types(annotation) if kind in WANTED_TYPES), None)
    if wanted is not None:
        return document.fault(path, f"`{shown(detail['input'])}` is not {wanted[0]}", wanted[1])
    what, mend = _value(detail)
    return document.fault(path, what, mend, at_key=detail["loc"][-1:] == ("[key]",))


def _value(detail: ErrorDetails) -> tuple[str, str]:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind in BOUNDS:
        key, words, mend = BOUNDS[kind]
        bound = format(context[key], "g")
        return f"{shown(given)} is {words.format(bound)}", mend.format(bound)
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        known = [word.strip(" '") for word in str(context.get("expected", context.get("expected_tags"))).split(",")]
        known = [word.strip("' ") for part in known for word in part.split(" or ")]
        tag = context.get("tag", given)
        return f"`{shown(tag)}` is not known here", nearest(str(tag), known)
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
        return f"`{shown(given)}` is not {words}", "write it in that form"
    for beginning, (words, mend) in WANTED.items():
        if kind.startswith(beginning):
            return (f"has no value, {words} is wanted" if given is None else f"`{shown(given)}` is not {words}"), mend
    if isinstance(context.get("mend"), str):  # our own, see `refuse`
        return detail["msg"], context["mend"]
    return shown(detail["msg"]), "correct it"


def _at(data: Any, path: KeyPath) -> Any:
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
        if issubclass(annotation, RootModel):
            return _inner(annotation.model_fields["root"].annotation, part)
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
    return None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    return (found for found in _types(annotation) if issubclass(found, BaseModel))


def _types(annotation: Any) -> Iterator[type]:
    """The classes that an annotation is made of."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        yield annotation
    else:
        for member in get_args(annotation):
            yield from _types(member)


def _tag(model: type[BaseModel]) -> str | None:
    """The tag of a member of a union: the value of its `kind`, or its class's `union_tag`."""
    if isinstance(tag := getattr(model, "union_tag", None), str):
        return tag
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation)[0] if kind is not None and get_args(kind.annotation) else None
