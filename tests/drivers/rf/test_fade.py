"""Fades: what they are over time, read from words and files, cut into a lever's steps, played by a clock of ours."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_rcdat import rcdat

from drivers.errors import DriverError
from drivers.protocols import Shape
from drivers.rf.fade import Points, Profile, Ramp, Reversed, Walk
from drivers.rf.fade_files import FadeError, fade, read_fade
from drivers.rf.limits import Limits
from drivers.rf.player import Player, Step, play, steps
from drivers.rf.spec import AttenuatorSpec
from drivers.rf.targets import WIFI_EFFECTS, NetemFade, PowerFade, effect_of

LIMITS = Limits(0.0, 95.0, 0.25)
number = st.floats(-100, 100)
profiles = st.one_of(
    st.builds(Ramp, from_db=number, to_db=number, duration_s=st.floats(0.1, 20)),
    st.builds(Walk, from_m=st.floats(0.5, 10), to_m=st.floats(11, 60), speed_m_s=st.floats(2, 10)),
    st.lists(st.tuples(st.floats(0.01, 4), number), min_size=1, max_size=6).map(
        lambda rest: Points(
            points=[(0, 0), *((sum(t for t, _ in rest[: i + 1]), db) for i, (_, db) in enumerate(rest))]
        )
    ),
)


class Clock:
    """Time that passes only when somebody waits, or when a lever takes some."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float) -> bool:
        self.now += timeout
        return False


class Lever:
    """Takes so long for each setting."""

    def __init__(self, clock: Clock, takes_s: float = 0.0) -> None:
        self.set_at: list[tuple[float, float]] = []
        self._clock, self._takes_s = clock, takes_s

    def set_attenuation_db(self, db: float) -> float:
        self.set_at.append((round(self._clock.now - 100.0, 6), db))
        self._clock.now += self._takes_s
        return db

    def attenuation_db(self) -> float:
        return self.set_at[-1][1]


def test_a_walk_loses_10_n_log_of_the_distance() -> None:
    walk = fade({"walk": {"from_m": 2, "to_m": 62, "speed_m_s": 1.5, "exponent": 3}}, "here")
    assert walk.duration_s == 40
    assert walk.db_at(0) == 0
    assert walk.db_at(12) == pytest.approx(30 * math.log10(20 / 2))
    assert walk.db_at(40) == walk.db_at(1000) == pytest.approx(30 * math.log10(31))


def test_coming_home_is_the_same_walk_backwards_by_either_spelling() -> None:
    words = {"from_m": 2, "to_m": 62}
    away, home = fade({"walk": words}, "here"), fade({"walk": words, "reverse": True}, "here")
    towards = fade({"walk": {"from_m": 62, "to_m": 2}}, "here")
    for t_s in (0, 1, 10, 30, home.duration_s):
        assert home.db_at(t_s) == pytest.approx(away.db_at(away.duration_s - t_s))
        assert home.db_at(t_s) == pytest.approx(towards.db_at(t_s))


def test_a_door_on_the_way_adds_to_the_walk() -> None:
    walk = {"walk": {"from_m": 1, "to_m": 15, "speed_m_s": 1.4}}
    both = fade({"together": [walk, {"door": {"db": 12, "at_s": 4, "closing_s": 1, "duration_s": 10}}]}, "here")
    alone = fade(walk, "here")
    assert [round(both.db_at(t_s) - alone.db_at(t_s), 6) for t_s in (0, 3.9, 4.5, 5, 10)] == [0, 0, 6, 12, 12]


def test_one_after_the_other() -> None:
    both = fade({"then": [{"ramp": {"to_db": 10, "duration_s": 5}}, {"points": [[0, 40], [1, 40]]}]}, "here")
    assert both.duration_s == 6
    assert [both.db_at(t_s) for t_s in (0, 2.5, 4.999999, 5, 6, 7)] == [0, 5, pytest.approx(10, abs=1e-4), 40, 40, 40]


def test_a_csv_and_a_yaml_of_the_same_points_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("seconds,dB\n# measured in the corridor\n0,0\n2.5,10\n\n2.5,20\n4,30\n")
    (tmp_path / "a.yaml").write_text("points: [[0, 0], [2.5, 10], [2.5, 20], [4, 30]]\n")
    (tmp_path / "b.yaml").write_text("file: a.csv\nreverse: true\n")
    assert read_fade(tmp_path / "a.csv") == read_fade(tmp_path / "a.yaml")
    assert [read_fade(tmp_path / "a.csv").db_at(t_s) for t_s in (1.25, 2.4999999, 2.5, 9)] == [
        5,
        pytest.approx(10, abs=1e-5),
        20,
        30,
    ]
    assert read_fade(tmp_path / "b.yaml").db_at(0) == 30


WRONG = {
    "walk: {from_m: 0, to_m: 3}": "from_m",
    "walk: {from_m: 3, to_m: 3}": "takes no time",
    "walk: {from_m: 1, to_m: 3, speed: 2}": "speed",
    "ramp: {to_db: 3}": "duration_s",
    "ramp: {to_db: .nan, duration_s: 3}": "to_db",
    "door: {db: 3, at_s: 4, duration_s: 2}": "closes after the end",
    "points: [[0, 1]]": "points",
    "points: [[1, 1], [2, 2]]": "must be at 0",
    "points: [[0, 1], [2, 2], [1, 3]]": "point 3 .* before",
    "points: [[0, 1], [0, 2]]": "all points",
    "file: none.csv": "none.csv",
    "file: 3": "is a name",
    "then: []": "list of fades",
    "together: [{ramp: {to_db: 1, duration_s: 1}}, {run: 3}]": "together 2: there is run",
    "walk: {from_m: 1, to_m: 2}\nramp: {to_db: 1, duration_s: 1}": "exactly one",
    "walk: {from_m: 1, to_m: 2}\nreverse: maybe": "neither true nor false",
    "- 3": "written as one of",
    "": "written as one of",
    "a: [": "is no YAML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_fade_that_is_written_wrongly_is_named_with_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "fade.yaml").write_text(text)
    with pytest.raises(FadeError, match=WRONG[text]) as wrong:
        read_fade(tmp_path / "fade.yaml")
    assert str(wrong.value).startswith(str(tmp_path))


def test_a_line_of_a_csv_that_is_no_point_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "fade.csv").write_text("0,0\n1;5\n")
    with pytest.raises(FadeError, match=r"fade\.csv:2: `1;5` is no point"):
        read_fade(tmp_path / "fade.csv")


def test_steps_are_where_the_lever_can_change_and_no_more_often_than_it_can() -> None:
    plan = steps(Ramp(to_db=2, duration_s=4), LIMITS, rate_hz=10)
    assert [step.db for step in plan] == [0.25 * n for n in range(9)]
    assert all(round(step.at_s * 10, 6) % 1 == 0 for step in plan)
    fast = steps(Ramp(to_db=90, duration_s=1), LIMITS, rate_hz=10)
    assert [step.at_s for step in fast] == pytest.approx([n / 10 for n in range(11)])


def test_what_is_beyond_the_limits_stays_at_them() -> None:
    plan = steps(Ramp(from_db=-20, to_db=200, duration_s=10), LIMITS, rate_hz=100)
    assert (plan[0].db, plan[-1].db) == (0.0, 95.0)
    assert plan[-1].at_s < 10


@settings(deadline=None, max_examples=60)
@given(profiles, st.floats(1, 50), st.sampled_from([0.25, 0.5, 1.0, 3.0]))
def test_a_plan_goes_up_in_time_changes_each_time_and_is_never_further_from_the_fade_than_a_step(
    profile: Profile, rate_hz: float, step_db: float
) -> None:
    limits = Limits(0.0, 90.0, step_db)
    plan = steps(profile, limits, rate_hz)
    assert plan[0].at_s == 0
    assert all(b.at_s > a.at_s and b.db != a.db for a, b in pairwise(plan))
    assert all(0 <= step.db <= 90 and step.at_s <= profile.duration_s for step in plan)
    for step in plan:
        wanted = min(max(profile.db_at(step.at_s), 0.0), 90.0)
        assert abs(step.db - wanted) <= step_db / 2 + 1e-9
    assert plan[-1].db == limits.clamped(profile.db_at(profile.duration_s))


@given(profiles)
def test_backwards_twice_is_forwards(profile: Profile) -> None:
    twice = Reversed(Reversed(profile))
    for part in range(11):
        t_s = profile.duration_s * part / 10
        assert twice.db_at(t_s) == pytest.approx(profile.db_at(t_s), abs=1e-3, rel=1e-3) or isinstance(profile, Points)


def test_a_fade_is_played_on_time_by_the_clock_that_was_passed_in() -> None:
    clock = Clock()
    lever = Lever(clock)
    plan = steps(Ramp(to_db=10, duration_s=4), LIMITS, rate_hz=10)
    played = play(plan, lever, clock=clock, stop=clock)  # type: ignore[arg-type]
    assert lever.set_at == [(round(step.at_s, 6), step.db) for step in plan]
    assert max(one.late_s for one in played) < 1e-9
    assert clock.now == pytest.approx(104.0)


def test_a_lever_that_cannot_keep_up_gets_the_newest_step_and_the_last() -> None:
    clock = Clock()
    lever = Lever(clock, takes_s=0.35)
    plan = [Step(n / 10, float(n)) for n in range(21)]
    played = play(plan, lever, clock=clock, stop=clock)  # type: ignore[arg-type]
    assert [db for _, db in lever.set_at][:4] == [0, 3, 7, 10]
    assert lever.set_at[-1][1] == 20
    assert all(-1e-6 < one.late_s < 0.1 + 1e-6 for one in played)
    assert [one.took_s for one in played] == pytest.approx([0.35] * len(played))


def test_a_player_counts_what_it_left_out_and_ends() -> None:
    player = Player([Step(0, 1), Step(1, 2), Step(2, 3)], begin_s=50)
    assert player.wake_at() == 50
    assert player.due(49.9) is None
    assert player.due(51.5) == Step(1, 2)
    assert (player.left_out, player.wake_at()) == (1, 52)
    assert player.due(60) == Step(2, 3)
    assert player.wake_at() is None


def test_playing_can_be_stopped() -> None:
    clock = Clock()

    class Stopping(Lever):
        def set_attenuation_db(self, db: float) -> float:
            if db >= 1:
                clock.wait = lambda timeout: True  # type: ignore[method-assign]
            return super().set_attenuation_db(db)

    lever = Stopping(clock)
    play([Step(n, float(n)) for n in range(10)], lever, clock=clock, stop=clock)  # type: ignore[arg-type]
    assert lever.attenuation_db() == 1


def test_a_fade_on_the_virtual_attenuator_moves_what_listens_step_by_step(tmp_path: Path) -> None:
    with rcdat(tmp_path, "RCDAT-6000-110", "--start-db", "0") as device:
        lever = AttenuatorSpec(address="127.0.0.1", wire="telnet", port=device.telnet, maximum_db=30).open()
        plan = steps(fade({"ramp": {"to_db": 40, "duration_s": 0.5}}, "here"), lever.limits, rate_hz=50)
        assert device.moved() == (1, 0.0)
        heard: list[float] = []
        played = play(plan, lever, told=lambda _: heard.append(device.moved()[1]))
        assert heard == [one.db for one in played]
        assert played[-1].db == 30


def test_less_power_is_attenuation_within_what_the_power_can_do() -> None:
    power = [20.0]
    fader = PowerFade(lambda dbm: power.__setitem__(0, dbm), lambda: power[0], full_dbm=20, least_dbm=3)
    assert fader.set_attenuation_db(6.4) == 6
    assert (power, fader.attenuation_db()) == ([14.0], 6.0)
    with pytest.raises(DriverError, match="0 to 17 dB"):
        fader.set_attenuation_db(18)


class Shaper:
    def __init__(self) -> None:
        self.shape = Shape()

    def apply(self, shape: Shape) -> None:
        self.shape = shape

    def read(self) -> Shape:
        return self.shape


def test_attenuation_becomes_loss_and_delay_on_top_of_what_the_link_has() -> None:
    up, down = Shaper(), Shaper()
    fader = NetemFade([(up, Shape(10, 1, 50)), (down, Shape(20))])
    fader.set_attenuation_db(0)
    assert (up.shape, down.shape) == (Shape(10, 1, 50), Shape(20))
    fader.set_attenuation_db(58)
    assert (up.shape, down.shape) == (Shape(50, 1, pytest.approx(65)), Shape(60, 0, pytest.approx(30)))
    fader.set_attenuation_db(fader.limits.maximum_db)
    assert down.shape.loss_percent == 100


def test_more_attenuation_never_does_less() -> None:
    effects = [effect_of(db / 4, WIFI_EFFECTS) for db in range(260)]
    for one, other in pairwise(effects):
        assert other.loss_percent >= one.loss_percent
        assert other.more_delay_ms >= one.more_delay_ms
