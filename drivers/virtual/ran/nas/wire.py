"""How NAS messages are laid out: information elements one after the other (3GPP TS 24.007 11.2.1, TS 24.301 9).

A message is a frozen dataclass.  Each field's annotation says how its element lies in the message, in the order of the
standard's table: :data:`HALF`, :func:`fixed`, :data:`LV` and :data:`LVE` for mandatory ones; :func:`tv`, :func:`tlv`,
:func:`tlve` and :func:`short` for optional ones, which are None where they are not there.  Its type says what the
octets mean: bytes, int for one octet or a half, or a class with `parse` and `__bytes__`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self, get_args, get_origin, get_type_hints

from drivers.virtual.ran.errors import PeerFault

EPS_SESSION_MANAGEMENT, EPS_MOBILITY_MANAGEMENT = 2, 7  # protocol discriminators, TS 24.007 11.2.3.1.1


class Kind(Protocol):
    """What an element's octets mean."""

    @classmethod
    def parse(cls, data: bytes) -> Any:
        """Raises PeerFault."""

    def __bytes__(self) -> bytes: ...


@dataclass(frozen=True)
class Element:
    """How an element lies in a message; `length` in octets where the standard fixes it."""

    shape: Literal["half", "fixed", "lv", "lve", "tv", "tlv", "tlve", "short"]
    iei: int = 0
    length: int = 0

    @property
    def optional(self) -> bool:
        return self.shape in ("tv", "tlv", "tlve", "short")


# Half an octet.  Two in a row share one, the first in the low half; the other half of a single one is spare.
HALF = Element("half")
LV, LVE = Element("lv"), Element("lve")  # with the length in one octet, in two


def fixed(length: int) -> Element:
    return Element("fixed", 0, length)


def tv(iei: int, length: int) -> Element:
    return Element("tv", iei, length)


def tlv(iei: int) -> Element:
    return Element("tlv", iei)


def tlve(iei: int) -> Element:
    return Element("tlve", iei)


def short(iei: int) -> Element:
    """An identifier and a value in one octet; `iei` is the high half."""
    return Element("short", iei)


@dataclass(frozen=True)
class Message:
    """A NAS message without its header."""

    TYPE: ClassVar[int]

    @classmethod
    @cache
    def layout(cls) -> tuple[tuple[str, Element, Any], ...]:
        """The elements: the name of the field, how it lies there, what it means."""
        found = []
        for name, hint in get_type_hints(cls, include_extras=True).items():
            if get_origin(hint) is Annotated:
                meaning, element = get_args(hint)
                found.append((name, element, next(iter(get_args(meaning)), meaning)))  # without "| None"
        return tuple(found)

    def body(self) -> bytes:
        """All elements."""
        out = bytearray()
        open_half = False
        for name, element, _ in type(self).layout():
            value = getattr(self, name)
            if element.shape == "half":
                if open_half:
                    out[-1] |= value << 4
                else:
                    out.append(value)
                open_half = not open_half
                continue
            open_half = False
            if value is not None:
                out += _encoded(element, value)
        return bytes(out)

    @classmethod
    def from_body(cls, data: bytes) -> Self:
        """Raises PeerFault when mandatory elements are missing or lengths do not add up.  Unknown ones are skipped."""
        reader = Reader(data, cls.__name__)
        elements = cls.layout()
        values: dict[str, Any] = {}
        open_half: int | None = None
        for name, element, kind in elements:
            if element.optional:
                continue
            if element.shape == "half":
                if open_half is None:
                    open_half = reader.octet()
                    values[name] = open_half & 0xF
                else:
                    values[name], open_half = open_half >> 4, None
                continue
            open_half = None
            values[name] = _decoded(kind, reader.mandatory(element))
        known = {element.iei: (name, element, kind) for name, element, kind in elements if element.optional}
        for iei, raw in reader.optional({iei: element for iei, (_, element, _) in known.items()}):
            name, _, kind = known[iei]
            values.setdefault(name, _decoded(kind, raw))
        return cls(**values)


class Reader:
    """Takes elements from a message's octets."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._at, self._what = data, 0, what

    def take(self, length: int) -> bytes:
        part = self._data[self._at : self._at + length]
        if len(part) != length:
            raise PeerFault(f"ends after {len(self._data)} octets, in the middle of an element", where=self._what)
        self._at += length
        return part

    def octet(self) -> int:
        return self.take(1)[0]

    def mandatory(self, element: Element) -> bytes:
        if element.shape == "fixed":
            return self.take(element.length)
        return self.take(int.from_bytes(self.take(1 if element.shape == "lv" else 2), "big"))

    def optional(self, known: Mapping[int, Element]) -> Iterator[tuple[int, bytes]]:
        """The optional elements that are known; what others are is told by their identifiers (TS 24.007 11.2.4)."""
        while self._at < len(self._data):
            first = self.octet()
            if first & 0x80:
                if (high := first >> 4) in known and known[high].shape == "short":
                    yield high, bytes((first & 0xF,))
                elif first in known:
                    yield first, self.take(known[first].length)
                continue
            element = known.get(first)
            if element and element.shape == "tv":
                raw = self.take(element.length)
            else:
                wide = element.shape == "tlve" if element else first >> 4 == 7
                raw = self.take(int.from_bytes(self.take(2 if wide else 1), "big"))
            if element:
                yield first, raw


def _encoded(element: Element, value: Any) -> bytes:
    if element.shape == "short":
        return bytes((element.iei << 4 | value,))
    raw = bytes((value,)) if isinstance(value, int) else bytes(value)
    width = {"lv": 1, "tlv": 1, "lve": 2, "tlve": 2}.get(element.shape, 0)
    head = bytes((element.iei,)) if element.optional else b""
    return head + (len(raw).to_bytes(width, "big") if width else b"") + raw


def _decoded(kind: type[Kind], raw: bytes) -> Any:
    if kind is int:
        return raw[0]
    return raw if kind is bytes else kind.parse(raw)
