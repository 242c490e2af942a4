"""What can be wrong with a host, each state a type of its own, so that a caller can tell them apart."""

from __future__ import annotations

from drivers.errors import DriverError
from drivers.protocols import Completed

SHOWN = 2000  # characters of a command's last words in an error


class CommandFailed(DriverError):
    """A command ended with another status than 0."""

    def __init__(self, argv: list[str], completed: Completed, *, where: str) -> None:
        self.completed = completed
        words = (completed.stderr.strip() or completed.stdout.strip())[-SHOWN:]
        what = f"`{' '.join(argv)}` ended with status {completed.status}" + (f": {words}" if words else "")
        mend = f"install the program that has `{argv[0]}`" if completed.status == 127 else None
        super().__init__(what, where=where, mend=mend)


class TimeUp(DriverError):
    """What was waited for did not come within its time limit; a command was ended then."""


class FileTrouble(DriverError):
    """A file could not be read, written or removed."""


class ConnectionTrouble(DriverError):
    """There is no talking to a host; the subclass says why.  The next call connects anew."""


class Refused(ConnectionTrouble):
    """Nothing listens there."""


class NoRoute(ConnectionTrouble):
    """No way leads there, or its name is unknown."""


class NoAnswer(ConnectionTrouble):
    """It does not answer, or not as an SSH server does."""


class UnknownHostKey(ConnectionTrouble):
    """Nobody has said that the key which the host shows is its own."""


class ChangedHostKey(ConnectionTrouble):
    """The host shows another key than before."""


class KeyRefused(ConnectionTrouble):
    """The host does not take our key, or we cannot use it."""


class PasswordNeeded(ConnectionTrouble):
    """The host asks for a password."""


class HostSilent(ConnectionTrouble):
    """The connection stands, but the host has fallen silent."""


class ConnectionLost(ConnectionTrouble):
    """The connection broke while a command ran; whether the command did its work is not known."""
