"""A command line for a modem, with what is needed to run it (ITU-T V.250 5.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from drivers.modem.errors import ModemError

DEFAULT_TIMEOUT_S = 5.0
END_OF_PAYLOAD, ESCAPE = b"\x1a", b"\x1b"  # TS 27.005 3.5.1: Ctrl-Z sends, ESC gives up
# Extended commands (V.250 5.4) in a command line: +CREG?, ^HCSQ?, !GSTATUS?, #RFSTS, %IPDPADDR=1, $QCRMCALL=1,1
_EXTENDED = re.compile(r"([+^!#%$*&][A-Z][A-Z0-9_]*)(=\?|\?|=)?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Command:
    """`payload` is sent after the prompt.  `secret` commands and their answers are never written down.

    `abortable` says that a character sent in the middle ends the command (V.250 5.6.1).
    """

    text: str
    timeout_s: float = DEFAULT_TIMEOUT_S
    payload: bytes | None = field(default=None, repr=False)
    abortable: bool = False
    secret: bool = False

    def __post_init__(self) -> None:
        if _CONTROL.search(self.text) or not self.text.isascii() or self.text[:2].upper() != "AT":
            raise ModemError(f"{self.text!r} is no command line", mend="it begins with AT and is plain printable ASCII")

    @property
    def shown(self) -> str:
        """The command as it may be written into an error or a log: up to the first `=` where it is secret."""
        return self.text.partition("=")[0] + "=..." if self.secret and "=" in self.text else self.text

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Each extended command as (name, form); form is "?", "=?", "=" or ""."""
        return parts_of(self.text)


def parts_of(text: str) -> tuple[tuple[str, str], ...]:
    """The extended commands of a command line; what stands in quotation marks is no command."""
    bare = re.sub(r'"[^"]*"?', '""', text)
    return tuple((name.upper(), form) for name, form in _EXTENDED.findall(bare))
