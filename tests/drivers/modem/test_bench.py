"""The bench of the AT channel measures something."""

from __future__ import annotations

from drivers.modem import bench


def test_it_has_figures() -> None:
    figures = bench.measure(20, 10)
    assert figures.channel_ms > 0 and figures.bare_ms > 0 and figures.parsed_per_s > 0
