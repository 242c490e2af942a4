"""A real sshd on a loopback port, with keys made for the test; ended with all its sessions at the end of the block."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from drivers.host import processes
from drivers.host.ssh_connection import SshTarget

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
PRIVILEGE_SEPARATION = Path("/run/sshd")  # sshd asks for it where it runs as root
CONFIG = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel INFO
"""
Spawn = Callable[[Sequence[str], Path], "subprocess.Popen[bytes]"]


@dataclass
class SshServer:
    """The server, and where its keys lie."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    token: str
    address: str = "127.0.0.1"

    def target(self, **changes: object) -> SshTarget:
        given: dict[str, object] = {
            "address": self.address,
            "port": self.port,
            "user": getpass.getuser(),
            "key": self.folder / "key",
            "known_hosts": self.folder / "known_hosts",
        }
        return SshTarget(**{**given, **changes})  # type: ignore[arg-type]

    def sessions(self) -> list[int]:
        """The processes of the server that carry connections."""
        return [pid for pid in self._descendants(self.process.pid) if _name(pid) == "sshd"]

    def signal_sessions(self, number: signal.Signals) -> None:
        sessions = self.sessions()
        assert sessions, "no connection stands"
        for pid in sessions:
            os.kill(pid, number)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _descendants(self, pid: int) -> list[int]:
        try:
            children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:  # it has just ended
            return []
        return [each for child in children for each in (child, *self._descendants(child))]


@contextmanager
def ssh_server(
    folder: Path, *settings: str, spawn: Spawn | None = None, address: str = "127.0.0.1"
) -> Iterator[SshServer]:
    """A server that lets in who has `folder/key`; `settings` are lines of sshd_config that come first."""
    assert SSHD, "install openssh-server"
    make_key(folder / "host_key")
    make_key(folder / "key")
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    (folder / "sshd_config").write_text("".join(f"{line}\n" for line in settings) + CONFIG.format(folder=folder))
    token = secrets.token_hex(8)
    made = not PRIVILEGE_SEPARATION.exists() and os.geteuid() == 0
    if made:
        PRIVILEGE_SEPARATION.mkdir(0o755)
    port = 2222 if spawn else _free_port()
    argv = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config"), "-o", f"ListenAddress={address}:{port}"]
    process = (spawn or _starter(token))(argv, folder / "log")
    server = SshServer(folder, port, process, token, address)
    try:
        _wait_until(lambda: "Server listening" in server.log(), lambda: f"sshd did not come up: {server.log()}")
        trust(server, folder / "host_key.pub")
        yield server
    finally:
        for pid in server.sessions():  # a session changes its environment, so the token does not find it
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.send_signal(signal.SIGCONT)
        processes.end(token, 0.5)
        process.kill()
        process.wait()
        if made:
            PRIVILEGE_SEPARATION.rmdir()


def trust(server: SshServer, key: Path) -> None:
    """Write a public key into known_hosts, as the server's."""
    kind, data = key.read_text().split()[:2]
    (server.folder / "known_hosts").write_text(f"{server.target().name_in_known_hosts} {kind} {data}\n")


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> None:
    """A pair of keys, unless it is there."""
    if not path.exists():
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "made for a test", "-f", str(path)]
        subprocess.run(argv, check=True)


def _starter(token: str) -> Spawn:
    def start(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            environment = {**os.environ, processes.VARIABLE: token}
            return subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stderr=file, env=environment)

    return start


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _wait_until(what: Callable[[], bool], otherwise: Callable[[], str], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.01)
