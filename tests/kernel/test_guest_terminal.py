"""The command sees a terminal exactly where the host has one, of its size, and Ctrl-C works as ever."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from controller import DEADLINE_S, EXEC, Controller

pytestmark = pytest.mark.usefixtures("guests")
REPORT = """
import os, signal, sys, time
changes = [True]
signal.signal(signal.SIGWINCH, lambda *_: changes.append(True))
try:
    while True:
        if changes:
            changes.clear()
            print(os.isatty(1), os.isatty(2), *os.get_terminal_size(1), flush=True)
        time.sleep(0.02)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(42)
"""


class Screen:
    """A terminal of ours for the controller."""

    def __init__(self) -> None:
        self.keyboard, self.terminal = os.openpty()
        self.resize(111, 33)
        self._text = b""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def line(self) -> str:
        """The next line on the screen."""
        while b"\n" not in self._text:
            readable, _, _ = select.select([self.keyboard], [], [], DEADLINE_S)
            assert readable, f"nothing more after {self._text!r}"
            self._text += os.read(self.keyboard, 65536)
        line, _, self._text = self._text.partition(b"\n")
        return line.decode().rstrip("\r")

    def press(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)


@pytest.fixture
def screen() -> Iterator[Screen]:
    screen = Screen()
    yield screen
    os.close(screen.keyboard)
    os.close(screen.terminal)


def test_a_terminal_has_the_hosts_size_follows_it_and_takes_ctrl_c(screen: Screen, temporary: Path) -> None:
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), screen.terminal)
    argv = ("/usr/bin/python3", "-c", REPORT)
    controller = Controller(temporary, *argv, **ends, preexec_fn=lambda: own(screen.terminal), start_new_session=True)
    assert screen.line() == "True True 111 33"
    screen.resize(70, 20)
    assert screen.line() == "True True 70 20"
    screen.press(b"\x03")
    assert screen.line() == "^Cinterrupted"
    assert controller.process.wait(DEADLINE_S) == 42


def test_only_what_is_a_terminal_here_is_one_there(screen: Screen, temporary: Path) -> None:
    code = "import os, sys; print(os.isatty(0), os.isatty(1), os.isatty(2), file=sys.stderr)"
    controller = Controller(temporary, "/usr/bin/python3", "-c", code, stderr=screen.terminal)
    assert screen.line() == "False False True"
    assert controller.result()[0] == 0


def test_a_shell_gets_the_keyboard_and_the_terminal_is_as_before_afterwards(screen: Screen, temporary: Path) -> None:
    before = termios.tcgetattr(screen.terminal)
    controller = subprocess.Popen(
        [*EXEC[:-1], "shell"],
        stdin=screen.terminal,
        stdout=screen.terminal,
        stderr=screen.terminal,
        env={**os.environ, "TMPDIR": str(temporary), "SHELL": "/bin/sh", "PS1": ""},
    )
    screen.press(b"echo $((20+3)) $(id -u); stty size; exit 6\n")
    lines = [screen.line()]
    while lines[-1] != "33 111":
        lines.append(screen.line())
    assert "23 0" in lines
    assert controller.wait(DEADLINE_S) == 6
    assert termios.tcgetattr(screen.terminal) == before


def own(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
