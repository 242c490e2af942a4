"""Header fields: an ordered multimap, and the typed values that SIP code asks for by name (RFC 3261 20)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from testbed.ims.errors import ParseError
from testbed.ims.params import Params, split_outside, unquote
from testbed.ims.uri import Uri, parse_hostport, parse_uri

# RFC 3261 7.3.3 and the registry: the compact forms.
COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}


def canonical(name: str) -> str:
    """The key under which a header name is compared: lower case, compact forms spelt out."""
    lowered = name.lower()
    return COMPACT[lowered].lower() if lowered in COMPACT else lowered


class Headers:
    """Header fields in their order, values as written (unfolded).  Names compare without regard to case."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str, str]] = [(canonical(name), name, value) for name, value in items]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first field's value."""
        key = canonical(name)
        return next((value for known, _, value in self._items if known == key), default)

    def get_all(self, name: str) -> list[str]:
        """The values of all fields of this name, each as written (lists are not split)."""
        key = canonical(name)
        return [value for known, _, value in self._items if known == key]

    def values(self, name: str) -> list[str]:
        """The values of all fields of this name, comma-separated lists split."""
        return [part for value in self.get_all(name) for part in split_list(value)]

    def add(self, name: str, value: str) -> None:
        self._items.append((canonical(name), name, _checked(value)))

    def prepend(self, name: str, value: str) -> None:
        """Before every other field, as a Via is."""
        self._items.insert(0, (canonical(name), name, _checked(value)))

    def set(self, name: str, value: str) -> None:
        """One field of this name, in the place of the first there was."""
        key, value = canonical(name), _checked(value)
        places = [place for place, item in enumerate(self._items) if item[0] == key]
        if not places:
            self._items.append((key, name, value))
            return
        self._items[places[0]] = (key, name, value)
        for place in reversed(places[1:]):
            del self._items[place]

    def remove(self, name: str) -> None:
        key = canonical(name)
        self._items = [item for item in self._items if item[0] != key]

    def copy(self) -> Headers:
        twin = Headers()
        twin._items = self._items.copy()
        return twin

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for _, name, value in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and [i[::2] for i in self._items] == [i[::2] for i in other._items]

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


def _checked(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise ValueError("a header value cannot hold line ends")  # a bug of ours: never let it split a message
    return value


def split_list(value: str) -> list[str]:
    """Split a comma-separated list, minding quotes and angle brackets; empty elements vanish."""
    return [part.strip() for part in split_outside(value, ",") if part.strip()]


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"name" <uri>;params`, as in From, To, Contact, Route, Path, Service-Route."""

    uri: Uri
    display: str | None = None
    params: Params = field(default_factory=Params)

    @classmethod
    def parse(cls, text: str, where: str = "address") -> NameAddr:
        """Read one value.  Without angle brackets, parameters belong to the header (RFC 3261 20)."""
        text = text.strip()
        display: str | None = None
        if text.startswith('"'):
            end = _closing_quote(text, where)
            display, text = unquote(text[: end + 1]), text[end + 1 :].lstrip()
            if not text.startswith("<"):
                raise ParseError("a display name without <URI>", where=where)
        # Without angle brackets a quote can only stand in a parameter: `sip:a@b;+sip.instance="<urn:uuid:...>"`.
        before, bracket, rest = text.partition("<")
        if not bracket or '"' in before:
            uri, semicolon, params = text.partition(";")
            if "," in uri or "?" in uri:
                raise ParseError(f"{uri[:60]!r} needs angle brackets", where=where)
            return cls(parse_uri(uri), None, Params.parse(params, where) if semicolon else Params())
        inner, closing, after = rest.partition(">")
        if not closing:
            raise ParseError("an angle bracket that is never closed", where=where)
        if before.strip():
            if display is not None or not re.fullmatch(r"[A-Za-z0-9\-.!%*_+`'~ \t]+", before):
                raise ParseError(f"{before[:40]!r} is no display name", where=where)
            display = before.strip()
        after = after.strip()
        if after and not after.startswith(";"):
            raise ParseError(f"{after[:40]!r} after the address", where=where)
        return cls(parse_uri(inner), display, Params.parse(after, where))

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    def with_param(self, name: str, value: str | None = None) -> NameAddr:
        return replace(self, params=self.params.with_param(name, value))

    def __str__(self) -> str:
        escaped = re.sub(r'(["\\])', r"\\\1", self.display) if self.display is not None else None
        name = f'"{escaped}" ' if escaped is not None else ""
        return f"{name}<{self.uri}>{self.params}"


def _closing_quote(text: str, where: str) -> int:
    position = 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == '"':
            return position
        position += 1
    raise ParseError("a quoted string that never ends", where=where)


_SENT = re.compile(
    r"SIP\s*/\s*([0-9.]+)\s*/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+(\S.*)", re.DOTALL | re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of a Via (RFC 3261 20.42)."""

    transport: str
    host: str
    port: int | None = None
    params: Params = field(default_factory=Params)

    @classmethod
    def parse(cls, text: str) -> Via:
        sent, _, params = text.partition(";")
        match = _SENT.fullmatch(sent.strip())
        if match is None:
            raise ParseError(f"{text[:60]!r} is no Via", where="Via")
        if match[1] != "2.0":
            raise ParseError(f"SIP version {match[1]}", where="Via", status=505)
        host, port = parse_hostport(match[3])
        return cls(match[2].upper(), host, port, Params.parse(params, "Via"))

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """An address without brackets, which some write (RFC 5118 4.5)."""
        value = self.params.get("received")
        return value.strip("[]") if value is not None else None

    @property
    def rport(self) -> int | None:
        value = self.params.get("rport")
        return int(value) if value and value.isascii() and value.isdigit() and len(value) <= 5 else None

    def with_param(self, name: str, value: str | None = None) -> Via:
        return replace(self, params=self.params.with_param(name, value))

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        return f"SIP/2.0/{self.transport} {self.host}{port}{self.params}"


@dataclass(frozen=True, slots=True)
class CSeq:
    """Sequence number and method (RFC 3261 20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        match = re.fullmatch(r"\s*([0-9]{1,20})\s+([A-Za-z0-9\-.!%*_+`'~]+)\s*", text)
        if match is None or int(match[1]) >= 2**32:
            raise ParseError(f"{text[:40]!r} is no CSeq", where="CSeq")
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
