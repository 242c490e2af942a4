"""Interruption and losses of one direction, each against figures that can be counted on one's fingers."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.measure.media import Losses, Window, count_losses, judge, largest_gap, packet_interval_ms, silences
from testbed.measure.rtp import Rtp

MS = 1_000_000
WINDOW = Window(start_ns=-1000 * MS, trigger_ns=0, end_ns=5000 * MS)


def stream(packets: list[tuple[float, int]], *, ssrc: int = 1, samples: int = 160) -> Rtp:
    """RTP of (milliseconds from the trigger, sequence number)."""
    times = np.array([round(ms * MS) for ms, _ in packets], np.int64)
    numbers = np.array([number for _, number in packets], np.int64)
    return Rtp(
        row=np.arange(len(packets)),
        time_ns=times,
        sequence=(numbers & 0xFFFF).astype(np.uint16),
        timestamp=(numbers * samples & 0xFFFFFFFF).astype(np.uint32),
        ssrc=np.full(len(packets), ssrc, np.uint32),
        payload_type=np.full(len(packets), 8, np.uint8),
    )


def joined(*streams: Rtp) -> Rtp:
    """Several streams as one capture holds them."""
    names = Rtp.__dataclass_fields__
    parts = {name: np.concatenate([getattr(each, name) for each in streams]) for name in names}
    order = np.argsort(parts["time_ns"], kind="stable")
    return Rtp(**{name: column[order] for name, column in parts.items()})


def call(*, begin: int = -500, end: int = 5000, without: range | None = None, delay: float = 30, first: int = 0) -> Rtp:
    """A packet every 20 ms of sending, `without` some milliseconds of it, received `delay` later."""
    sent = [ms for ms in range(begin, end - 40, 20) if without is None or ms not in without]
    return stream([(ms + delay, first + (ms - begin) // 20) for ms in sent])


def nobody(rtp: Rtp) -> np.ndarray:
    return np.zeros(len(rtp), np.bool_)


def test_the_interruption_is_the_largest_gap_less_the_interval() -> None:
    received = call(without=range(200))
    figures = judge(call(delay=0), received, nobody(received), WINDOW)
    assert figures.gap is not None
    assert figures.gap.ms == 220
    assert figures.interruption_ms == 200
    assert figures.resumed


def test_without_a_handoff_there_is_no_interruption() -> None:
    received = call()
    assert judge(call(delay=0), received, nobody(received), WINDOW).interruption_ms == 0


@given(dead_ms=st.floats(30, 400), phase=st.floats(0, 20))
def test_a_path_dead_for_d_is_measured_within_an_interval_of_d(dead_ms: float, phase: float) -> None:
    sent = [-1000 + phase + 20 * number for number in range(299)]
    received = stream([(ms, number) for number, ms in enumerate(sent) if not 0 <= ms < dead_ms])
    value = judge(received, received, nobody(received), WINDOW).interruption_ms
    assert value is not None
    assert abs(value - dead_ms) <= 20.000001


def test_over_many_phases_the_error_has_no_bias_and_the_stated_deviation() -> None:
    chance, errors = random.Random(3), []
    for _ in range(4000):
        dead_ms, phase = chance.uniform(100, 200), chance.uniform(0, 20)
        last = -20 + phase  # the last packet before 0
        first = next(ms for ms in (phase + 20 * number for number in range(20)) if ms >= dead_ms)
        errors.append(first - last - 20 - dead_ms)
    mean = sum(errors) / len(errors)
    deviation = math.sqrt(sum((error - mean) ** 2 for error in errors) / len(errors))
    assert mean == pytest.approx(0, abs=0.5)
    received = call(without=range(200))
    figures = judge(received, received, nobody(received), WINDOW)
    assert figures.uncertainty_ms == pytest.approx(20 / math.sqrt(6))
    assert deviation == pytest.approx(figures.uncertainty_ms, rel=0.03)


def test_jitter_outside_the_gap_widens_the_uncertainty() -> None:
    chance = random.Random(5)
    packets = [
        (ms + chance.uniform(-2, 2), number) for number, ms in enumerate(range(-900, 3000, 20)) if not 0 <= ms < 200
    ]
    received = stream(packets)
    figures = judge(received, received, nobody(received), WINDOW)
    assert figures.spread_ms == pytest.approx(math.sqrt(2) * 4 / math.sqrt(12), rel=0.2)
    assert figures.uncertainty_ms == pytest.approx(math.hypot(20 / math.sqrt(6), figures.spread_ms))


def test_the_interval_is_the_medias_own() -> None:
    assert packet_interval_ms(stream([(number * 30.0, number) for number in range(9)], samples=240), 20) == 30
    assert packet_interval_ms(stream([(0, 1)]), 20) == 20, "one packet has no interval: the stated one"


def test_media_that_never_comes_back_is_a_lower_bound() -> None:
    received = call(without=range(9999))
    figures = judge(call(delay=0), received, nobody(received), WINDOW)
    assert not figures.resumed
    assert figures.interruption_ms == pytest.approx(5000 - 10 - 20)


def test_media_that_comes_back_and_dies_again_has_not_come_back() -> None:
    received = call(without=range(100), end=1000)
    assert not judge(call(delay=0), received, nobody(received), WINDOW).resumed


def test_a_call_that_ends_is_no_silence() -> None:
    received = call(without=range(100), end=4800)
    figures = judge(call(delay=0), received, nobody(received), WINDOW)
    assert figures.resumed
    assert figures.interruption_ms == 100


def test_nothing_before_the_trigger_is_no_call_to_interrupt() -> None:
    received = call(begin=100)
    figures = judge(call(begin=100, delay=0), received, nobody(received), WINDOW)
    assert figures.interruption_ms is None
    assert figures.uncertainty_ms is None


def test_a_gap_that_ended_before_the_trigger_is_not_the_handoffs() -> None:
    received = call(begin=-900, without=range(-700, -300))
    assert judge(call(begin=-900, delay=0), received, nobody(received), WINDOW).interruption_ms == 0


def test_a_late_copy_of_an_old_packet_ends_no_silence() -> None:
    received = joined(call(without=range(200)), stream([(100, 5)]))
    figures = judge(call(delay=0), received, nobody(received), WINDOW)
    assert figures.interruption_ms == 200
    assert figures.losses.duplicates == 1


def test_losses_tell_what_left_its_sender_from_what_never_did() -> None:
    sent = call(delay=0, without=range(100, 200))
    received = call(without=range(200))
    losses = count_losses(sent, received, WINDOW)
    assert (losses.sent_not_received, losses.never_sent, losses.lost) == (5, 5, 10)


def test_without_the_senders_capture_every_loss_is_one_that_nobody_saw_leave() -> None:
    losses = count_losses(stream([]), call(without=range(200)), WINDOW)
    assert (losses.sent_not_received, losses.never_sent) == (0, 10)


def test_losses_long_before_the_trigger_are_not_the_handoffs() -> None:
    received = call(begin=-3000, without=range(-2500, -2000))
    assert count_losses(call(begin=-3000, delay=0), received, WINDOW) == Losses()


@pytest.mark.parametrize("first", [65500, 65535, 65536 - 40])
def test_a_sequence_number_that_wraps_loses_nothing(first: int) -> None:
    received = call(without=range(200), first=first)
    assert count_losses(call(delay=0, first=first), received, WINDOW) == Losses(sent_not_received=10)


def test_packets_that_overtake_each_other_are_reordered_not_lost() -> None:
    received = stream([(0, 0), (20, 2), (21, 1), (60, 3)])
    sent = stream([(-30, 0), (-10, 1), (10, 2), (30, 3)])
    assert count_losses(sent, received, WINDOW) == Losses(reordered=1)


def test_a_call_dialled_again_lost_what_its_silence_would_have_held() -> None:
    old = stream([(ms, number) for number, ms in enumerate(range(-200, 0, 20))], ssrc=1)
    new = stream([(ms, 5000 + number) for number, ms in enumerate(range(400, 5000, 20))], ssrc=2)
    both = joined(old, new)
    figures = judge(both, both, both.ssrc == 2, WINDOW)
    assert figures.gap is not None
    assert (figures.gap.start_ns, figures.gap.end_ns) == (-20 * MS, 400 * MS)
    assert figures.losses == Losses(never_sent=20)
    assert figures.new_path_ns == 400 * MS


def test_two_streams_at_once_are_not_taken_for_one() -> None:
    both = joined(call(), stream([(ms + 7, 900 + number) for number, ms in enumerate(range(-400, 400, 20))], ssrc=9))
    assert count_losses(both, both, WINDOW) == Losses()


def test_silences_are_told_with_their_ends() -> None:
    received = call(begin=-500, without=range(100, 200))
    found = silences(received.time_ns, WINDOW, 50)
    assert [(gap.start_ns // MS, gap.end_ns // MS) for gap in found] == [(110, 230)]


@given(st.lists(st.tuples(st.integers(-2000, 6000), st.integers(0, 65535)), max_size=60))
@settings(deadline=None)
def test_whatever_was_captured_the_figures_hang_together(packets: list[tuple[float, int]]) -> None:
    received = stream(sorted(packets))
    figures = judge(stream([]), received, nobody(received), WINDOW)
    gap = largest_gap(received.time_ns, WINDOW)
    assert (figures.interruption_ms is None) == (figures.gap is None)
    assert figures.gap is None or (gap is not None and figures.gap.ms >= gap.ms)
    assert figures.losses.lost >= 0
