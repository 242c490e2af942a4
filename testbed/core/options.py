"""How a core is to behave, and which rules of the proposal it may be told to leave out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drivers.protocols import Family
from testbed.errors import UsageError

# What a core does for each row of the proposal, by the row's number: what `CoreOptions.without` may take out.
RULES = {
    1: "several-connections",
    2: "standing-bindings",
    3: "implicit-sets",
    4: "explicit-move",
    5: "own-contact",
    6: "imsglobreg",
    7: "linger",
    8: "session-move",
    9: "reg-event",
    10: "gruu",
    11: "release7",
    12: "unsupported",
    13: "protected-only",
}
Profile = Literal["seamless", "plain", "release7", "stock"]


@dataclass(frozen=True)
class CoreOptions:
    """How this core behaves.

    `profile` is what the core knows: "seamless" is the extension of C1-062198 (and release 7 for a UE that does not ask
    for it); "plain" has never heard of it and answers 420; "release7" is the same core, by the name of what it does for
    a UE that does not ask; "stock" has Kamailio's own registrar in the S-CSCF, unchanged.  `without` names rules (see
    RULES) that both kinds of CSCF shall leave out, so that a test can show that it would notice.
    """

    profile: Profile = "seamless"
    linger_s: float = 20.0
    min_expires_s: int = 60
    max_expires_s: int = 600_000
    refuse_brief: bool = False  # less than `min_expires_s` is refused with 423 (RFC 3261 10.3), and not made longer
    reauthenticate_s: int = 86_400  # a refresh is challenged when the last authentication was so long ago
    ipv6: bool = True  # whether P-CSCFs listen for IPv6 UEs
    family: Family = 4  # what UEs will use for signalling: P-CSCFs are warmed up for it (see pcscf_warm_up.cfg)
    transport: Literal["udp", "tcp"] = "udp"
    warm_up: bool = True  # without, the core is ready sooner, and slow with the first message on each of its ports
    connections: int = 0  # protected port pairs of a P-CSCF; 0: as many as its accesses may need
    debug: bool = False
    seed: int | None = None  # what the HSS draws its RANDs from; random without
    store: Path | None = None  # an HSS of one's own subscribers; otherwise those given to Core, in memory only
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if unknown := sorted(self.without - set(RULES.values())):
            mend = f"take one of {', '.join(RULES.values())}"
            raise UsageError(f"there is no rule {unknown[0]!r} to take out", where="IMS core", mend=mend)
