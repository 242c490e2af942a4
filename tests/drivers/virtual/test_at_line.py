"""Command lines as a modem takes them (V.250 5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.at_line import LONGEST, BadCommand, Call, LineEditor, parse


def typed(text: bytes) -> list[str]:
    editor = LineEditor()
    return [body for byte in text if (body := editor.feed(byte)) is not None]


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ("", []),
        ("E0", [Call("E", "=", ("0",))]),
        ("E0V1Q0", [Call("E", "=", ("0",)), Call("V", "=", ("1",)), Call("Q", "=", ("0",))]),
        ("&F", [Call("&F")]),
        ("S3?S4=10", [Call("S3", "?"), Call("S4", "=", ("10",))]),
        ("+CREG?", [Call("+CREG", "?")]),
        ("+creg=2;+COPS=?", [Call("+CREG", "=", ("2",)), Call("+COPS", "=?")]),
        ('+CGDCONT=2,"IP","a,b;c",,0', [Call("+CGDCONT", "=", ("2", "IP", "a,b;c", "", "0"))]),
        ("E0+CSQ", [Call("E", "=", ("0",)), Call("+CSQ")]),
        ("^NDISDUP=1,1;!GSTATUS?", [Call("^NDISDUP", "=", ("1", "1")), Call("!GSTATUS", "?")]),
        ("D*99#;+CSQ", [Call("D", "=", ("*99#;+CSQ",))]),
        ("+CPIN=", [Call("+CPIN", "=", ("",))]),
    ],
)
def test_a_line_is_taken_apart(body: str, calls: list[Call]) -> None:
    assert parse(body) == calls


@pytest.mark.parametrize("body", ["+CSQ x", '+COPS=1,2,"26201', "1", "+", "\x80", "X" * (LONGEST + 1)])
def test_what_is_no_command_line_is_refused(body: str) -> None:
    with pytest.raises(BadCommand):
        parse(body)


def test_noise_before_at_backspace_and_line_feeds_do_no_harm() -> None:
    assert typed(b"\x00garbAT\x08T+CSQ\r\nATI\r\n") == ["+CSQ", "I"]


def test_a_slash_repeats_the_last_line_without_a_carriage_return() -> None:
    assert typed(b"AT+CSQ\ra/") == ["+CSQ", "+CSQ"]


def test_a_line_without_at_is_no_command() -> None:
    assert typed(b"hello\rAT\r") == [""]


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    for body in typed(data + b"\r"):
        try:
            parse(body)
        except BadCommand:
            continue
