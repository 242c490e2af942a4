"""Between the guest's consoles and our own standard files: output, orders, keyboard and news.

Console 0 is the command's standard output (and its keyboard), 1 its standard error, 2 the kernel's own words,
3 takes our orders, 4 brings news.  Orders and news are lines of text:

    orders: `signal NUMBER`, `size COLUMNS LINES`        news: `started`, `status NUMBER`, `error TEXT`
                                                            `time SECONDS`, `processes JSON` (simulated time)
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Relays:
    """Pipes to the guest's consoles, and the threads that serve them for the time of a `with` block."""

    def __init__(self, *, interactive: bool = False) -> None:
        self.news: dict[str, str] = {}
        self.started = threading.Event()
        self._unfinished = b""  # the beginning of a line of news
        self._interactive = interactive
        orders, self._orders = os.pipe()
        keys, self._keys = os.pipe()
        out, err, news = os.pipe(), os.pipe(), os.pipe()
        self._sources = ((out, writer(1)), (err, writer(2)), (news, self._note))
        self._console = {0: f"fd:{keys},fd:{out[1]}", 1: f"null,fd:{err[1]}", 2: "null,fd:2"}
        self._console |= {3: f"fd:{orders},null", 4: f"null,fd:{news[1]}"}
        self.theirs = (orders, keys, out[1], err[1], news[1])
        self._threads: list[threading.Thread] = []
        self._waiting: deque[str] = deque()
        self._undo: list[Callable[[], object]] = []

    def consoles(self) -> list[str]:
        """The kernel arguments that connect the guest's consoles."""
        return [*(f"con{number}={channel}" for number, channel in self._console.items()), "con=null", "console=tty2"]

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in PASSED_ON:
                self._on(number, lambda number, _: self._order(f"signal {number}"))
            self._on(signal.SIGWINCH, lambda _, __: self._tell_size())
        return self

    def __exit__(self, *_: object) -> None:
        """To be left when the guest has ended: its last output is passed on first."""
        if not self._threads:  # it never began
            self._close_theirs()
            for ends, _take in self._sources:
                os.close(ends[0])
        for thread in self._threads:
            thread.join()
        for undo in reversed(self._undo):
            undo()
        os.close(self._orders)
        os.close(self._keys)

    def begin(self) -> None:
        """The guest has its ends: close ours of them and serve."""
        self._close_theirs()
        sys.stdout.flush()
        sys.stderr.flush()
        self._threads = [threading.Thread(target=_drain, args=(pipe[0], take)) for pipe, take in self._sources]
        for thread in self._threads:
            thread.start()
        if self._interactive:
            self._take_keyboard()

    def _close_theirs(self) -> None:
        for descriptor in self.theirs:
            os.close(descriptor)

    def _on(self, number: signal.Signals, handler: Callable[[int, FrameType | None], Any]) -> None:
        before = signal.signal(number, handler)
        self._undo.append(lambda: signal.signal(number, before))

    def _order(self, line: str) -> None:
        self._waiting.append(line)
        if self.started.is_set():  # a console that nobody has opened yet forgets what it was told
            self._send_orders()

    def _send_orders(self) -> None:
        with contextlib.suppress(IndexError, BrokenPipeError):  # none left; the guest is ending
            while True:
                os.write(self._orders, f"{self._waiting.popleft()}\n".encode())

    def _tell_size(self) -> None:
        size = shutil.get_terminal_size()
        self._order(f"size {size.columns} {size.lines}")

    def _note(self, data: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            self.news[word] = rest
            if word == "started":
                self.started.set()
                self._send_orders()

    def _take_keyboard(self) -> None:
        """Every key goes to the guest, Ctrl-C too; the terminal over there makes signals of them."""
        before = termios.tcgetattr(0)
        self._undo.append(lambda: termios.tcsetattr(0, termios.TCSADRAIN, before))
        tty.setraw(0, termios.TCSANOW)  # what was typed already counts
        threading.Thread(target=self._pass_keys, daemon=True).start()

    def _pass_keys(self) -> None:
        self.started.wait()
        with contextlib.suppress(OSError):
            while data := os.read(0, 4096):
                os.write(self._keys, data)


def same_file(one: int, other: int) -> bool:
    """Whether two descriptors are the same terminal, pipe or file: then what goes into them must keep its order."""
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def writer(descriptor: int) -> Callable[[bytes], None]:
    """A function that writes everything to a descriptor; once its reader has gone it does nothing.

    The command itself goes on to its end then, and cleans up.
    """
    gone = False

    def write(data: bytes) -> None:
        nonlocal gone
        while data and not gone:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:  # somebody we share it with made it non-blocking
                select.select([], [descriptor], [])
            except OSError:
                gone = True

    return write


def _drain(source: int, take: Callable[[bytes], None]) -> None:
    with os.fdopen(source, "rb", buffering=0) as stream:
        while data := stream.read(65536):
            take(data)
