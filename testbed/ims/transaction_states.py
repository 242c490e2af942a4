"""The four transaction state machines as tables (RFC 3261 figures 5 to 8 as changed by RFC 6026), and their engine.

A table says for each state which timers start on entering it, which go on running, and what every input does.  An
input that a state does not list is ignored.  Everything that changes a transaction's state is in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from testbed.ims.message import Request
from testbed.ims.timers import Timers
from testbed.ims.transaction_events import Event, Flow, Terminated, TransactionKey


class State(Enum):
    """The states of all four machines."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class TimerRule:
    """How long a timer runs at first, whether it repeats, and what a reliable transport makes of it."""

    first: Callable[[Timers], float]
    repeats: bool = False
    limit: Callable[[Timers], float] | None = None  # doubles up to this
    unreliable_only: bool = False  # never starts on a reliable transport
    zero_if_reliable: bool = False  # over at once on a reliable transport


# Beside the RFC's letters: "100" sends the automatic 100 (17.2.1), "2xx" repeats a 2xx until its ACK, whatever the
# transport (13.3.1.4), "cancel" gives up an INVITE whose CANCEL led to no final response (9.1).
TIMER_RULES: Mapping[str, TimerRule] = {
    "A": TimerRule(lambda t: t.a, repeats=True, unreliable_only=True),
    "B": TimerRule(lambda t: t.b),
    "D": TimerRule(lambda t: t.d, zero_if_reliable=True),
    "E": TimerRule(lambda t: t.e, repeats=True, limit=lambda t: t.t2, unreliable_only=True),
    "F": TimerRule(lambda t: t.f),
    "G": TimerRule(lambda t: t.g, repeats=True, limit=lambda t: t.t2, unreliable_only=True),
    "H": TimerRule(lambda t: t.h),
    "I": TimerRule(lambda t: t.i, zero_if_reliable=True),
    "J": TimerRule(lambda t: t.j, zero_if_reliable=True),
    "K": TimerRule(lambda t: t.k, zero_if_reliable=True),
    "L": TimerRule(lambda t: t.l),
    "M": TimerRule(lambda t: t.m),
    "100": TimerRule(lambda t: t.trying),
    "2xx": TimerRule(lambda t: t.g, repeats=True, limit=lambda t: t.t2),
    "cancel": TimerRule(lambda t: 64 * t.t1),
}


@dataclass(frozen=True)
class Table:
    """One state machine.  `steps` maps (state, input) to the actions, by name, and the state that follows."""

    initial: State
    starts: Mapping[State, tuple[str, ...]]
    keeps: Mapping[State, tuple[str, ...]]
    steps: Mapping[tuple[State, str], tuple[tuple[str, ...], State]]


_C, _T, _P, _D, _F, _A, _X = State  # calling, trying, proceeding, completeD, conFirmed, accepted, terminated

INVITE_CLIENT = Table(  # RFC 3261 figure 5, RFC 6026 figure 5
    initial=_C,
    starts={_C: ("A", "B"), _D: ("D",), _A: ("M",)},
    keeps={_P: ("cancel",)},
    steps={
        (_C, "A"): (("send_request",), _C),
        (_C, "B"): (("time_out",), _X),
        (_C, "1xx"): (("deliver", "send_cancel"), _P),
        (_C, "2xx"): (("deliver",), _A),
        (_C, "failure"): (("acknowledge", "deliver"), _D),
        (_C, "want cancel"): (("remember_cancel",), _C),  # 9.1: not before a provisional response
        (_C, "transport error"): (("fail",), _X),
        (_P, "1xx"): (("deliver",), _P),
        (_P, "want cancel"): (("remember_cancel", "send_cancel"), _P),
        (_P, "2xx"): (("deliver",), _A),
        (_P, "failure"): (("acknowledge", "deliver"), _D),
        (_P, "cancel"): (("time_out",), _X),
        (_P, "transport error"): (("fail",), _X),
        (_D, "failure"): (("acknowledge",), _D),
        (_D, "D"): ((), _X),
        (_D, "transport error"): (("fail",), _X),
        (_A, "2xx"): (("deliver_or_acknowledge_again",), _A),
        (_A, "M"): ((), _X),
        (_A, "transport error"): ((), _A),  # RFC 6026 8.4: the ACK is the core's business
    },
)

NON_INVITE_CLIENT = Table(  # RFC 3261 figure 6
    initial=_T,
    starts={_T: ("E", "F"), _D: ("K",)},
    keeps={_P: ("E", "F")},
    steps={
        (_T, "E"): (("send_request",), _T),
        (_T, "F"): (("time_out",), _X),
        (_T, "1xx"): (("deliver", "slow_down"), _P),
        (_T, "final"): (("deliver",), _D),
        (_T, "transport error"): (("fail",), _X),
        (_P, "E"): (("send_request",), _P),
        (_P, "F"): (("time_out",), _X),
        (_P, "1xx"): (("deliver",), _P),
        (_P, "final"): (("deliver",), _D),
        (_P, "transport error"): (("fail",), _X),
        (_D, "K"): ((), _X),
    },
)

INVITE_SERVER = Table(  # RFC 3261 figure 7, RFC 6026 figure 3
    initial=_P,
    starts={_P: ("100",), _D: ("G", "H"), _F: ("I",), _A: ("L", "2xx")},
    keeps={},
    steps={
        (_P, "request"): (("send_response",), _P),
        (_P, "100"): (("send_trying",), _P),
        (_P, "respond 1xx"): (("send_response", "no_trying"), _P),
        (_P, "respond 2xx"): (("send_response", "await_ack"), _A),
        (_P, "respond failure"): (("send_response",), _D),
        (_P, "transport error"): (("fail",), _X),
        (_D, "request"): (("send_response",), _D),
        (_D, "G"): (("send_response",), _D),
        (_D, "H"): (("time_out",), _X),
        (_D, "ack"): ((), _F),
        (_D, "transport error"): (("fail",), _X),
        (_F, "I"): ((), _X),
        (_A, "2xx"): (("send_response",), _A),
        (_A, "respond 2xx"): (("send_response",), _A),
        (_A, "ack 2xx"): (("acknowledged",), _A),
        (_A, "L"): (("time_out_unless_acknowledged",), _X),
        # RFC 6026 7.1: a transport error leaves the state; the 2xx is tried again.
    },
)

NON_INVITE_SERVER = Table(  # RFC 3261 figure 8
    initial=_T,
    starts={_D: ("J",)},
    keeps={},
    steps={
        (_T, "respond 1xx"): (("send_response",), _P),
        (_T, "respond final"): (("send_response",), _D),
        (_T, "transport error"): (("fail",), _X),
        (_P, "request"): (("send_response",), _P),
        (_P, "respond 1xx"): (("send_response",), _P),
        (_P, "respond final"): (("send_response",), _D),
        (_P, "transport error"): (("fail",), _X),
        (_D, "request"): (("send_response",), _D),
        (_D, "J"): ((), _X),
        (_D, "transport error"): (("fail",), _X),
    },
)


@dataclass
class Machine:
    """One transaction: a table, its state and its running timers.  Subclasses give the actions their bodies."""

    table: Table
    key: TransactionKey
    request: Request
    flow: Flow
    reliable: bool
    timers: Timers
    emit: Callable[[Event], None]
    state: State = field(init=False)
    deadlines: dict[str, float] = field(init=False, default_factory=dict)
    intervals: dict[str, float] = field(init=False, default_factory=dict)

    def begin(self, now: float) -> None:
        """Enter the initial state."""
        self._enter(self.table.initial, now)

    def step(self, happening: str, now: float) -> None:
        """Feed one input: a message's kind, a timer's name or "transport error"."""
        found = self.table.steps.get((self.state, happening))
        if found is None:
            return
        actions, following = found
        for action in actions:
            getattr(self, action)(now)
        if following is not self.state:
            self._enter(following, now)

    def expire(self, timer: str, now: float) -> None:
        """A timer is due: arm it again if it repeats, then feed it to the table."""
        rule = TIMER_RULES[timer]
        del self.deadlines[timer]
        if rule.repeats:
            doubled = 2 * self.intervals[timer]
            self.start(timer, now, min(doubled, rule.limit(self.timers)) if rule.limit else doubled)
        self.step(timer, now)

    def start(self, timer: str, now: float, seconds: float) -> None:
        """Run a timer, from now and for so long."""
        self.intervals[timer] = seconds
        self.deadlines[timer] = now + seconds

    def _enter(self, state: State, now: float) -> None:
        self.state = state
        kept = self.table.keeps.get(state, ())
        self.deadlines = {name: due for name, due in self.deadlines.items() if name in kept}
        if state is State.TERMINATED:
            self.emit(Terminated(self.key))
            return
        for name in self.table.starts.get(state, ()):
            rule = TIMER_RULES[name]
            if self.reliable and rule.zero_if_reliable:
                self.step(name, now)
            elif not (self.reliable and rule.unreliable_only):
                self.start(name, now, rule.first(self.timers))
