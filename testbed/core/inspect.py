"""The state of a CSCF as its own tables tell it (`kamailio/scscf.cfg` says what they hold), to be judged from outside.

The tables are read one after the other while the CSCF goes on: ask when nothing is under way, or ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Table = Mapping[str, str | int]
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


@dataclass(frozen=True)
class PcscfConnection:
    """What a P-CSCF lets through the associations of one connection."""

    user: str  # the private identity that they were set up for
    identities: tuple[str, ...]  # that requests may be in the name of, the default one first
    expires_s: int  # of the longest registration


@dataclass(frozen=True)
class PcscfState:
    """What a P-CSCF keeps.  A connection is named by the UE's address:port-us, where requests to it go."""

    contacts: int  # of Kamailio's location table, with those that have only begun to register
    connections: Mapping[str, PcscfConnection]
    associations: int  # of the kernel, four for each connection; twice that while it renews them


def pcscf_state(dump: Callable[[str], Table], contacts: int, associations: int, now: float) -> PcscfState:
    """The state that the tables tell, and what was counted beside them.  `now` is Unix time by the P-CSCF's clock."""
    tables = {name: dump(name) for name in ("port_uc", "user", "identities", "until")}
    connections = {}
    for us, flow in tables["port_uc"].items():
        address, port_uc, _ = str(flow).split("~")
        uc = f"{address}:{port_uc}"
        if uc in tables["user"]:
            named = (one.strip(" <>") for one in str(tables["identities"].get(uc, "")).split(","))
            expires_s = round(int(tables["until"].get(uc, 0)) - now)
            connections[us] = PcscfConnection(str(tables["user"][uc]), tuple(dict.fromkeys(named)), expires_s)
    return PcscfState(contacts, connections, associations)


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
