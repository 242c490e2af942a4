"""How hostapd and wpa_supplicant write: `key=value` lines, quoted values, SSIDs with escapes (their common.c)."""

from __future__ import annotations

import re
from typing import TypeVar

from drivers.wifi.errors import Unreadable

Number = TypeVar("Number", int, float)
_PAIR = re.compile(r'([\w\[\]]+)=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"e": b"\x1b"}
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


def lines_of(answer: str) -> dict[str, str]:
    """`key=value` lines; lines of another form are left out."""
    pairs = (line.partition("=") for line in answer.splitlines())
    return {key: value for key, equals, value in pairs if equals}


def pairs_in(text: str) -> dict[str, str]:
    """`key=value` within a line; a value in quotes may contain blanks and is returned without them."""
    return {key: value[1:-1] if value[:1] == '"' and len(value) > 1 else value for key, value in _PAIR.findall(text)}


def unescaped(text: str) -> str:
    r"""A name as it was before `\xNN`, `\"`, `\\`, `\n` and the like were put in; what is no UTF-8 becomes U+FFFD."""

    def plain(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes.fromhex(code[1:].decode()) if len(code) == 3 else _PLAIN.get(code, code)

    return _ESCAPE.sub(plain, text.encode()).decode(errors="replace")


def mac(text: str) -> str:
    """A hardware address, in lower case; raises Unreadable when it is none."""
    if not _MAC.fullmatch(text):
        raise Unreadable(f"{text!r} is no hardware address")
    return text.lower()


def number(values: dict[str, str], key: str, kind: type[Number], *, base: int = 10) -> Number | None:
    """A number, or None where it is not told; raises Unreadable when it is none."""
    text = values.get(key)
    if text is None:
        return None
    try:
        return kind(text, base) if kind is int and base != 10 else kind(text)  # type: ignore[call-arg]
    except ValueError as wrong:
        raise Unreadable(f"{key}={text!r} is no number") from wrong
