"""The text of an answer: its lines, their fields, and fields as numbers.

Modems differ in blanks, quotation marks and case; none of that is told further.  A field is None where it is empty or
says that there is no value.  Whatever is not as it should be is a ResponseError, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from drivers.modem.at.final import final_of
from drivers.modem.errors import ResponseError

Answer = dict[str, Any]
ABSENT = frozenset({"", "-", "--"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,16})")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True)
class Field:
    """One parameter of an information text (V.250 5.4.2)."""

    text: str
    quoted: bool = False


def fields_of(body: str) -> list[Field]:
    """The parameters between commas; commas in quotation marks and parentheses do not separate."""
    fields, start, quoted, depth = [], 0, False, 0
    for place, character in enumerate(body):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "()":
            depth = max(0, depth + (1 if character == "(" else -1))
        elif character == "," and not quoted and not depth:
            fields.append(_field(body[start:place]))
            start = place + 1
    return [*fields, _field(body[start:])]


def _field(text: str) -> Field:
    text = text.strip()
    if text.startswith('"'):
        return Field(text[1:].removesuffix('"').strip(), True)
    return Field(text)


def without_echo(text: str) -> str:
    """What a modem sent, less the command before it: everything up to the first CR LF (V.250 5.7.1)."""
    start = text.find("\r\n")
    return text if start < 0 else text[start:]


def lines_of(text: str) -> list[str]:
    """The lines of an answer that say something: no echo, no final result code, no empty ones."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    return [line for line in lines if line and line[:2].upper() != "AT" and not final_of(line)]


def bodies(text: str, *names: str) -> list[str]:
    """What stands behind `NAME:` in each line that has one of these names; blanks before and behind are dropped."""
    wanted = {name.upper() for name in names}
    found = []
    for line in lines_of(text):
        name, colon, body = line.partition(":")
        if colon and name.strip().upper() in wanted:
            found.append(body.strip())
    return found


def body(text: str, *names: str) -> str:
    """The first of :func:`bodies`; it is an error when there is none."""
    found = bodies(text, *names)
    if not found:
        raise ResponseError(f"no line begins with {' or '.join(names)}:")
    return found[0]


def listed(text: str, *names: str) -> list[str]:
    """:func:`bodies` where none at all is an answer too, so long as there is no line of another kind."""
    found = bodies(text, *names)
    if not found and (strange := lines_of(text)):
        raise ResponseError(f"no line begins with {' or '.join(names)}:, the first is {strange[0][:60]!r}")
    return found


# Fields as values.  Each takes a field's text.


def text(value: str) -> str | None:
    return None if value in ABSENT else value


def integer(value: str) -> int | None:
    """A decimal number."""
    if value in ABSENT:
        return None
    if not _INTEGER.fullmatch(value):
        raise ResponseError(f"{value[:30]!r} is no whole number")
    return int(value)


def hexadecimal(value: str) -> int | None:
    """A hexadecimal number, with or without 0x before it."""
    if value in ABSENT:
        return None
    if not (found := _HEX.fullmatch(value)):
        raise ResponseError(f"{value[:30]!r} is no hexadecimal number")
    return int(found[1], 16)


def number(value: str) -> float | int | None:
    """A number, whole or not."""
    if value in ABSENT:
        return None
    if not _NUMBER.fullmatch(value):
        raise ResponseError(f"{value[:30]!r} is no number")
    return float(value) if "." in value else int(value)


def tenths(value: str) -> float | None:
    """A number that was sent ten times as large."""
    raw = integer(value)
    return None if raw is None else raw / 10


def needed(value: int | None, what: str) -> int:
    """A number that must be there."""
    if value is None:
        raise ResponseError(f"{what} is missing")
    return value


_KINDS: dict[str, Callable[[str], Any]] = {
    "s": text,
    "d": integer,
    "x": hexadecimal,
    "f": number,
    "t": tenths,
}


class Columns:
    """Names of a line's fields in their order, as `name:kind`; `_` is one that is of no use.

    Kinds: s text (the default), d decimal, x hexadecimal, f number, t tenths.
    """

    def __init__(self, description: str) -> None:
        pairs = [column.partition(":") for column in description.split()]
        self._columns = [(name, _KINDS[kind or "s"]) for name, _, kind in pairs]

    def __len__(self) -> int:
        return len(self._columns)

    def read(self, fields: list[Field]) -> Answer:
        """The fields by their names.  Those that the line lacks are None, those that it has too many are dropped."""
        values = iter(fields)
        return {name: value for name, value in self._read(values) if name != "_"}

    def _read(self, values: Iterator[Field]) -> Iterator[tuple[str, Any]]:
        for name, kind in self._columns:
            field = next(values, None)
            yield name, None if field is None or name == "_" else kind(field.text)


def at(fields: list[Field], index: int) -> str:
    """A field's text, empty where the line has no such field."""
    return fields[index].text if index < len(fields) else ""
