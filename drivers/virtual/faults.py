"""What can be wrong with a modem's answers, and how each fault changes one.

A fault waits for a command, changes its answer, and is used up after `times` of them; the rig can ask which have fired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["silent", "late", "garbage", "half", "error", "urc", "wrong-echo", "vanish", "reboot"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass
class Fault:
    """`command` is the beginning of the command lines it waits for, after `AT` (empty: any).

    | kind | what happens | takes |
    | --- | --- | --- |
    | silent | the command is done, but not answered | |
    | late | the answer comes after `seconds` | seconds |
    | garbage | `data` stands in the middle of the answer, at byte `at` | data, at |
    | half | the answer ends at byte `at` | at |
    | error | the command is not done, and answered with +CME ERROR: `code` (ERROR when it is None) | code |
    | urc | the line `data` comes in the middle of the answer, at byte `at` | data, at |
    | wrong-echo | the echo of the next line has its bits turned over | |
    | vanish | the stick is pulled when `at` more bytes have gone `direction` | at, direction |
    | reboot | the modem starts anew in place of an answer | |
    """

    kind: Kind
    command: str = ""
    times: int = 1
    at: int = 0
    seconds: float = 0.0
    data: bytes = b""
    code: int | None = None
    direction: Literal["in", "out"] = "out"
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind}; there are {', '.join(KINDS)}")

    @property
    def used_up(self) -> bool:
        return self.fired >= self.times

    def waits_for(self, body: str) -> bool:
        return not self.used_up and body.upper().startswith(self.command.upper())

    def change(self, answer: bytes) -> bytes:
        """The answer as it is sent."""
        if self.kind == "silent":
            return b""
        if self.kind == "half":
            return answer[: self.at]
        if self.kind == "garbage":
            return answer[: self.at] + self.data + answer[self.at :]
        if self.kind == "urc":
            return answer[: self.at] + b"\r\n" + self.data + b"\r\n" + answer[self.at :]
        return answer
