"""The subscribers of the home network: what an HSS knows of them (TS 23.228 4.3), kept in SQLite.

One subscription has one private identity (IMPI), the keys of its ISIM and its public identities (IMPUs), in one or
several implicit registration sets (TS 23.228 4.3.3.1).  The first IMPU of a set is its default one and the one that is
registered explicitly; the others follow it.
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
from itertools import chain, groupby
from operator import itemgetter
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
    impi TEXT NOT NULL REFERENCES subscriber (impi) ON DELETE CASCADE,
    implicit_set INTEGER NOT NULL DEFAULT 0);
"""
_VERSION = 1  # PRAGMA user_version; a file of version 0 knows of no sets: all of a subscriber's identities are one
_FROM_VERSION_0 = "ALTER TABLE identity ADD COLUMN implicit_set INTEGER NOT NULL DEFAULT 0"


@dataclass(frozen=True)
class Subscriber:
    """One subscription.  `sqn` is the last sequence number given out (48 bits, TS 33.102 annex C).

    `implicit_sets` divides `impus`, in their order; without it all of them are one set.
    """

    impi: str
    impus: tuple[str, ...]
    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)
    amf: bytes = AMF
    sqn: int = 0
    implicit_sets: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        where = f"subscriber {self.impi}"
        if not self.implicit_sets:
            object.__setattr__(self, "implicit_sets", (self.impus,))  # frozen for others
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
        if () in self.implicit_sets or tuple(chain.from_iterable(self.implicit_sets)) != self.impus:
            mend = "give every public identity in one set, in the order of the sets"
            raise UsageError("its implicit registration sets are not its public identities", where=where, mend=mend)
        for name, value, length in (("K", self.k, 16), ("OPc", self.opc, 16), ("AMF", self.amf, AMF_BYTES)):
            if len(value) != length:  # the value itself may be a secret and is not repeated
                mend = f"give {2 * length} hexadecimal digits"
                raise UsageError(f"{name} has {len(value)} bytes instead of {length}", where=where, mend=mend)
        if not 0 <= self.sqn <= SQN_MAX:
            raise UsageError(f"SQN {self.sqn} does not fit 48 bits", where=where)

    def implicit_set(self, impu: str) -> tuple[str, ...]:
        """The set that one of its public identities is in."""
        return next(one for one in self.implicit_sets if impu in one)


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
            self._prepare()
        except (OSError, sqlite3.DatabaseError) as refused:
            mend = "name a file that you may write (--store), or move the damaged one away"
            raise UsageError(f"cannot be used: {refused}", where=str(path), mend=mend) from refused

    def _prepare(self) -> None:
        """Make the tables, or bring those of an older version up to date.  Another program may do the same now."""
        with self._database as database:
            database.execute("BEGIN IMMEDIATE")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                mend = "use the version of the testbed that made it, or name another file (--store)"
                raise UsageError("was made by a later version of the testbed", where=str(self.path), mend=mend)
            if version == _VERSION:
                return
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            if "implicit_set" not in (row[1] for row in database.execute("PRAGMA table_info (identity)")):
                database.execute(_FROM_VERSION_0)
            database.execute(f"PRAGMA user_version = {_VERSION}")

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
            sets = ((impu, number) for number, one in enumerate(subscriber.implicit_sets) for impu in one)
            identities = [(impu, place, subscriber.impi, number) for place, (impu, number) in enumerate(sets)]
            database.executemany("INSERT INTO identity VALUES (?, ?, ?, ?)", identities)

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
            query = "SELECT implicit_set, impu FROM identity WHERE impi = ? ORDER BY place"
            identities = self._database.execute(query, (impi,)).fetchall()
            sets = tuple(tuple(impu for _, impu in one) for _, one in groupby(identities, key=itemgetter(0)))
            yield Subscriber(impi, tuple(impu for _, impu in identities), k, opc, amf, sqn, sets)

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
            "implicit_sets": [list(each) for each in one.implicit_sets],
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
        sets = tuple(tuple(str(impu) for impu in one) for one in data.get("implicit_sets", ()))  # type: ignore[attr-defined]
        return Subscriber(str(data["impi"]), impus, k, opc, amf or AMF, int(str(data.get("sqn", 0))), sets)
    except (KeyError, TypeError, ValueError) as wrong:
        mend = "give impi, impus (a list), k and opc (32 hexadecimal digits each)"
        raise UsageError("a subscriber cannot be read", where=str(data.get("impi", "")), mend=mend) from wrong
