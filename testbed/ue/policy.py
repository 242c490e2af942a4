"""When a UE changes its access: the rules as data.

The words are those of the standards where they have some: an access is left when it *becomes worse than a threshold*
while another is better than one of its own (TS 36.331 5.5.4.8, event B2), each for a *time to trigger*; between both
thresholds of one access lies the hysteresis.  For Wi-Fi beside a cellular network TS 36.304 5.6 has the same pair of
thresholds and a time (ThreshBeaconRSSI, T-steering).  Signals are dBm: RSSI on Wi-Fi, RSRP on LTE (TS 36.214 5.1.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, Self, get_type_hints

from testbed.errors import UsageError

OnTrend = Literal["nothing", "prepare", "hand-over"]


@dataclass(frozen=True)
class AccessRules:
    """The thresholds of one access."""

    leave_below_dbm: float  # worse than this for the time to trigger: time to leave
    usable_above_dbm: float  # better than this: worth going to
    prepare_below_dbm: float | None = None  # worse than this: another access is got ready; None: only by the trend


@dataclass(frozen=True)
class Policy:
    """All rules of one UE.  An access without thresholds (a cable) is usable as long as its link is not lost."""

    name: str
    prefer: tuple[str, ...]  # the best first; what is not named is never gone to
    accesses: Mapping[str, AccessRules] = field(default_factory=dict)
    time_to_trigger_ms: float = 640.0
    come_back_after_ms: float = 3000.0  # a preferred access must be usable for so long before it is gone back to
    minimum_stay_ms: float = 5000.0  # after a handoff no other for the signal's sake
    smoothing: float = 1.0  # weight of the newest sample (TS 36.331 5.5.3.2 has a = 1/2^(k/4)); 1: as measured
    trend_window_ms: float = 2000.0  # the slope is that of the samples of this time
    trend_ahead_ms: float = 1500.0  # a threshold that will be crossed within this time counts as near
    on_trend: OnTrend = "prepare"
    silence_ms: float = 0.0  # media silence after which the access counts as gone; 0: it never does
    bar_ms: float = 30_000.0  # an access that was lost, fell silent or refused is not gone to for so long

    def rank(self, access: str) -> int:
        """0 for the best; those that are not named come last."""
        return self.prefer.index(access) if access in self.prefer else len(self.prefer)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], where: str = "policy") -> Self:
        """A policy as YAML has it; raises UsageError that names the key and the mend."""
        given = dict(data)
        accesses = given.get("accesses") or {}
        if not isinstance(accesses, Mapping):
            raise UsageError("accesses: is a mapping from names to thresholds", where=where)
        given["accesses"] = {
            name: _made(AccessRules, each, f"{where}: accesses: {name}") for name, each in accesses.items()
        }
        policy = _made(cls, given, where)
        _check(policy, where)
        return policy


def _check(policy: Policy, where: str) -> None:
    if not policy.prefer:
        raise UsageError("prefer: names no access", where=where, mend="list accesses, the best first")
    if len(set(policy.prefer)) != len(policy.prefer):
        raise UsageError("prefer: names an access twice", where=where)
    if not 0 < policy.smoothing <= 1:
        raise UsageError(f"smoothing: {policy.smoothing:g} is not above 0 and up to 1", where=where)
    for each in fields(policy):
        if each.name.endswith("_ms") and getattr(policy, each.name) < 0:
            raise UsageError(f"{each.name}: is negative", where=where)
    for name, rules in policy.accesses.items():
        at = f"{where}: accesses: {name}"
        if name not in policy.prefer:
            raise UsageError("is not in prefer", where=at, mend=f"add {name} to prefer, or take its thresholds out")
        if rules.usable_above_dbm <= rules.leave_below_dbm:
            mend = "put usable_above_dbm some dB above leave_below_dbm: between them lies the hysteresis"
            raise UsageError("there is no hysteresis", where=at, mend=mend)
        if rules.prepare_below_dbm is not None and rules.prepare_below_dbm < rules.leave_below_dbm:
            raise UsageError("prepare_below_dbm lies below leave_below_dbm: too late to prepare", where=at)


def _made(kind: Any, data: Any, where: str) -> Any:
    """An object of one of our classes from a mapping, its names and types checked."""
    if not isinstance(data, Mapping):
        raise UsageError("is no mapping", where=where)
    hints = get_type_hints(kind)
    for name, value in data.items():
        if name not in hints:
            raise UsageError(f"there is no {name}", where=where, mend=f"there are {', '.join(hints)}")
        if hints[name] in (float, float | None) and not _is_number(value, optional=hints[name] is not float):
            raise UsageError(f"{name}: {value!r} is no number", where=where)
        if hints[name] is str and not isinstance(value, str):
            raise UsageError(f"{name}: {value!r} is no text", where=where)
        if hints[name] is OnTrend and value not in ("nothing", "prepare", "hand-over"):
            raise UsageError(f"on_trend: {value!r} is none of nothing, prepare, hand-over", where=where)
        if hints[name] == tuple[str, ...] and not _is_names(value):
            raise UsageError(f"{name}: is a list of names", where=where)
    missing = [each.name for each in fields(kind) if _is_required(each) and each.name not in data]
    if missing:
        raise UsageError(f"{missing[0]} is missing", where=where)
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def _is_required(each: Any) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _is_number(value: Any, optional: bool) -> bool:
    if value is None:
        return optional
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
