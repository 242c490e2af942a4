"""A capture in a namespace, by dumpcap, with the kernel's timestamps.

It listens on the pseudo-device `any`: an interface that goes down, as a handoff wants it to, ends a capture on that
interface but not this one.  The link type is LINUX_SLL2, whose header names the interface of each packet.

Two traps decide the shape.  A packet that the kernel has stamped lies in a ring until dumpcap fetches it, up to 250 ms
later, and what lies there when dumpcap is told to end is lost.  And dumpcap speaks before it listens.  So both ends
are proved by a packet: a sentinel datagram of our own must be in the file before `start` returns, and another one
before `stop` ends dumpcap.
"""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from testbed.errors import RigError
from testbed.measure.markers import MARKER_ADDRESS, encode_marker

BUFFER_MIB = 32
SENTINEL = "capture-sentinel"  # the event name of our own markers; the analysis skips them
POLL_S = 0.01
CLONE_NEWNET = 0x40000000
_COUNTS = re.compile(rb"received/dropped on interface [^:]*: (\d+)/(\d+) \(pcap:(\d+)/dumpcap:(\d+)")

Spawn = Callable[[Sequence[str], Path], "subprocess.Popen[bytes]"]  # argument list, log -> the running process


@dataclass(frozen=True)
class CaptureStats:
    """What dumpcap says at its end: packets seen, and packets lost to a full buffer."""

    received: int
    dropped: int


class Capture:
    """One dumpcap on all interfaces of a namespace (None: this process's own), writing `path`.

    `start()` returns when packets are really being captured; `stop()` when the file is complete.  Where several
    captures run, `launch()` all and then `wait_ready()` all, `announce_stop()` all and then `stop()` all: they wait
    at the same time.  dumpcap dies with the thread that launched it, should that be killed.  `log` takes what dumpcap
    says.  `spawn` starts a process inside the namespace in place of `ip netns exec`: a rig's, which writes it into
    the journal first.
    """

    def __init__(
        self, path: Path, *, namespace: str | None = None, log: Path | None = None, spawn: Spawn | None = None
    ) -> None:
        self.path = path
        self.namespace = namespace
        self._spawn = spawn
        self.log = log or path.with_suffix(".dumpcap.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._sender: socket.socket | None = None
        self._token = b""
        self._searched = 0
        self._stats: CaptureStats | None = None

    @property
    def pid(self) -> int | None:
        """dumpcap's process id, for the journal."""
        return self._process.pid if self._process else None

    def command(self) -> list[str]:
        """The argument list that is run."""
        dumpcap = ["dumpcap", "-q", "-i", "any", "-y", "LINUX_SLL2", "-B", str(BUFFER_MIB), "-w", str(self.path)]
        enter = self.namespace is not None and self._spawn is None
        inside = ["ip", "netns", "exec", str(self.namespace)] if enter else []
        return ["setpriv", "--pdeathsig", "KILL", "--", *inside, *self._as_owner(), *dumpcap]

    def _as_owner(self) -> list[str]:
        """dumpcap gives up all rights of root before it opens its file: in others' folders it must be them."""
        folder = self.path.absolute().parent
        if not folder.exists() or (owner := folder.stat()).st_uid == os.geteuid():
            return []
        rights = "+net_raw,+net_admin"  # what it captures with
        ids = [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
        return ["setpriv", *ids, f"--inh-caps={rights}", f"--ambient-caps={rights}", "--pdeathsig", "KILL", "--"]

    def start(self, timeout: float = 10.0) -> None:
        """Start and wait until it captures.  RigError when it does not."""
        self.launch()
        self.wait_ready(timeout)

    def launch(self) -> None:
        """The first half of `start`."""
        if self._process is not None:
            raise RigError("this capture was started before", where=str(self.path), mend="make a new Capture")
        try:
            self._sender = socket_in_namespace(self.namespace)
            self._process = (self._spawn or _spawn)(self.command(), self.log)
        except OSError as error:
            raise RigError(
                f"the capture cannot be started: {error.strerror}",
                where=str(error.filename or self.namespace or self.path),
                mend="see that dumpcap (Debian: tshark) is installed and the namespace is there",
            ) from error

    def wait_ready(self, timeout: float = 10.0) -> None:
        """The second half of `start`: dumpcap has opened its file, and a packet sent after that is in it."""
        deadline = time.monotonic() + timeout
        try:
            self._await(lambda: b"File: " in self.log.read_bytes(), deadline, "dumpcap to open its file")
            self._send_sentinel()
            self._await(self._sentinel_is_written, deadline, "the first packet to be captured")
        except BaseException:
            self.kill()
            raise

    def announce_stop(self) -> None:
        """Send the last packet that must be in the file."""
        self._send_sentinel()

    def stop(self, timeout: float = 10.0) -> CaptureStats:
        """End it cleanly; the file is complete afterwards.  RigError when it died on the way."""
        if self._stats is not None:
            return self._stats
        process = self._running()
        deadline = time.monotonic() + timeout
        try:
            if not self._token:
                self.announce_stop()
            self._await(self._sentinel_is_written, deadline, "the last packet to be written")
            process.send_signal(signal.SIGINT)
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise self._error("dumpcap does not end", "look for a full or stuck disk") from None
        finally:
            self.kill()
        self._stats = self._read_stats()
        return self._stats

    def kill(self) -> None:
        """End it at once, for clean-up after a failure; the file may lack its end."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RigError("this capture was never started", where=str(self.path), mend="call start() first")
        return self._process

    def _send_sentinel(self) -> None:
        self._token = secrets.token_hex(8).encode()
        self._searched = self.path.stat().st_size if self.path.exists() else 0
        if self._sender is None:
            raise RigError("this capture has ended", where=str(self.path), mend="call stop() once")
        try:
            self._sender.sendto(encode_marker(SENTINEL, token=self._token.decode()), MARKER_ADDRESS)
        except OSError as error:
            raise self._error(f"no packet can be sent on loopback: {error.strerror}", "set the link `lo` up") from error

    def _sentinel_is_written(self) -> bool:
        """The sentinel is in the part of the file not searched yet; its token may lie across two reads."""
        with self.path.open("rb") as stream:
            stream.seek(max(0, self._searched - 1024))
            tail = stream.read()
            self._searched = stream.tell()
        if self._token not in tail:
            return False
        self._token = b""
        return True

    def _await(self, condition: Callable[[], bool], deadline: float, what: str) -> None:
        process = self._running()
        while not condition():
            if process.poll() is not None:
                raise self._error("dumpcap ended by itself", "read its own words above")
            if time.monotonic() > deadline:
                raise self._error(
                    f"gave up waiting for {what}", "see that `lo` is up and this machine is not overloaded"
                )
            time.sleep(POLL_S)

    def _read_stats(self) -> CaptureStats:
        counts = _COUNTS.search(self.log.read_bytes())
        if counts is None:
            raise self._error("dumpcap ended without its counts", "see whether it was killed from outside")
        received, *dropped = (int(value) for value in counts.groups())
        return CaptureStats(received, max(dropped[0], dropped[1] + dropped[2]))

    def _error(self, what: str, mend: str) -> RigError:
        said = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        last = f" (dumpcap: {said.splitlines()[-1]})" if said else ""
        where = f"namespace {self.namespace}, {self.path}" if self.namespace else str(self.path)
        return RigError(what + last, where=where, mend=mend)


def _spawn(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True)


def socket_in_namespace(namespace: str | None) -> socket.socket:
    """A UDP socket that belongs to `namespace` (a name below /run/netns) whoever uses it later.

    setns(2) moves one thread only, so a thread of its own enters the namespace, makes the socket and ends.
    """
    if namespace is None:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outcome: list[socket.socket | OSError] = []

    def enter_and_make() -> None:
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), namespace)
            finally:
                os.close(descriptor)
            outcome.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=enter_and_make, name="enter-namespace")
    thread.start()
    thread.join()
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]
