"""How a modem's answers look on the line (V.250 5.7, TS 27.007 9), and what a command's handler may give back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drivers.virtual.state import Settings

# TS 27.007 9.2.1 and 9.2.2; what is not here is told as a number.
CME_TEXTS = {
    3: "operation not allowed",
    4: "operation not supported",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    16: "incorrect password",
    21: "invalid index",
    30: "no network service",
    50: "incorrect parameters",
    100: "unknown",
    111: "PLMN not allowed",
    127: "missing or unknown APN",
    133: "requested service option not subscribed",
    148: "unspecified GPRS error",
    171: "last PDN disconnection not allowed",
}
NOT_ALLOWED, NO_SERVICE, BAD_PARAMETERS, INVALID_INDEX, UNSPECIFIED, LAST_PDN = 3, 30, 50, 21, 148, 171
NUMERIC = {"OK": "0", "CONNECT": "1", "RING": "2", "NO CARRIER": "3", "ERROR": "4"}  # V.250 table 1


class CmeError(Exception):
    """The command failed, and +CMEE decides how that is told."""

    def __init__(self, code: int) -> None:
        super().__init__(CME_TEXTS.get(code, str(code)))
        self.code = code


class PlainError(Exception):
    """The command failed, and the answer is ERROR whatever +CMEE says: it does not exist, or is malformed."""


@dataclass
class Wait:
    """A command that is not done yet.

    `until` gives its lines once it is, or raises; after `seconds` it has failed as `late`.
    """

    until: Callable[[], Sequence[str] | None]
    seconds: float
    late: CmeError = field(default_factory=lambda: CmeError(UNSPECIFIED))


Reply = Sequence[str] | Wait


def of_cause(cause: int) -> CmeError:
    """The error that tells of a cause of EMM or ESM: most are the cause and 100 (TS 27.007 9.2.2)."""
    return CmeError(LAST_PDN if cause == 49 else 100 + cause if cause < 49 else UNSPECIFIED)


def framed(settings: Settings, lines: Sequence[str]) -> bytes:
    """Information text, or a result code that nobody asked for."""
    if not lines:
        return b""
    text = "\r\n".join(lines) + "\r\n"
    return ("\r\n" + text if settings.verbose else text).encode("latin-1", "replace")


def result_code(settings: Settings, result: str) -> bytes:
    """A final result code, if they are wanted."""
    if settings.quiet:
        return b""
    if settings.verbose or result.startswith("+"):
        return f"\r\n{result}\r\n".encode()
    return NUMERIC[result].encode() + b"\r"


def error_text(settings: Settings, code: int | None) -> str:
    """+CMEE: 0 ERROR, 1 numbers, 2 words (TS 27.007 9.1)."""
    if settings.cmee == 0 or code is None:
        return "ERROR"
    return f"+CME ERROR: {CME_TEXTS.get(code, code) if settings.cmee == 2 else code}"
