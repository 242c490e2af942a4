"""The subscribers of the home network: what an HSS knows of them (TS 23.228 4.3), kept in SQLite.

One subscription has one private identity (IMPI), the keys of its ISIM and its public identities (IMPUs).  The first
IMPU is registered explicitly; all of them form one implicit registration set (TS 23.228 4.3.3.1).
The file holds keys: it is made with mode 0600, and keys appear in no representation and no message.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from testbed.errors import UsageError

KEY_BYTES, AMF_BYTES = 16, 2
AMF = bytes.fromhex("8000")  # TS 33.102 annex H: the separation bit is set for IMS AKA over an EPS access
SQN_MAX = (1 << 48) - 1
IN_MEMORY = Path(":memory:")
_IMPI = re.compile(r"[^\s@:\"<>;,]+@[A-Za-z0-9.\-]+")
_IMPU = re.compile(r"(sip:[^\s@\"<>;,]+@[A-Za-z0-9.\-]+|tel:\+?[0-9]+)")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS subscriber (
    impi TEXT PRIMARY KEY, k BLOB NOT NULL, opc BLOB NOT NULL, amf BLOB NOT NULL, sqn INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS identity (
    impu TEXT PRIMARY KEY, place INTEGER NOT NULL,
    impi TEXT NOT NULL REFERENCES subscriber (impi) ON DELETE CASCADE);
"""


@dataclass(frozen=True)
class Subscriber:
    """One subscription.  `sqn` is the last sequence number given out (48 bits, TS 33.102 annex C)."""

    impi: str
    impus: tuple[str, ...]
    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)
    amf: bytes = AMF
    sqn: int = 0

    def __post_init__(self) -> None:
        where = f"subscriber {self.impi}"
        if not _IMPI.fullmatch(self.impi):
            raise UsageError("is no private identity", where=where, mend="write it as name@home.domain")
        if not self.impus:
            raise UsageError("has no public identity", where=where, mend="give at least one, as sip:name@home.domain")
        for impu in self.impus:
            if not _IMPU.fullmatch(impu):
                mend = "write it as sip:name@home.domain or tel:+number"
                raise UsageError(f"{impu!r} is no public identity", where=where, mend=mend)
        if len(set(self.impus)) != len(self.impus):
            raise UsageError("has the same public identity twice", where=where)
        for name, value, length in (("K", self.k, 16), ("OPc", self.opc, 16), ("AMF", self.amf, AMF_BYTES)):
            if len(value) != length:  # the value itself may be a secret and is not repeated
                mend = f"give {2 * length} hexadecimal digits"
                raise UsageError(f"{name} has {len(value)} bytes instead of {length}", where=where, mend=mend)
        if not 0 <= self.sqn <= SQN_MAX:
            raise UsageError(f"SQN {self.sqn} does not fit 48 bits", where=where)


def default_path() -> Path:
    """Where a user's subscribers are kept when no file is named."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "handoff-testbed" / "subscribers.db"


class SubscriberStore:
    """Subscribers in one SQLite file, or in memory only (`IN_MEMORY`).  Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            if path != IN_MEMORY:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Made with its mode before SQLite opens it, so that it is at no time readable by others.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                path.chmod(0o600)
            self._database = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.DatabaseError) as refused:
            mend = "name a file that you may write (--store), or move the damaged one away"
            raise UsageError(f"cannot be used: {refused}", where=str(path), mend=mend) from refused

    def close(self) -> None:
        self._database.close()

    def add(self, subscriber: Subscriber) -> None:
        """Add one; raises UsageError when its IMPI or one of its IMPUs is there already."""
        with self._changing() as database:
            for impu in subscriber.impus:
                if owner := self._owner(impu):
                    mend = f"testbed subscriber remove {owner}"
                    raise UsageError(f"{impu} belongs to {owner} already", where=str(self.path), mend=mend)
            if database.execute("SELECT 1 FROM subscriber WHERE impi = ?", (subscriber.impi,)).fetchone():
                mend = f"testbed subscriber remove {subscriber.impi}"
                raise UsageError(f"there is a subscriber {subscriber.impi} already", where=str(self.path), mend=mend)
            row = (subscriber.impi, subscriber.k, subscriber.opc, subscriber.amf, subscriber.sqn)
            database.execute("INSERT INTO subscriber VALUES (?, ?, ?, ?, ?)", row)
            identities = [(impu, place, subscriber.impi) for place, impu in enumerate(subscriber.impus)]
            database.executemany("INSERT INTO identity VALUES (?, ?, ?)", identities)

    def remove(self, impi: str) -> None:
        """Remove one; raises UsageError when there is none."""
        with self._changing() as database:
            if database.execute("DELETE FROM subscriber WHERE impi = ?", (impi,)).rowcount == 0:
                raise self._unknown(impi)

    def get(self, impi: str) -> Subscriber:
        """One subscriber; raises UsageError when there is none."""
        with self._lock:
            found = next(self._read("WHERE impi = ?", impi), None)
        if found is None:
            raise self._unknown(impi)
        return found

    def by_impu(self, impu: str) -> Subscriber | None:
        """Whose public identity it is."""
        with self._lock:
            owner = self._owner(impu)
            return next(self._read("WHERE impi = ?", owner), None) if owner else None

    def list(self) -> Sequence[Subscriber]:
        """All of them, by private identity."""
        with self._lock:
            return (*self._read("ORDER BY impi"),)

    def set_sqn(self, impi: str, sqn: int) -> None:
        """Keep the last sequence number that was given out."""
        with self._changing() as database:
            if database.execute("UPDATE subscriber SET sqn = ? WHERE impi = ?", (sqn, impi)).rowcount == 0:
                raise self._unknown(impi)

    def _read(self, clause: str, *values: str) -> Iterator[Subscriber]:
        rows = self._database.execute(f"SELECT impi, k, opc, amf, sqn FROM subscriber {clause}", values).fetchall()
        for impi, k, opc, amf, sqn in rows:
            query = "SELECT impu FROM identity WHERE impi = ? ORDER BY place"
            impus = tuple(impu for (impu,) in self._database.execute(query, (impi,)))
            yield Subscriber(impi, impus, k, opc, amf, sqn)

    def _owner(self, impu: str) -> str | None:
        row = self._database.execute("SELECT impi FROM identity WHERE impu = ?", (impu,)).fetchone()
        return str(row[0]) if row else None

    def _unknown(self, impi: str) -> UsageError:
        mend = "see `testbed subscriber list`"
        return UsageError(f"there is no subscriber {impi}", where=str(self.path), mend=mend)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction at a time: committed at the end, rolled back by an exception."""
        with self._lock:
            try:
                with self._database as database:
                    yield database
            except sqlite3.OperationalError as refused:
                mend = "end the program that holds the file, or check that it may be written"
                raise UsageError(f"cannot be changed: {refused}", where=str(self.path), mend=mend) from refused


def to_lines(subscribers: Iterable[Subscriber]) -> Iterator[dict[str, object]]:
    """Subscribers with their keys as plain data, for a pipe from one process of ours to another: never for a log."""
    for one in subscribers:
        yield {
            "impi": one.impi,
            "impus": list(one.impus),
            "k": one.k.hex(),
            "opc": one.opc.hex(),
            "amf": one.amf.hex(),
            "sqn": one.sqn,
        }


def from_line(data: dict[str, object]) -> Subscriber:
    """The reverse of :func:`to_lines`.  Raises UsageError for anything else."""
    try:
        k, opc, amf = (bytes.fromhex(str(data.get(name, ""))) for name in ("k", "opc", "amf"))
        impus = tuple(str(impu) for impu in data["impus"])  # type: ignore[attr-defined]
        return Subscriber(str(data["impi"]), impus, k, opc, amf or AMF, int(str(data.get("sqn", 0))))
    except (KeyError, TypeError, ValueError) as wrong:
        mend = "give impi, impus (a list), k and opc (32 hexadecimal digits each)"
        raise UsageError("a subscriber cannot be read", where=str(data.get("impi", "")), mend=mend) from wrong
