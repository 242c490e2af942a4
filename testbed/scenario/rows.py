"""The proposal (C1-062198) as a table of what must hold; scenarios name the rows that they show.

`rule` is what the core can be started without (`CoreOptions.without`): then that row must fail.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProposalRow:
    """One promise: what, where the text makes it, and the rule of the core that keeps it."""

    number: int
    what: str
    clause: str
    rule: str


ROWS = (
    ProposalRow(1, "several IMS connections at once", "2, figure 1", "several-connections"),
    ProposalRow(2, "a second registration leaves the first one's bindings", "2.1, figure 2", "standing-bindings"),
    ProposalRow(3, "implicit identities follow the explicit one", "2.1-2.3", "implicit-sets"),
    ProposalRow(4, "one REGISTER moves a binding", "2.2, figure 3, 3(2)", "explicit-move"),
    ProposalRow(5, "a contact that is not the connection's own may only leave", "3(2)", "own-contact"),
    ProposalRow(6, "imsglobreg moves all bindings", "2.3, figure 4, 3(3)", "imsglobreg"),
    ProposalRow(7, "an inactive connection's sessions linger, then are released", "2.2, 2.3, 3(4)", "linger"),
    ProposalRow(8, "sessions move by re-INVITE and by Replaces", "2.2, 2.3, figure 5", "session-move"),
    ProposalRow(9, "NOTIFY says which contact each identity has", "2.2, 2.3", "reg-event"),
    ProposalRow(10, "a GRUU reaches the UE before and after the move", "2.1-2.3", "gruu"),
    ProposalRow(11, "without seamless-ims all is as in release 7", "2.1, 3(1)", "release7"),
    ProposalRow(12, "a core that lacks the extension says 420, the UE falls back", "RFC 3261 8.2.2.3", "unsupported"),
    ProposalRow(13, "all authenticated by AKA and protected by IPsec", "2, TS 33.203", "protected-only"),
)
LAST_ROW = len(ROWS)
RULES = tuple(row.rule for row in ROWS)


def row(number: int) -> ProposalRow:
    """The row of this number."""
    return ROWS[number - 1]
