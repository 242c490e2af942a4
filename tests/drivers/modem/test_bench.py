"""The bench of the AT channel measures something."""

from __future__ import annotations

import pytest

from drivers.modem import bench
from drivers.modem.errors import PortGone


def test_it_times_round_trips_both_ways_on_one_port() -> None:
    figures = bench.round_trips(count=20)
    assert figures.channel_ms > 0 and figures.bare_ms > 0
    assert figures.overhead_ms == figures.channel_ms - figures.bare_ms


def test_it_counts_answers_that_are_read() -> None:
    assert bench.parsed_per_s(count=10) > 0


def test_a_port_that_is_not_there_is_said() -> None:
    with pytest.raises(PortGone, match="there is no such device"):
        bench.round_trips("/dev/tty-of-nothing", 20)
