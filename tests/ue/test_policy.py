"""The UE's handoff policy: when it moves, when it does not, and that it never does what no policy may."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from testbed.errors import UsageError
from testbed.ue.deciding import Decider
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
from testbed.ue.policy_trace import Costs, Observed, compare, read_trace, replay

TEXT = """
name: walking
prefer: [wifi, lte]
time_to_trigger_ms: 600
come_back_after_ms: 2000
minimum_stay_ms: 5000
silence_ms: 300
accesses:
  wifi: {leave_below_dbm: -78, usable_above_dbm: -68, prepare_below_dbm: -74}
  lte: {leave_below_dbm: -118, usable_above_dbm: -110}
"""
POLICY = Policy.from_data(YAML(typ="safe").load(TEXT))
COSTS = Costs(poor_below_dbm={"wifi": -82, "lte": -120})


class Ue:
    """A UE that carries out what is decided at once, and tells what that was."""

    def __init__(self, policy: Policy = POLICY, serving: str = "wifi", obedient: bool = True) -> None:
        self.decider, self.obedient = Decider(policy, serving, 0.0), obedient
        self.decisions: list[Decision] = []

    def sees(self, at_s: float, *events: Event) -> list[What]:
        before = len(self.decisions)
        for event in events:
            self._handle(at_s, event)
        return [decision.what for decision in self.decisions[before:]]

    def _handle(self, at_s: float, event: Event) -> None:
        for decision in self.decider.handle(at_s, event):
            self.decisions.append(decision)
            if not self.obedient:
                continue
            if decision.what is What.PREPARE:
                self._handle(at_s, Ready(decision.access))
            elif decision.what in MOVES:
                self._handle(at_s, HandedOver(decision.access))

    @property
    def last(self) -> Decision:
        return self.decisions[-1]


def test_a_signal_below_the_threshold_for_the_time_to_trigger_moves_before_the_break() -> None:
    ue = Ue()
    assert ue.sees(0, Signal("lte", -95), Signal("wifi", -60)) == []
    assert ue.sees(1.0, Signal("wifi", -80)) == [What.PREPARE]
    assert ue.sees(1.5, Signal("wifi", -80)) == []
    assert ue.sees(1.6, Signal("wifi", -80)) == [What.MAKE_BEFORE_BREAK]
    assert ue.decider.serving == "lte"
    assert ue.last.reason == "wifi is at -80.0 dBm, below -78 dBm for 600 ms; lte is at -95.0 dBm, ready"


def test_a_signal_that_recovers_within_the_time_to_trigger_moves_nothing() -> None:
    ue = Ue()
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    ue.sees(1.0, Signal("wifi", -80))
    ue.sees(1.5, Signal("wifi", -70))
    ue.sees(1.7, Signal("wifi", -80))
    ue.sees(2.2, Signal("wifi", -80))
    assert not any(decision.what in MOVES for decision in ue.decisions)


def test_time_alone_fires_the_trigger_and_the_decider_says_when() -> None:
    ue = Ue()
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    ue.sees(1.0, Signal("wifi", -80))
    assert ue.decider.wake_at() == pytest.approx(1.6)
    assert ue.sees(1.59, Tick()) == []
    assert ue.sees(ue.decider.wake_at() or 0, Tick()) == [What.MAKE_BEFORE_BREAK]


def test_a_falling_signal_is_seen_coming_and_another_access_is_prepared() -> None:
    ue = Ue(replace(POLICY, accesses={"wifi": AccessRules(-78, -68), "lte": AccessRules(-118, -110)}))
    ue.sees(0, Signal("lte", -95))
    decided = [ue.sees(n / 10, Signal("wifi", -55 - n)) for n in range(1, 15)]  # 10 dB a second
    assert [What.PREPARE] in decided
    assert decided.index([What.PREPARE]) == 7  # at -63 dBm: the threshold is 15 dB, 1.5 s, away
    assert ue.last.reason == "wifi is at -63.0 dBm, will be below -78 dBm in 1500 ms; lte is at -95.0 dBm"


def test_a_trend_may_also_move_at_once_or_count_for_nothing() -> None:
    rules = {"wifi": AccessRules(-78, -68), "lte": AccessRules(-118, -110)}
    for on_trend, expected in (("hand-over", What.MAKE_BEFORE_BREAK), ("nothing", None)):
        ue = Ue(replace(POLICY, accesses=rules, on_trend=on_trend))  # type: ignore[arg-type]
        ue.sees(0, Signal("lte", -95))
        for n in range(1, 12):
            ue.sees(n / 10, Signal("wifi", -55 - n))
        assert [decision.what for decision in ue.decisions] == ([expected] if expected else [])


def test_a_lost_link_moves_at_once_after_the_break_and_after_the_make_if_that_was_done() -> None:
    ue = Ue()
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    assert ue.sees(1, LinkLost("wifi", "deauthenticated")) == [What.BREAK_BEFORE_MAKE]
    assert ue.last.reason == "wifi: deauthenticated; lte is at -95.0 dBm"
    prepared = Ue()
    prepared.sees(0, Signal("lte", -95), Signal("wifi", -76))
    assert prepared.sees(1, LinkLost("wifi")) == [What.MAKE_BEFORE_BREAK]


def test_a_lost_link_moves_to_what_is_still_being_prepared() -> None:
    ue = Ue(obedient=False)
    assert ue.sees(0, Signal("lte", -95), Signal("wifi", -76)) == [What.PREPARE]
    assert ue.sees(1, LinkLost("wifi")) == [What.BREAK_BEFORE_MAKE]
    assert ue.sees(2, Tick(), Ready("lte"), Signal("lte", -94)) == []  # that it is ready does not end the move
    assert ue.sees(3, HandedOver("lte")) == []


def test_a_lost_link_moves_even_to_a_poor_access_and_even_right_after_a_handoff() -> None:
    ue = Ue()
    ue.sees(0, Signal("lte", -117), Signal("wifi", -60))
    assert ue.sees(1, LinkLost("wifi")) == [What.BREAK_BEFORE_MAKE]
    ue.sees(1.1, LinkUp("wifi"))
    assert ue.sees(1.2, LinkLost("lte")) == [What.BREAK_BEFORE_MAKE]
    assert ue.decider.serving == "wifi"


def test_without_another_access_it_stays_and_says_so_once_and_goes_when_there_is_one() -> None:
    ue = Ue()
    ue.sees(0, LinkLost("lte"), Signal("wifi", -60))
    assert ue.sees(1, LinkLost("wifi")) == [What.STAY]
    assert ue.sees(2, Tick(), Tick()) == []
    assert ue.sees(3, LinkUp("lte")) == [What.BREAK_BEFORE_MAKE]


def test_media_silence_counts_as_a_loss_and_the_access_is_not_gone_back_to_at_once() -> None:
    ue = Ue()
    ue.sees(0, Signal("lte", -95), Signal("wifi", -50))
    assert ue.sees(1, MediaSilence("wifi", 200)) == []
    assert ue.sees(1.1, MediaSilence("wifi", 300)) == [What.BREAK_BEFORE_MAKE]
    assert ue.last.reason.startswith("wifi: no media for 300 ms")
    for second in range(2, 31):
        assert ue.sees(second, Signal("wifi", -50)) == []
    assert ue.sees(40, Signal("wifi", -50)) == [What.COME_BACK]


def test_silence_on_an_access_that_is_not_used_says_nothing() -> None:
    ue = Ue(serving="lte")
    ue.sees(0, Signal("lte", -95))
    assert ue.sees(1, MediaSilence("wifi", 9000)) == []


def test_the_preferred_access_is_gone_back_to_once_it_has_been_good_for_long_enough() -> None:
    ue = Ue(serving="lte")
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    assert ue.sees(1.9, Signal("wifi", -60)) == []
    assert ue.sees(2.0, Signal("wifi", -60)) == [What.COME_BACK]
    assert ue.last.reason == "wifi is at -60.0 dBm, above -68 dBm for 2000 ms; it is preferred"


def test_after_a_handoff_the_signal_moves_nothing_for_the_minimum_stay() -> None:
    ue = Ue()
    ue.sees(0, Signal("lte", -95), Signal("wifi", -80))
    ue.sees(0.6, Tick())
    assert ue.decider.serving == "lte"
    for tenth in range(10, 56):
        assert ue.sees(tenth / 10, Signal("wifi", -50)) == []
    assert ue.sees(5.6, Signal("wifi", -50)) == [What.COME_BACK]
    assert ue.sees(6, Signal("wifi", -90)) == [What.PREPARE]
    stayed = ue.sees(6.7, Signal("wifi", -90))
    assert stayed == [What.STAY]
    assert "less than 5000 ms ago" in ue.last.reason


def test_what_could_not_be_carried_out_is_not_tried_again_for_a_while() -> None:
    ue = Ue(obedient=False)
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    assert ue.sees(1, LinkLost("wifi")) == [What.BREAK_BEFORE_MAKE]
    assert ue.sees(2, Failed("lte", "attach rejected")) == [What.STAY]
    assert ue.sees(20, Signal("lte", -90)) == []
    assert ue.sees(31, Tick()) == []
    assert ue.decider.wake_at() == pytest.approx(32)
    assert ue.sees(32, Tick()) == [What.BREAK_BEFORE_MAKE]


def test_silence_does_not_hide_that_the_link_is_lost() -> None:
    """It was left with its link lost, so it is no place to come back to, whatever was said of its media after that."""
    ue = Ue(replace(POLICY, bar_ms=0), obedient=False)
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    assert ue.sees(1, LinkLost("wifi")) == [What.BREAK_BEFORE_MAKE]
    assert ue.sees(1.3, MediaSilence("wifi", POLICY.silence_ms)) == []
    ue.sees(2, HandedOver("lte"))
    assert What.BREAK_BEFORE_MAKE not in ue.sees(3, LinkLost("lte"))


def test_silence_with_nowhere_to_go_is_no_reason_for_ever() -> None:
    ue = Ue(obedient=False)
    ue.sees(0, Signal("wifi", -60))
    ue.sees(5, LinkLost("lte"))
    assert ue.sees(10, MediaSilence("wifi", POLICY.silence_ms)) == [What.STAY]
    assert ue.sees(10 + POLICY.bar_ms / 1000 + 1, LinkUp("lte"), Signal("lte", -95)) == []


def test_a_policy_that_bars_nothing_does_not_try_again_without_end() -> None:
    ue = Ue(replace(POLICY, bar_ms=0), obedient=False)
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    ue.sees(1, LinkLost("wifi"))
    assert ue.sees(1, Failed("lte")) == [What.STAY]
    assert ue.sees(2, Tick()) == [What.BREAK_BEFORE_MAKE]


def test_smoothing_hides_one_bad_sample() -> None:
    ue = Ue(replace(POLICY, smoothing=0.25, time_to_trigger_ms=0, on_trend="nothing"))
    ue.sees(0, Signal("lte", -95), Signal("wifi", -60))
    assert ue.sees(1, Signal("wifi", -90)) == []
    assert What.MAKE_BEFORE_BREAK in [what for n in range(10) for what in ue.sees(2 + n, Signal("wifi", -90))]


def test_an_access_without_thresholds_is_usable_while_its_link_is_there() -> None:
    ue = Ue(replace(POLICY, prefer=("wifi", "cable"), accesses={"wifi": AccessRules(-78, -68)}))
    assert What.MAKE_BEFORE_BREAK in ue.sees(0, Signal("wifi", -80)) + ue.sees(1, Tick())


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="goes back"):
        Ue().sees(-1, Tick())


WRONG = {
    "prefer: [wifi]": "name is missing",
    "name: a\nprefer: wifi": "prefer: is a list",
    "name: a\nprefer: []": "names no access",
    "name: a\nprefer: [wifi, wifi]": "twice",
    "name: a\nprefer: [wifi]\nhysteresis: 3": "there is no hysteresis",
    "name: a\nprefer: [wifi]\nminimum_stay_ms: long": "minimum_stay_ms: 'long' is no number",
    "name: a\nprefer: [wifi]\nminimum_stay_ms: -1": "minimum_stay_ms: is negative",
    "name: a\nprefer: [wifi]\nminimum_stay_ms: .nan": "is no number",
    "name: a\nprefer: [wifi]\nsmoothing: 0": "smoothing",
    "name: a\nprefer: [wifi]\non_trend: panic": "on_trend",
    "name: a\nprefer: [wifi]\naccesses: [wifi]": "is a mapping",
    "name: a\nprefer: [wifi]\naccesses: {wifi: {leave_below_dbm: -70}}": "accesses: wifi: usable_above_dbm is missing",
    "name: a\nprefer: [wifi]\naccesses: {wifi: {leave_below_dbm: -70, usable_above_dbm: -70}}": "no hysteresis",
    "name: a\nprefer: [wifi]\naccesses: {lte: {leave_below_dbm: -70, usable_above_dbm: -60}}": "not in prefer",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_policy_that_is_written_wrongly_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=WRONG[text]):
        Policy.from_data(YAML(typ="safe").load(text))


# What no policy may do, whatever happens

levels = st.floats(-130, -30)
events = st.one_of(
    st.builds(Signal, st.sampled_from(["wifi", "lte"]), levels),
    st.builds(Signal, st.sampled_from(["wifi", "lte"]), levels),
    st.builds(LinkLost, st.sampled_from(["wifi", "lte"])),
    st.builds(LinkUp, st.sampled_from(["wifi", "lte"])),
    st.builds(MediaSilence, st.sampled_from(["wifi", "lte"]), st.floats(100, 1000)),
    st.just(Tick()),
)
outcomes = st.sampled_from(["done", "done", "done", "failed", "slow"])
policies = st.builds(
    Policy,
    name=st.just("any"),
    prefer=st.sampled_from([("wifi", "lte"), ("lte", "wifi")]),
    accesses=st.builds(
        lambda leave, hysteresis, early: {
            "wifi": AccessRules(leave, leave + hysteresis, leave + early),
            "lte": AccessRules(leave - 40, leave - 40 + hysteresis),
        },
        st.floats(-85, -65),
        st.floats(1, 15),
        st.floats(0, 10),
    ),
    time_to_trigger_ms=st.floats(0, 2000),
    come_back_after_ms=st.floats(0, 5000),
    minimum_stay_ms=st.floats(0, 10000),
    smoothing=st.floats(0.1, 1),
    trend_window_ms=st.floats(100, 5000),
    trend_ahead_ms=st.floats(0, 5000),
    on_trend=st.sampled_from(["nothing", "prepare", "hand-over"]),
    silence_ms=st.sampled_from([0.0, 300.0]),
    bar_ms=st.floats(0, 30000),
)


@settings(deadline=None, max_examples=300)
@given(policies, st.lists(st.tuples(st.floats(0, 3), events, outcomes), max_size=60))
def test_no_decision_without_a_reason_none_for_where_we_are_and_none_twice(
    policy: Policy, story: list[tuple[float, Event, str]]
) -> None:
    for decider, decision, world in carried_out(policy, story):
        assert len(decision.reason) > 5
        assert decision.access in ("wifi", "lte")
        if decision.what is What.STAY:
            assert decision.access == world.serving
            assert decision != world.last
            continue
        assert decision.access != world.serving, decision
        assert decision.access not in world.lost, decision
        assert world.moving is None, f"{decision} while {world.moving}"
        if decision.what is What.PREPARE:
            assert decision.access not in world.prepared, decision
        if decision.what is What.COME_BACK:
            assert policy.rank(decision.access) < policy.rank(world.serving)
        if decision.what in (What.MAKE_BEFORE_BREAK, What.COME_BACK) and world.serving not in world.gone:
            assert decision.at_s - world.since_s >= policy.minimum_stay_ms / 1000 - 1e-6, decision
        assert decider.policy is policy


class World:
    """What the decider's decisions are judged by, kept apart from it."""

    def __init__(self) -> None:
        self.serving, self.since_s = "wifi", float("-inf")
        self.lost: set[str] = set()
        self.gone: set[str] = set()  # lost, or silent while used
        self.prepared: set[str] = set()
        self.last: Decision | None = None
        self.moving: Decision | None = None

    def take_in(self, at_s: float, event: Event, policy: Policy) -> None:
        match event:
            case LinkLost(access=access):
                self.lost.add(access)
                self.gone.add(access)
                self.prepared.discard(access)
            case LinkUp(access=access):
                self.lost.discard(access)
                self.gone.discard(access)
            case MediaSilence(access=access, after_ms=after_ms):
                if access == self.serving and 0 < policy.silence_ms <= after_ms:
                    self.gone.add(access)
            case HandedOver(access=access):
                self.gone = set(self.lost)
                self.serving, self.since_s, self.moving = access, at_s, None
                self.prepared.clear()
            case Failed(access=access):
                self.prepared.discard(access)
                if self.moving and self.moving.access == access:
                    self.moving = None


def carried_out(policy: Policy, story: Sequence[tuple[float, Event, str]]) -> Iterator[tuple[Decider, Decision, World]]:
    """A story told to a decider; each of its decisions, before it is carried out, or not, as the story wants it."""
    decider, world, now_s = Decider(policy, "wifi", 0.0), World(), 0.0
    slow: list[Event] = []
    for step_s, event, outcome in story:
        now_s += step_s
        coming = [event, *slow]
        slow = []
        while coming:
            one = coming.pop(0)
            world.take_in(now_s, one, policy)
            for decision in decider.handle(now_s, one):
                yield decider, decision, world
                world.last = decision
                if decision.what is What.STAY:
                    continue
                done = Ready if decision.what is What.PREPARE else HandedOver
                if decision.what is What.PREPARE:
                    world.prepared.add(decision.access)
                else:
                    world.moving = decision
                if outcome == "failed":
                    coming.append(Failed(decision.access))
                elif outcome == "done":
                    coming.append(done(decision.access))
                else:
                    slow.append(done(decision.access))


@settings(deadline=None, max_examples=200)
@given(policies, st.lists(st.tuples(st.floats(0.02, 1), st.floats(0, 1)), max_size=150), st.floats(0, 10))
def test_a_signal_that_hovers_below_where_an_access_becomes_usable_moves_once_at_most(
    policy: Policy, story: list[tuple[float, float]], deeper_db: float
) -> None:
    rules = policy.accesses["wifi"]
    ue, now_s = Ue(replace(policy, prefer=("wifi", "lte"))), 0.0
    ue.sees(0, Signal("lte", -60))
    for step_s, part in story:
        now_s += step_s
        lowest = rules.leave_below_dbm - deeper_db
        ue.sees(now_s, Signal("wifi", lowest + part * (rules.usable_above_dbm - lowest)))
    assert sum(decision.what in MOVES for decision in ue.decisions) <= 1


@settings(deadline=None, max_examples=100)
@given(policies, st.lists(st.tuples(st.floats(0.02, 1), st.floats(0.001, 0.999)), max_size=150))
def test_hovering_within_the_hysteresis_moves_nothing_by_threshold(
    policy: Policy, story: list[tuple[float, float]]
) -> None:
    rules = policy.accesses["wifi"]
    for serving in ("wifi", "lte"):
        ue, now_s = Ue(replace(policy, prefer=("wifi", "lte"), on_trend="nothing"), serving), 0.0
        ue.sees(0, Signal("lte", -60))
        for step_s, part in story:
            now_s += step_s
            ue.sees(
                now_s,
                Signal("wifi", rules.leave_below_dbm + part * (rules.usable_above_dbm - rules.leave_below_dbm)),
            )
        assert not [decision for decision in ue.decisions if decision.what in MOVES]


# Recorded signals


def walk_away(seconds: int = 30) -> list[Observed]:
    """Wi-Fi falls by 2 dB a second; LTE is there."""
    return [
        Observed(n / 5, Signal(access, dbm))
        for n in range(seconds * 5)
        for access, dbm in (("wifi", -50 - 2 * n / 5), ("lte", -95.0))
    ]


def at_the_edge(seconds: int = 120, seed: int = 1) -> list[Observed]:
    """Wi-Fi hovers about the threshold, some 6 dB up and down."""
    draw = random.Random(seed)
    return [
        Observed(n / 5, Signal(access, dbm))
        for n in range(seconds * 5)
        for access, dbm in (("wifi", -76 + draw.gauss(0, 3) + 5 * (-1) ** (n // 20)), ("lte", -95.0))
    ]


NERVOUS = Policy(
    "nervous",
    ("wifi", "lte"),
    {"wifi": AccessRules(-76, -75.5), "lte": AccessRules(-118, -110)},
    time_to_trigger_ms=0,
    come_back_after_ms=0,
    minimum_stay_ms=0,
)


def test_walking_away_is_one_handoff_before_the_signal_is_poor() -> None:
    outcome = replay(POLICY, walk_away(), "wifi", COSTS)
    assert [decision.what for decision in outcome.decisions] == [What.PREPARE, What.MAKE_BEFORE_BREAK]
    assert (outcome.handoffs, outcome.needless, outcome.poor_s) == (1, 0, 0)


def test_at_the_edge_a_policy_with_hysteresis_moves_seldom_and_one_without_moves_needlessly() -> None:
    calm, nervous = compare([POLICY, NERVOUS], at_the_edge(), "wifi", COSTS)
    assert (calm.policy, nervous.policy) == ("walking", "nervous")
    assert calm.handoffs <= 1 < 10 < nervous.handoffs
    assert calm.needless == 0 < nervous.needless <= nervous.handoffs
    assert str(nervous).startswith(f"nervous: {nervous.handoffs} handoffs, {nervous.needless} needless, ")


def test_who_never_leaves_is_poor_for_as_long_as_the_signal_is() -> None:
    stubborn = replace(POLICY, name="stubborn", prefer=("wifi",), accesses={"wifi": POLICY.accesses["wifi"]})
    outcome = replay(stubborn, walk_away(), "wifi", COSTS)
    assert outcome.handoffs == 0
    assert outcome.poor_s == pytest.approx(29.8 - 16.2)  # from the first sample below -82 dBm to the last one


def test_a_trace_is_read_from_a_file_and_what_is_no_sample_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("seconds,access,dBm\n# a walk\n0,lte,-95\n0.5,wifi,-60\n2,wifi,lost\n9,wifi,up\n")
    trace = read_trace(tmp_path / "t.csv")
    assert [one.event for one in trace] == [Signal("lte", -95), Signal("wifi", -60), LinkLost("wifi"), LinkUp("wifi")]
    assert [decision.what for decision in replay(POLICY, trace, "wifi", COSTS).decisions] == [What.BREAK_BEFORE_MAKE]
    (tmp_path / "t.csv").write_text("0,lte,-95\n1,lte\n")
    with pytest.raises(UsageError, match=r"t\.csv:2"):
        read_trace(tmp_path / "t.csv")


def test_the_end_of_a_trace_is_the_end_of_its_outcome() -> None:
    outcome = replay(POLICY, walk_away(10), "wifi", COSTS)
    assert outcome.decisions == ()
    empty = replay(POLICY, [], "wifi", COSTS)
    assert (empty.handoffs, empty.poor_s) == (0, 0)


def test_the_same_trace_gives_the_same_outcome() -> None:
    assert all(one == other for one, other in pairwise(replay(NERVOUS, at_the_edge(), "wifi", COSTS) for _ in range(3)))
