"""One SSH connection: made, its host's key checked, watched for silence, and told apart in every way it can fail.

paramiko speaks the protocol (RFC 4251 to 4254).  It waits for a frozen server without limit in some places, so a watch
asks the server something every few seconds (a global request, RFC 4254 4, as OpenSSH's ServerAliveInterval) and closes
the connection when no answer comes: whoever waits for anything then gets an error.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import paramiko

from drivers.host import netns
from drivers.host.errors import (
    ChangedHostKey,
    ConnectionLost,
    ConnectionTrouble,
    HostSilent,
    KeyRefused,
    NoAnswer,
    NoRoute,
    PasswordNeeded,
    Refused,
    UnknownHostKey,
)

OWN_KNOWN_HOSTS = Path("~/.ssh/known_hosts")
SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # all that it would log of is raised here, in our words
NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


@dataclass(frozen=True)
class SshTarget:
    """Where a host is reached, and as whom.  Only keys are used: from `key`, or the agent and the usual files."""

    address: str
    port: int = 22
    user: str = "root"
    key: Path | None = None
    known_hosts: Path | None = None  # instead of the user's own and the system's
    namespace: str | None = None  # the network namespace that the connection is made from
    source: str | None = None  # our own address to come from, which decides the way where routes go by source
    connect_s: float = 10.0  # for each step until we are in
    silence_s: float = 10.0  # after that much silence of the host its connection is given up

    def __str__(self) -> str:
        return f"ssh {self.user}@{self.address}" + (f":{self.port}" if self.port != 22 else "")

    @property
    def name_in_known_hosts(self) -> str:
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"


class SshConnection:
    """A connection that stands from when this object is made."""

    def __init__(self, target: SshTarget) -> None:
        self._target, self._where = target, str(target)
        self._silent = False
        self._over = threading.Event()
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(_Unknown(target))
        stream = self._stream()
        try:
            with self._named():
                self._known_hosts()
                self._client.connect(
                    target.address,
                    port=target.port,
                    username=target.user,
                    key_filename=str(target.key) if target.key else None,
                    allow_agent=target.key is None,
                    look_for_keys=target.key is None,
                    sock=stream,
                    timeout=target.connect_s,
                    banner_timeout=target.connect_s,
                    auth_timeout=target.connect_s,
                    channel_timeout=target.connect_s,
                )
        except BaseException:
            self._client.close()
            stream.close()
            raise
        transport = self._client.get_transport()
        assert transport is not None
        self._transport = transport
        threading.Thread(target=self._watch, name=f"watch {self._where}", daemon=True).start()

    @property
    def stands(self) -> bool:
        """Whether it is not known to be broken."""
        return self._transport.is_active() and not self._over.is_set()

    def channel(self) -> paramiko.Channel:
        """A new channel.  Raises ConnectionTrouble; the connection stands afterwards where only that was refused."""
        try:
            return self._transport.open_session(timeout=self._target.connect_s)
        except paramiko.ChannelException as refused:
            mend = "raise MaxSessions in its sshd_config, or run fewer things there at once"
            raise Refused(f"no further session: {refused.text}", where=self._where, mend=mend) from refused
        except (paramiko.SSHException, EOFError, OSError) as failed:
            if self._transport.is_active():  # its time was up
                self._fell_silent()
            raise self.trouble() from failed

    def trouble(self) -> ConnectionTrouble:
        """Why a channel came to its end without the command's status."""
        if self._silent:
            mend = "look whether the host still lives: ping it, look at its console; reset it if not"
            return HostSilent(f"has been silent for {self._target.silence_s:g} s", where=self._where, mend=mend)
        mend = "when the host is back the next command connects again; what this one did is not known"
        return ConnectionLost("the connection broke while a command ran", where=self._where, mend=mend)

    def close(self) -> None:
        self._over.set()
        self._client.close()

    def _stream(self) -> socket.socket:
        """A TCP connection to the port."""
        target = self._target
        place = netns.inside(target.namespace) if target.namespace else nullcontext()
        try:
            with place:
                source = (target.source, 0) if target.source else None
                return socket.create_connection((target.address, target.port), target.connect_s, source)
        except ConnectionRefusedError as refused:
            mend = f"start its SSH server, or give the port it listens on (asked: {target.port})"
            raise Refused("connection refused", where=self._where, mend=mend) from refused
        except TimeoutError as late:
            mend = "look whether the host is on and whether a firewall drops what it gets"
            raise NoAnswer(f"no answer within {target.connect_s:g} s", where=self._where, mend=mend) from late
        except socket.gaierror as unknown:
            raise NoRoute("nobody knows that name", where=self._where, mend="give an address") from unknown
        except OSError as failed:
            if failed.errno not in NO_WAY:
                raise NoAnswer(f"cannot be reached: {failed.strerror}", where=self._where) from failed
            mend = "look at the routes of this machine, and whether the host is on"
            raise NoRoute(f"{failed.strerror}", where=self._where, mend=mend) from failed

    def _known_hosts(self) -> None:
        files = [self._target.known_hosts] if self._target.known_hosts else [OWN_KNOWN_HOSTS, SYSTEM_KNOWN_HOSTS]
        for file in files:
            path = file.expanduser()
            if path.exists():
                self._client.load_system_host_keys(str(path))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """paramiko's errors as ours."""
        try:
            yield
        except ConnectionTrouble:
            raise
        except paramiko.BadHostKeyException as changed:
            raise _changed(self._target, changed) from changed
        except paramiko.BadAuthenticationType as wanted:
            raise self._not_let_in(wanted.allowed_types) from wanted
        except paramiko.PasswordRequiredException as locked:
            mend = f"hand it to an agent: ssh-add {self._target.key or ''}".rstrip()
            raise KeyRefused("our key is locked by a passphrase", where=self._where, mend=mend) from locked
        except paramiko.AuthenticationException as refused:
            raise self._not_let_in(["publickey"]) from refused
        except (paramiko.SSHException, EOFError, OSError, ValueError) as failed:
            raise self._not_understood(failed) from failed

    def _not_let_in(self, allowed: list[str]) -> ConnectionTrouble:
        key = self._target.key or "<your key>"
        port = f" -p {self._target.port}" if self._target.port != 22 else ""
        mend = f"put our key there: ssh-copy-id -i {key}{port} {self._target.user}@{self._target.address}"
        if "publickey" in allowed:
            return KeyRefused(f"does not take our key for {self._target.user}", where=self._where, mend=mend)
        return PasswordNeeded(f"asks for a password ({', '.join(allowed)})", where=self._where, mend=mend)

    def _not_understood(self, failed: Exception) -> ConnectionTrouble:
        if isinstance(failed, FileNotFoundError):
            mend = "give the path of a private key: ssh-keygen -t ed25519 makes one"
            return KeyRefused(f"there is no key {failed.filename}", where=self._where, mend=mend)
        if "No authentication methods" in str(failed):
            mend = "make one (ssh-keygen -t ed25519), or give the path of one"
            return KeyRefused("we have no key to show", where=self._where, mend=mend)
        if isinstance(failed, paramiko.SSHException) and "not a valid" in str(failed):
            return KeyRefused(f"our key cannot be read: {failed}", where=self._where)
        what = str(failed) or type(failed).__name__
        mend = "look whether that is an SSH server, and whether it still lives"
        return NoAnswer(f"no SSH connection: {what}", where=self._where, mend=mend)

    def _watch(self) -> None:
        """Ask, again and again; no answer in time closes the connection."""
        each_s = self._target.silence_s / 2
        while not self._over.wait(each_s) and self._transport.is_active():
            given_up = threading.Timer(each_s, self._fell_silent)
            given_up.daemon = True
            given_up.start()
            try:
                self._transport.global_request("keepalive@openssh.com", wait=True)
            except (paramiko.SSHException, EOFError, OSError):
                break
            finally:
                given_up.cancel()

    def _fell_silent(self) -> None:
        self._silent = True
        self._client.close()


class _Unknown(paramiko.MissingHostKeyPolicy):
    """Nobody vouches for the key: say how to look, and what to do then."""

    def __init__(self, target: SshTarget) -> None:
        self._target = target

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        target = self._target
        file = target.known_hosts or OWN_KNOWN_HOSTS
        mend = (
            "compare it with what the host itself says (at its console: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub); "
            f"then: ssh-keyscan -p {target.port} {target.address} >> {file}"
        )
        what = f"its key is not known: {key.get_name()} {key.fingerprint}"  # type: ignore[attr-defined, unused-ignore]
        raise UnknownHostKey(what, where=str(target), mend=mend)


def _changed(target: SshTarget, changed: paramiko.BadHostKeyException) -> ChangedHostKey:
    file = target.known_hosts or OWN_KNOWN_HOSTS
    shown, before = (f"{key.get_name()} {key.fingerprint}" for key in (changed.key, changed.expected_key))
    mend = (
        "somebody may be in between.  If the host was installed anew, compare with what it says itself, then: "
        f"ssh-keygen -R '{target.name_in_known_hosts}' -f {file}"
    )
    return ChangedHostKey(f"its key has changed: {shown}, it was {before}", where=str(target), mend=mend)
