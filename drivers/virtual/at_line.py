"""The modem's end of an AT line: characters in, command lines and their echo out, a command line's commands (V.250 5).

No I/O, and no knowledge of what any command does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Form = Literal["", "?", "=?", "="]
LONGEST = 2048  # characters of a command line; V.250 5.2.3 lets a modem answer ERROR to a longer one
CR, BACKSPACE = 0x0D, 0x08
_EXTENDED = re.compile(r"([+^!#%$*][A-Za-z][A-Za-z0-9_]*)\s*(=\?|\?|=|)")
_PARAMETER = re.compile(r"S(\d+)(=|\?)?", re.IGNORECASE)
_BASIC = re.compile(r"(&?[A-Za-z])(\d*)")


@dataclass(frozen=True)
class Call:
    """One command of a line: its name in upper case, its form, and its parameters without quotation marks."""

    name: str
    form: Form = ""
    parameters: tuple[str, ...] = ()

    def text(self, index: int, default: str = "") -> str:
        """A parameter, or the default where it is left out."""
        return self.parameters[index] if index < len(self.parameters) and self.parameters[index] else default

    def number(self, index: int, default: int | None = None) -> int:
        """A decimal parameter; raises BadCommand when it is none, or is left out and has no default."""
        text = self.text(index)
        if not text and default is not None:
            return default
        if not text.isdecimal():
            raise BadCommand(f"parameter {index + 1} of {self.name} is no number: {text!r}")
        return int(text)

    def __str__(self) -> str:
        return f"{self.name}{self.form}{','.join(self.parameters)}"


class BadCommand(ValueError):
    """A command line that the modem answers with ERROR."""


class LineEditor:
    """Collects the characters of a command line (V.250 5.2.1); what stands before `AT` is passed over."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._last = ""

    @property
    def half_typed(self) -> bool:
        """Whether a line has been begun: nothing is said into it."""
        return bool(self._line)

    def clear(self) -> None:
        self._line.clear()

    def feed(self, byte: int) -> str | None:
        """One character; the body of a command line (what follows `AT`) when it completes one."""
        if byte == BACKSPACE:
            del self._line[-1:]
        elif byte == CR:
            return self._complete()
        elif byte >= 0x20 and len(self._line) <= LONGEST:
            self._line.append(byte)
        if self._line[:2].upper() == b"A/":  # again, without waiting for a CR (V.250 5.2.4)
            self._line.clear()
            return self._last
        return None

    def _complete(self) -> str | None:
        text = self._line.decode("latin-1")
        self._line.clear()
        begin = text.upper().find("AT")
        if begin < 0:
            return None
        self._last = text[begin + 2 :]
        return self._last


def parse(body: str) -> list[Call]:
    """The commands of a line's body (V.250 5.3, 5.4); raises BadCommand."""
    if len(body) > LONGEST:
        raise BadCommand("the command line is too long")
    calls: list[Call] = []
    while body := body.lstrip(" ;"):
        call, body = _first(body)
        calls.append(call)
    return calls


def _first(body: str) -> tuple[Call, str]:
    if found := _EXTENDED.match(body):
        return _extended(found[1].upper(), found[2], body[found.end() :])
    if found := _PARAMETER.match(body):
        if found[2] != "=":
            return Call(f"S{found[1]}", "?"), body[found.end() :]
        value = re.match(r"\d*", body[found.end() :])
        assert value
        return Call(f"S{found[1]}", "=", (value[0],)), body[found.end() + value.end() :]
    if body[0] in "Dd":  # a dial string is the rest of the line (V.250 6.3.1)
        return Call("D", "=", (body[1:],)), ""
    if found := _BASIC.match(body):
        return Call(found[1].upper(), "=" if found[2] else "", (found[2],) if found[2] else ()), body[found.end() :]
    raise BadCommand(f"no command begins with {body[0]!r}")


def _extended(name: str, form: str, rest: str) -> tuple[Call, str]:
    own, _, after = _until(rest, ";")
    if form == "=":
        return Call(name, "=", tuple(_split(own))), after
    if own.strip():
        raise BadCommand(f"{own!r} after {name}{form}")
    return Call(name, "?" if form == "?" else "=?" if form else ""), after


def _split(text: str) -> list[str]:
    values = []
    more = True
    while more:
        value, more, text = _until(text, ",")
        values.append(value.strip().strip('"'))
    return values


def _until(text: str, end: str) -> tuple[str, bool, str]:
    """What stands before the first `end` outside of quotation marks, whether there was one, and what follows."""
    quoted = False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == end and not quoted:
            return text[:index], True, text[index + 1 :]
    if quoted:
        raise BadCommand("a quotation mark is missing")
    return text, False, ""
