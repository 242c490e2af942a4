"""Requests of a UE and what they were answered with, paired from a trace (RFC 3261 17.1.3).

The pair is known by Call-ID and CSeq, which no proxy changes, so that the same exchange is found again in the captures
at the far end and at the servers between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from testbed.measure.sip_trace import SipMessage

Key = tuple[str, int, str]


@dataclass(frozen=True)
class Exchange:
    """A request that an end sent, and its final answer; `answered_ns` None: there was none."""

    key: Key
    sent_ns: int
    copies: int  # how often the request was sent
    answered_ns: int | None = None
    status: int | None = None
    reason: str = ""

    @property
    def method(self) -> str:
        return self.key[2]

    @property
    def title(self) -> str:
        """`REGISTER -> 401`, for a budget's line."""
        again = f", sent {self.copies} times" if self.copies > 1 else ""
        return f"{self.method} → {self.status or 'nothing'}{again}"


def key(message: SipMessage) -> Key:
    return message.call_id, message.cseq, message.method


def exchanges(messages: Sequence[SipMessage], own: Collection[str], since_ns: int, until_ns: int) -> list[Exchange]:
    """What an end sent from its addresses `own` in this time, ACK excepted, in the order of sending."""
    sent: dict[Key, list[int]] = {}
    answers: dict[Key, SipMessage] = {}
    for message in messages:
        if message.status is None and message.source in own and message.method != "ACK":
            if since_ns <= message.time_ns <= until_ns:
                sent.setdefault(key(message), []).append(message.time_ns)
        elif is_final(message) and message.destination in own and key(message) in sent:
            answers.setdefault(key(message), message)
    found = []
    for name, times in sent.items():
        answer = answers.get(name)
        if answer is None:
            found.append(Exchange(name, times[0], len(times)))
        else:
            found.append(Exchange(name, times[0], len(times), answer.time_ns, answer.status, answer.reason))
    return found


def is_final(message: SipMessage) -> bool:
    return message.status is not None and message.status >= 200


def passage(messages: Iterable[SipMessage], name: Key, *, incoming: bool, request: bool) -> int | None:
    """When an end first received or sent this exchange's request or its final answer."""
    return next(
        (
            message.time_ns
            for message in messages
            if key(message) == name
            and message.outgoing != incoming
            and (message.status is None if request else is_final(message))
        ),
        None,
    )


def residence_ns(messages: Iterable[SipMessage], name: Key, since_ns: int, until_ns: int) -> int:
    """How long a server held the messages of an exchange: from each one's arrival until it sent something on.

    Provisional answers are not waited for.  A copy that arrives while the first is held changes nothing.
    """
    held_since, total = None, 0
    for message in messages:
        if key(message) != name or not since_ns <= message.time_ns <= until_ns:
            continue
        if message.status is not None and not is_final(message):
            continue
        if not message.outgoing:
            held_since = held_since if held_since is not None else message.time_ns
        elif held_since is not None:
            total, held_since = total + message.time_ns - held_since, None
    return total
