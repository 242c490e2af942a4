"""The state of a CSCF as its own tables tell it (`kamailio/scscf.cfg` says what they hold), to be judged from outside.

The tables are read one after the other while the CSCF goes on: ask when nothing is under way, or ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

Table = Mapping[str, str | int]
T = TypeVar("T")
SCSCF_TABLES = (
    "members",
    "lines",
    "binding",
    "instances",
    "temporary",
    "contact",
    "path",
    "inactive",
    "call",
    "linger",
    "watch",
)


@dataclass(frozen=True)
class Binding:
    """A contact that an identity is reached at (RFC 3261 10), and the instance there that GRUUs lead to (RFC 5627)."""

    uri: str
    path: str
    expires_s: int
    instance: str | None = None
    pub_gruu: str | None = None
    temp_gruu: str | None = None  # the newest


@dataclass(frozen=True)
class ScscfState:
    """Who is registered where, and what sessions there are.  A line names a connection: user@address:port-s."""

    bindings: Mapping[str, list[Binding]]  # by identity, implicit ones too; the newest first
    connections: Mapping[str, Literal["active", "inactive"]]  # by line
    sessions: list[str]  # Call-IDs
    lingering: Mapping[str, int]  # Call-ID -> seconds until it is released
    watchers: int  # subscriptions to reg events


def scscf_state(dump: Callable[[str], Table], domain: str, now: float) -> ScscfState:
    """The state that the tables tell.  `now` is Unix time by the S-CSCF's clock."""
    tables = {name: dump(name) for name in SCSCF_TABLES}
    bindings = {
        identity: [one for line in _items(lines) for one in _bindings(tables, identity, of, line, domain, now)]
        for of, lines in tables["lines"].items()
        for identity in str(tables["members"][of]).split(",")
    }
    inactive = tables["inactive"]
    lingering: dict[str, int] = {}
    for side, until in tables["linger"].items():
        call = side.rpartition("|")[0]
        if call in tables["call"]:
            left = max(0, round(int(until) - now))
            lingering[call] = min(left, lingering.get(call, left))
    return ScscfState(
        bindings={identity: bound for identity, bound in bindings.items() if bound},
        connections={line: "inactive" if line in inactive else "active" for line in tables["contact"]},
        sessions=list(tables["call"]),
        lingering=lingering,
        watchers=len(tables["watch"]),
    )


def _items(listed: str | int) -> list[str]:
    """The items of a list as the S-CSCF writes it: ",one,other,"."""
    return [item for item in str(listed).split(",") if item]


def _bindings(
    tables: Mapping[str, Table], identity: str, of: str, line: str, domain: str, now: float
) -> Iterator[Binding]:
    """One for each instance that this binding reaches, or one that names none."""
    key = f"{line}|{of}"
    if key not in tables["binding"]:
        return
    uri, path = str(tables["contact"][line]), str(tables["path"][line])
    expires_s = round(int(str(tables["binding"][key]).split(",")[0]) - now)
    instances = [each for each in str(tables["instances"].get(key, "")).split("|") if each]
    if not instances:
        yield Binding(uri, path, expires_s)
    for urn in instances:
        words = _items(tables["temporary"].get(f"{identity}|{urn}", ""))
        temporary = f"sip:{words[0]}@{domain};gr" if words else None
        yield Binding(uri, path, expires_s, urn, f"{identity};gr={urn}", temporary)
