"""`;name=value` parameters: ordered, names without regard to case, values verbatim (RFC 3261 25.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from testbed.ims.errors import ParseError

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
URI_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~()\[\]/:&$]+")  # pname of a uri-parameter allows more than a token


class Params(Mapping[str, str | None]):
    """Immutable.  A parameter without a value (`lr`, `imsglobreg`) is present with None; quotes belong to the value."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str | None]] = ()) -> None:
        self._items = tuple(items)

    @classmethod
    def parse(cls, text: str, where: str, names: re.Pattern[str] = _TOKEN) -> Params:
        """Read `;a=b;c`, the leading semicolon optional, empty places passed over (the proposal writes `To: <...>;`).

        Raises ParseError for a name that `names` does not match.
        """
        items: list[tuple[str, str | None]] = []
        for piece in split_outside(text, ";"):
            piece = piece.strip()
            if not piece:
                continue
            name, equals, value = piece.partition("=")
            name = name.strip()
            if not names.fullmatch(name):
                raise ParseError(f"{name[:40]!r} is no parameter name", where=where)
            items.append((name, value.strip() if equals else None))
        return cls(items)

    def with_param(self, name: str, value: str | None = None) -> Params:
        """A copy with one parameter set; it keeps its place if it was there."""
        lowered, done, items = name.lower(), False, []
        for key, old in self._items:
            if key.lower() == lowered:
                if not done:
                    items.append((key, value))
                done = True
            else:
                items.append((key, old))
        return Params(items if done else [*items, (name, value)])

    def without(self, name: str) -> Params:
        """A copy without one parameter."""
        return Params((key, value) for key, value in self._items if key.lower() != name.lower())

    def items(self) -> tuple[tuple[str, str | None], ...]:  # type: ignore[override]
        """Names as written, in order."""
        return self._items

    def unquoted(self, name: str) -> str | None:
        """The value without its quotes and escapes."""
        value = self.get(name)
        return unquote(value) if value is not None else None

    def __getitem__(self, name: str) -> str | None:
        lowered = name.lower()
        for key, value in self._items:
            if key.lower() == lowered:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (key.lower() for key, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and dict(self) == dict(other)

    def __hash__(self) -> int:
        return hash(frozenset(dict(self).items()))

    def __str__(self) -> str:
        return "".join(f";{key}" if value is None else f";{key}={value}" for key, value in self._items)

    def __repr__(self) -> str:
        return f"Params({self})"


def unquote(text: str) -> str:
    """A quoted string's content; other text as it is."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside quoted strings and angle brackets."""
    if '"' not in text and "<" not in text:
        return text.split(separator)
    parts, start, quoted, escaped, depth = [], 0, False, False, 0
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            if character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character == "<":
            depth += 1
        elif character == ">":
            depth = max(0, depth - 1)
        elif character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
