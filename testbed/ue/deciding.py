"""The UE's handoff policy at work: what it sees goes in, with the time; decisions come out, each with its reason.

No I/O and no clock: `handle(now_s, event)`, and :meth:`Decider.wake_at` says when to call with :class:`Tick` if nothing
else happens.  Who carries a decision out tells how it went (:class:`Ready`, :class:`HandedOver`, :class:`Failed`).
Until then there is no other, but that a move may follow while another access is still being prepared.

What speaks for leaving is looked at in the order of :data:`URGENCY`; the first that applies decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from testbed.ue.decisions import (
    MOVES,
    Decision,
    Event,
    Failed,
    HandedOver,
    LinkLost,
    LinkUp,
    MediaSilence,
    Ready,
    Signal,
    Tick,
    What,
)
from testbed.ue.policy import AccessRules, Policy

RETRY_S = 1.0  # what has failed is not tried again sooner, whatever a policy says


@dataclass
class _Access:
    """What is known of one access."""

    dbm: float | None = None  # smoothed; None: never measured
    samples: list[tuple[float, float]] = field(default_factory=list)  # of the trend's window: time, dBm as measured
    below_since_s: float | None = None  # worse than leave_below_dbm
    above_since_s: float | None = None  # better than usable_above_dbm
    lost: str | None = None  # why it has no link
    barred_until_s: float = -math.inf  # it was lost or fell silent: gone to only when there is nothing else
    failed_until_s: float = -math.inf  # it could not be used: not gone to at all
    ready: bool = False  # prepared, and nothing has happened to it since


class Decider:
    """The decisions of one UE under one policy, from the time `now_s` on, when it uses `serving`."""

    def __init__(self, policy: Policy, serving: str, now_s: float) -> None:
        self.policy, self.serving = policy, serving
        self.under_way: Decision | None = None  # a move
        self.preparing: str | None = None
        self._since_s = -math.inf  # the last handoff
        self._accesses = {name: _Access() for name in (*policy.prefer, serving)}
        self._told: str | None = None  # why we stay, said once
        self._wants_to_leave = False
        self._now_s = now_s

    def handle(self, now_s: float, event: Event) -> list[Decision]:
        """Take in what happened and say what to do; times never go back."""
        if now_s < self._now_s:
            raise ValueError(f"time goes back from {self._now_s:g} to {now_s:g} s")
        self._now_s = now_s
        if not isinstance(event, Tick):
            self._take_in(event)
        decision = None if self.under_way else self._decide()
        if decision is None:
            return []
        if decision.what is What.PREPARE:
            self.preparing = decision.access
        elif decision.what in MOVES:
            self.under_way, self._told = decision, None
        return [decision]

    def wake_at(self) -> float | None:
        """When time alone may decide something."""
        if self.under_way:
            return None
        policy, times = self.policy, list[float]()
        serving = self._accesses[self.serving]
        if serving.below_since_s is not None:
            times.append(serving.below_since_s + policy.time_to_trigger_ms / 1000)
        for name in policy.prefer[: policy.rank(self.serving)]:
            if (above_s := self._accesses[name].above_since_s) is not None:
                times.append(above_s + policy.come_back_after_ms / 1000)
        times += [self._since_s + policy.minimum_stay_ms / 1000]
        times += [max(each.barred_until_s, each.failed_until_s) for each in self._accesses.values()]
        return min((time_s for time_s in times if time_s > self._now_s), default=None)

    # What is taken in

    def _take_in(self, event: Signal | LinkLost | LinkUp | MediaSilence | Ready | HandedOver | Failed) -> None:
        access = self._accesses.setdefault(event.access, _Access())
        match event:
            case Signal(dbm=dbm):
                self._measured(event.access, access, dbm)
            case LinkLost(why=why):
                self._gone(access, why)
                access.dbm, access.samples, access.below_since_s = None, [], None
            case LinkUp():
                access.lost = None
            case MediaSilence(after_ms=after_ms):
                if 0 < self.policy.silence_ms <= after_ms and event.access == self.serving and access.lost is None:
                    self._gone(access, f"no media for {after_ms:g} ms")
            case Ready():
                access.ready = True
                self.preparing = None if self.preparing == event.access else self.preparing
            case HandedOver():
                self._handed_over(event.access)
            case Failed():
                access.failed_until_s = max(self._until_barred(), self._now_s + RETRY_S)
                access.ready = False
                self._carried_out(event.access)

    def _measured(self, name: str, access: _Access, dbm: float) -> None:
        part, now_s = self.policy.smoothing, self._now_s
        access.dbm = dbm if access.dbm is None else access.dbm + part * (dbm - access.dbm)
        oldest_s = now_s - self.policy.trend_window_ms / 1000
        access.samples = [each for each in access.samples if each[0] >= oldest_s] + [(now_s, dbm)]
        if rules := self.policy.accesses.get(name):
            below, above = access.dbm < rules.leave_below_dbm, access.dbm > rules.usable_above_dbm
            access.below_since_s = _since(access.below_since_s, below, now_s)
            access.above_since_s = _since(access.above_since_s, above, now_s)

    def _gone(self, access: _Access, why: str) -> None:
        access.lost, access.ready = why, False
        access.above_since_s = None
        access.barred_until_s = self._until_barred()

    def _until_barred(self) -> float:
        return self._now_s + self.policy.bar_ms / 1000

    def _handed_over(self, access: str) -> None:
        old = self._accesses[self.serving]
        if _is_silence(old.lost):
            old.lost = None  # its link was there; it is barred for a while
        self.serving, self._since_s = access, self._now_s
        for each in self._accesses.values():
            each.ready = False
        self._told = None
        self._carried_out(access)

    def _carried_out(self, access: str) -> None:
        if self.preparing == access:
            self.preparing = None
        if self.under_way and self.under_way.access == access:
            self.under_way = None

    # What is decided

    def _decide(self) -> Decision | None:
        self._wants_to_leave = False
        serving = self._accesses[self.serving]
        if _is_silence(serving.lost) and self._now_s > serving.barred_until_s:
            serving.lost = None  # nobody tells that media is back; if it is not, silence is told again
        for rule in URGENCY:
            if decision := rule(self):
                return decision
        if not self._wants_to_leave:
            self._told = None
        return None

    def _when_lost(self) -> Decision | None:
        """The access is gone: whatever there is, at once."""
        serving = self._accesses[self.serving]
        if serving.lost is None:
            return None
        reason = f"{self.serving}: {serving.lost}"
        target = self._best(self._is_there)
        if target is None:
            return self._stay(f"{reason}; no other access can be used")
        what = What.MAKE_BEFORE_BREAK if self._accesses[target].ready else What.BREAK_BEFORE_MAKE
        return self._decision(what, target, f"{reason}; {self._described(target)}")

    def _when_weak(self) -> Decision | None:
        """The signal has been below the threshold for the time to trigger."""
        serving, rules = self._accesses[self.serving], self._rules()
        if rules is None or serving.below_since_s is None:
            return None
        lasted_ms = (self._now_s - serving.below_since_s) * 1000
        if lasted_ms + 1e-6 < self.policy.time_to_trigger_ms:
            return None
        reason = f"{self._described(self.serving)}, below {rules.leave_below_dbm:g} dBm for {lasted_ms:.0f} ms"
        return self._leave(reason)

    def _when_falling(self) -> Decision | None:
        """The slope of the signal says that the threshold is near, or it is below the one for preparing."""
        serving, rules = self._accesses[self.serving], self._rules()
        if rules is None or serving.dbm is None:
            return None
        reason, policy = None, self.policy
        ahead_ms = self._crossing_ms(serving, rules.leave_below_dbm)
        if policy.on_trend != "nothing" and ahead_ms is not None and ahead_ms <= policy.trend_ahead_ms:
            reason = (
                f"{self._described(self.serving)}, will be below {rules.leave_below_dbm:g} dBm in {ahead_ms:.0f} ms"
            )
            if policy.on_trend == "hand-over":
                return self._leave(reason)
        if reason is None and rules.prepare_below_dbm is not None and serving.dbm < rules.prepare_below_dbm:
            reason = f"{self._described(self.serving)}, below {rules.prepare_below_dbm:g} dBm"
        target = self._best(self._is_usable) if reason else None
        if reason is None or target is None or self._accesses[target].ready or self.preparing:
            return None
        return self._decision(What.PREPARE, target, f"{reason}; {self._described(target)}")

    def _when_better(self) -> Decision | None:
        """An access that is preferred has been usable for long enough."""
        policy = self.policy
        for name in policy.prefer[: policy.rank(self.serving)]:
            access = self._accesses[name]
            if not self._is_open(name) or access.above_since_s is None:
                continue
            lasted_ms = (self._now_s - access.above_since_s) * 1000
            if lasted_ms + 1e-6 >= policy.come_back_after_ms and self._has_stayed():
                usable = policy.accesses[name].usable_above_dbm
                reason = f"{self._described(name)}, above {usable:g} dBm for {lasted_ms:.0f} ms; it is preferred"
                return self._decision(What.COME_BACK, name, reason)
        return None

    def _leave(self, reason: str) -> Decision | None:
        """Move while there is still time, unless we have only just come or there is nothing better."""
        target = self._best(self._is_usable)
        if target is None:
            return self._stay(f"{reason}; no other access is usable")
        if not self._has_stayed():
            return self._stay(f"{reason}; but we came here less than {self.policy.minimum_stay_ms:g} ms ago")
        return self._decision(What.MAKE_BEFORE_BREAK, target, f"{reason}; {self._described(target)}")

    def _stay(self, reason: str) -> Decision | None:
        """Said once for each cause: the part of the reason that is not a figure."""
        self._wants_to_leave = True
        cause = reason.rpartition(";")[2]
        if self._told == cause:
            return None
        self._told = cause
        return self._decision(What.STAY, self.serving, reason)

    def _decision(self, what: What, access: str, reason: str) -> Decision:
        return Decision(self._now_s, what, access, reason)

    # What is known

    def _rules(self) -> AccessRules | None:
        return self.policy.accesses.get(self.serving)

    def _has_stayed(self) -> bool:
        return (self._now_s - self._since_s) * 1000 + 1e-6 >= self.policy.minimum_stay_ms

    def _is_there(self, name: str) -> bool:
        """Whether it can be gone to at all: enough where the access in use is gone."""
        access = self._accesses[name]
        return name != self.serving and access.lost is None and access.failed_until_s <= self._now_s

    def _is_open(self, name: str) -> bool:
        return self._is_there(name) and self._accesses[name].barred_until_s <= self._now_s

    def _is_usable(self, name: str) -> bool:
        """Whether it is worth leaving an access for that still works."""
        if not self._is_open(name):
            return False
        access, rules = self._accesses[name], self.policy.accesses.get(name)
        if rules is None:
            return True
        if access.dbm is None:
            return access.ready
        return access.dbm > (rules.leave_below_dbm if access.ready else rules.usable_above_dbm)

    def _best(self, fits: Callable[[str], bool]) -> str | None:
        """Of those that fit the one that is ready; else one that is usable; else by preference."""

        def order(name: str) -> tuple[bool, bool, int]:
            return not self._accesses[name].ready, not self._is_usable(name), self.policy.rank(name)

        return min(filter(fits, self.policy.prefer), key=order, default=None)

    def _crossing_ms(self, access: _Access, threshold_dbm: float) -> float | None:
        """When the signal will be at the threshold if it goes on like this; None when it does not fall."""
        slope = _slope(access.samples)
        if access.dbm is None or slope is None or slope >= 0 or access.dbm < threshold_dbm:
            return None
        return (access.dbm - threshold_dbm) / -slope * 1000

    def _described(self, name: str) -> str:
        access = self._accesses[name]
        ready = ", ready" if access.ready else ""
        return f"{name} is at {access.dbm:.1f} dBm{ready}" if access.dbm is not None else f"{name} is there{ready}"


Rule = Callable[[Decider], Decision | None]
URGENCY: Sequence[Rule] = (
    Decider._when_lost,
    Decider._when_weak,
    Decider._when_better,
    Decider._when_falling,
)


def _is_silence(lost: str | None) -> bool:
    return lost is not None and lost.startswith("no media")


def _since(before_s: float | None, holds: bool, now_s: float) -> float | None:
    """Since when something holds, if it does."""
    if not holds:
        return None
    return now_s if before_s is None else before_s


def _slope(samples: Sequence[tuple[float, float]]) -> float | None:
    """dB a second, by least squares; None from fewer than three samples: two are noise."""
    if len(samples) < 3:
        return None
    mean_s = sum(time_s for time_s, _ in samples) / len(samples)
    mean_dbm = sum(dbm for _, dbm in samples) / len(samples)
    spread = sum((time_s - mean_s) ** 2 for time_s, _ in samples)
    if spread == 0:
        return None
    return sum((time_s - mean_s) * (dbm - mean_dbm) for time_s, dbm in samples) / spread
