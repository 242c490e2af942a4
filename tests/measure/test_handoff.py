"""One handoff measured from two captures: windows, phases, directions, and the captures' own faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_call import FAR, LTE, TRIGGER_NS, WIFI, Call, Moments, ns

from testbed.measure.esp import EspKeys, read_esp_sa
from testbed.measure.handoff import End, HandoffFigures, measure_handoff, no_end, read_end, windows
from testbed.measure.markers import Marker
from testbed.measure.words import Direction, Phase, Procedure

UP, DOWN = Direction.UPLINK, Direction.DOWNLINK
NEVER = Moments(None, None, None, None, None, None, None, None, None, None, None)


def ends(folder: Path, call: Call) -> tuple[End, End]:
    """The two captures of a call, read."""
    (folder / "esp_sa").write_text("".join(sa.line() + "\n" for sa in call.sas()))
    keys = read_esp_sa(folder / "esp_sa") if call.protected else EspKeys()
    ue, far = (tape.write(folder / f"{name}.pcapng") for name, tape in zip(("ue", "far"), call.tapes(), strict=True))
    own, other = (call.address(LTE), call.address(WIFI)), (call.address(FAR),)
    return read_end(ue, own, other, keys), read_end(far, other, own, keys)


def measure(folder: Path, call: Call) -> HandoffFigures:
    ue, far = ends(folder, call)
    (window,) = windows(ue.markers, [call.plan()], ue.last_ns)
    return measure_handoff(call.plan(), window, ue, far, (call.address(WIFI),))


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("encryption", ["NULL", "AES-CBC [RFC3602]"])
def test_a_handoff_comes_to_what_its_moments_say(tmp_path: Path, encryption: str, v6: bool) -> None:
    figures = measure(tmp_path, Call(encryption=encryption, v6=v6))
    assert figures.phases.ms == {
        Phase.DETECT: 1, Phase.ACCESS: 3, Phase.REGISTER: 56, Phase.SESSION: 60, Phase.MEDIA: 37,
    }  # fmt: skip
    assert figures.phases.total_ms == 157
    # uplink: sent at -8 by LTE, at 132 by Wi-Fi; 40 ms and 25 ms on their way
    assert figures.media[UP].interruption_ms == pytest.approx(132 + 25 - (-8 + 40) - 20)
    # downlink: arrived at -17 by LTE; sent at 103 to Wi-Fi, 25 ms on its way
    assert figures.media[DOWN].interruption_ms == pytest.approx(103 + 25 + 17 - 20)
    assert (figures.media[UP].losses.never_sent, figures.media[DOWN].losses.sent_not_received) == (6, 7)


def test_without_keys_the_markers_tell_the_phases(tmp_path: Path) -> None:
    call = Call()
    for name, tape in zip(("ue", "far"), call.tapes(), strict=True):
        tape.write(tmp_path / f"{name}.pcapng")
    ue = read_end(tmp_path / "ue.pcapng", (LTE, WIFI), (FAR,), EspKeys())
    far = read_end(tmp_path / "far.pcapng", (FAR,), (LTE, WIFI), EspKeys())
    (window,) = windows(ue.markers, [call.plan()], ue.last_ns)
    figures = measure_handoff(call.plan(), window, ue, far, (WIFI,))
    assert figures.phases.ms[Phase.REGISTER] == 56
    assert figures.phases.ms[Phase.SESSION] == 60.5, "until the marker, half a millisecond after the answer"


@given(
    steps=st.lists(st.floats(0.05, 90).map(lambda ms: round(ms, 3)), min_size=11, max_size=11),
    grid=st.floats(0, 19.9).map(lambda ms: round(ms, 3)),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_phases_sum_to_the_whole(tmp_path: Path, steps: list[float], grid: float) -> None:
    at, moments = 0.0, []
    for step in steps:
        at += step
        moments.append(at)
    figures = measure(tmp_path, Call(moments=Moments(*moments), grid_up=grid, grid_down=19.95 - grid, end=3000))
    assert figures.phases.total_us is not None
    assert sum(us for us in figures.phases.us.values() if us is not None) == figures.phases.total_us
    last = max(media.new_path_ns or 0 for media in figures.media.values())
    assert figures.phases.total_us == round((last - TRIGGER_NS) / 1000)


def test_a_phase_without_an_end_gives_its_time_to_the_next(tmp_path: Path) -> None:
    figures = measure(tmp_path, Call(moments=replace(Moments(), access_up=None)))
    assert figures.phases.missing == [Phase.ACCESS]
    assert figures.phases.ms[Phase.REGISTER] == 59


def test_an_answer_that_is_not_protected_or_came_by_the_old_access_ends_no_phase(tmp_path: Path) -> None:
    bare = measure(tmp_path, Call(protected=False, moments=replace(Moments(), registered=60)))
    assert bare.phases.ms[Phase.REGISTER] == 56, "by its marker"
    no_marker = measure(tmp_path, Call(protected=False, markers=True, moments=replace(Moments(), registered=None)))
    assert Phase.REGISTER in no_marker.phases.missing


def test_make_before_break_has_done_its_work_before_the_trigger(tmp_path: Path) -> None:
    moments = Moments(None, -420, -400, -376, -371, -345, -343, -313, -312, -284, -283.5)
    figures = measure(tmp_path, Call(procedure=Procedure.MAKE_BEFORE_BREAK, moments=moments))
    assert figures.phases.total_ms == 0
    assert figures.phases.missing == []
    assert {way: media.losses.lost for way, media in figures.media.items()} == {UP: 0, DOWN: 0}
    assert figures.media[UP].interruption_ms == 0
    assert figures.over_floor(UP) is None, "there is no floor to be over"
    assert figures.window.start_ns < ns(-420), "losses of the move itself are the handoff's too"


def test_a_call_that_is_dialled_again_is_measured_from_stream_to_stream(tmp_path: Path) -> None:
    moments = Moments(1, 4, 5, 29, 34, 60, 800, 830, 831, 860, 861)
    figures = measure(tmp_path, Call(procedure=Procedure.RELEASE7, moments=moments, ssrc_after=7))
    assert figures.happened("call-lost")
    assert figures.media[UP].interruption_ms == pytest.approx(872 + 25 - 32 - 20)
    assert figures.media[UP].losses.never_sent == 43, "from -8 to 872: 44 intervals with a packet at either end"
    assert figures.phases.ms[Phase.SESSION] == 800


def test_a_handoff_that_never_ends_has_no_total_and_no_end_of_media(tmp_path: Path) -> None:
    figures = measure(tmp_path, Call(moments=replace(NEVER, detected=2.0)))
    assert figures.phases.total_us is None
    assert figures.phases.missing == [Phase.ACCESS, Phase.REGISTER, Phase.SESSION, Phase.MEDIA]
    assert not figures.media[DOWN].resumed
    assert figures.media[DOWN].interruption_ms == pytest.approx(2000 + 17 - 20, abs=12)


def test_a_blackhole_is_noticed_after_the_stated_silence(tmp_path: Path) -> None:
    late = Moments(*(None if each is None else each + 200 for each in vars(Moments()).values()))
    figures = measure(tmp_path, Call(moments=late))
    assert figures.phases.ms[Phase.DETECT] == 201


def test_a_capture_out_of_order_shows_how_far_the_clock_stepped_back(tmp_path: Path) -> None:
    call = Call()
    ue, _ = call.tapes()
    ue.frames.sort()
    middle = len(ue.frames) // 2
    ue.frames = [
        (time - (5_000_000_000 if number > middle else 0), frame) for number, (time, frame) in enumerate(ue.frames)
    ]
    read = read_end(ue.write(tmp_path / "ue.pcapng", in_order=False), (LTE, WIFI), (FAR,), EspKeys())
    assert 4500 < read.backwards_ms < 5000  # less what lay between the last packet before and the first one after


def test_an_end_without_a_capture_leaves_the_other_direction_measured(tmp_path: Path) -> None:
    ue, _ = ends(tmp_path, Call())
    (window,) = windows(ue.markers, [Call().plan()], ue.last_ns)
    figures = measure_handoff(Call().plan(), window, ue, no_end(), (WIFI,))
    assert figures.media[UP].interruption_ms is None
    assert figures.media[DOWN].interruption_ms == 125
    assert figures.phases.missing == [Phase.MEDIA]


def marks(*events: tuple[float, str]) -> list[Marker]:
    return [Marker(ns(ms), event) for ms, event in events]


def test_each_trigger_opens_a_window_that_the_next_one_closes() -> None:
    plans = [Call().plan()] * 2
    said = marks((0, "trigger"), (900, "call-end"), (5000, "trigger"), (9000, "call-end"), (9500, "run-end"))
    first, second = windows(said, plans, ns(10_000))
    assert (first.trigger_ns, first.end_ns) == (ns(0), ns(900))
    assert (second.start_ns, second.trigger_ns, second.end_ns) == (ns(4000), ns(5000), ns(9000))


def test_what_was_lost_on_its_way_when_the_next_trigger_came_is_counted_once() -> None:
    said = marks((1000, "trigger"), (2500, "trigger"), (4000, "trigger"), (6000, "call-end"))
    one, two, three = windows(said, [Call().plan()] * 3, ns(7000))
    assert (one.start_ns, one.end_ns, two.start_ns, two.end_ns) == (ns(0), ns(2250), ns(2250), ns(3750))
    assert (three.start_ns, three.end_ns) == (ns(3750), ns(6000))


def test_without_triggers_there_are_no_windows_and_more_triggers_than_plans_are_not_taken() -> None:
    assert windows(marks((0, "call-up")), [Call().plan()], ns(10)) == []
    assert len(windows(marks((0, "trigger"), (5, "trigger")), [Call().plan()], ns(10))) == 1
