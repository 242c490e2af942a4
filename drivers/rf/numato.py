"""A relay of a Numato Lab USB relay module, which is a serial port (USB CDC ACM: any bit rate).

Source: Numato Lab, "USB Relay Module" user guides (2 to 64 channels): a command ends with CR; the module echoes it,
answers on a line of its own and prompts with `>`: `relay on 0`, `relay off 0`, `relay read 0` -> `on` or `off`.  Relays
count from 0; from the tenth on they are named by letters, A to V.
"""

from __future__ import annotations

import time
from typing import Self

import serial

from drivers.rf.errors import Garbled, NotTaken, OutOfRange, Silent, Unreachable

NAMES = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
PROMPT = b">"
TIMEOUT_S = 2.0
RATE_BAUD = 19200
LOOK_S = 0.05


class NumatoRelay:
    """One relay.  `closed_is_on` says which contact is used: normally open (True) or normally closed."""

    def __init__(self, port: str, relay: int, closed_is_on: bool = True) -> None:
        self.where = f"relay {relay} at {port}"
        if not 0 <= relay < len(NAMES):
            raise OutOfRange(f"there is no relay {relay}", where=port, mend=f"relays are 0 to {len(NAMES) - 1}")
        self._name, self._closed_is_on = NAMES[relay], closed_is_on
        try:
            self._serial = serial.Serial(port, RATE_BAUD, timeout=LOOK_S, write_timeout=TIMEOUT_S, exclusive=True)
        except (serial.SerialException, OSError) as failed:
            mend = "plug it in, give its name in /dev/serial/by-id, and be in the group dialout"
            raise Unreachable(f"cannot be opened: {failed}", where=self.where, mend=mend) from failed
        self._fresh = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_on(self, on: bool) -> None:
        self._switch(on == self._closed_is_on)

    def is_on(self) -> bool:
        return self._closed() == self._closed_is_on

    def states(self) -> list[bool]:
        return [self._closed()]

    def restore(self, states: list[bool]) -> None:
        self._switch(states[0])

    def close(self) -> None:
        self._serial.close()

    def _switch(self, close: bool) -> None:
        self._ask(f"relay {'on' if close else 'off'} {self._name}")
        if self._closed() != close:
            raise NotTaken(f"was told to {'close' if close else 'open'} and has not", where=self.where)

    def _closed(self) -> bool:
        answer = self._ask(f"relay read {self._name}")
        if answer not in ("on", "off"):
            raise Garbled(f"answered `{answer[:80]}` to `relay read`", where=self.where)
        return answer == "on"

    def _ask(self, command: str) -> str:
        """The answer, without the echo."""
        try:
            if self._fresh:  # an empty command flushes what a program before us may have left half typed
                self._fresh = False
                self._exchange("")
            echo, _, answer = self._exchange(command).partition(command)
        except (serial.SerialException, OSError) as gone:
            raise Unreachable(f"is gone: {gone}", where=self.where, mend="plug it in again") from gone
        if not _ and command:
            raise Garbled(f"answered `{echo.strip()[:80]}`", where=self.where, mend="look whether that is the module")
        return answer.strip("\r\n >")

    def _exchange(self, command: str) -> str:
        """All up to the prompt."""
        self._serial.reset_input_buffer()
        self._serial.write(f"{command}\r".encode("ascii"))
        deadline = time.monotonic() + TIMEOUT_S
        answer = b""
        while not answer.rstrip().endswith(PROMPT):
            if time.monotonic() > deadline:
                mend = "look whether that is the module's port; unplug it and plug it in again"
                raise Silent(f"no prompt within {TIMEOUT_S:g} s", where=self.where, mend=mend)
            answer += self._serial.read(max(1, self._serial.in_waiting))
        return answer.decode("ascii", "replace")
