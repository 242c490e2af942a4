"""The strip of media around a handoff."""

import numpy as np

from testbed.dashboard.strip import MediaStrip, level_marks, strip_lines, strip_of

MS = 1_000_000
TRIGGER = 5_000 * MS


def packets(first_ms: float, last_ms: float) -> np.ndarray:
    """Received every 20 ms; milliseconds from the trigger."""
    return np.arange(TRIGGER + first_ms * MS, TRIGGER + last_ms * MS, 20 * MS).astype(np.int64)


def test_the_silent_slots_are_the_interruption() -> None:
    times = np.concatenate([packets(-1000, 0), packets(107, 2000)])
    strip = strip_of({"uplink": times}, TRIGGER, 107.0, 100)
    (shares,) = strip.shares.values()
    assert (strip.slot_ms, strip.trigger) == (20.0, 15)
    assert len(shares) == 15 + 21
    silent_ms = sum(1 - share for share in shares) * strip.slot_ms
    assert abs(silent_ms - (127 - 25)) < 1  # the gap of 127 ms, less what one packet holds and the tolerance
    assert set(shares[:15]) == {1.0}
    assert set(shares[21:]) == {1.0}


def test_jitter_leaves_no_marks() -> None:
    jitter = np.random.default_rng(1).normal(0, 1.5 * MS, 200).astype(np.int64)
    times = np.sort(packets(-2000, 2000) + jitter)
    strip = strip_of({"downlink": times}, TRIGGER, 0.0, 60)
    assert set(level_marks(strip.shares["downlink"])) == {"▇"}


def test_a_long_handoff_has_longer_slots() -> None:
    strip = strip_of({"uplink": packets(-1000, 0)}, TRIGGER, 5000.0, 60)
    assert strip.slot_ms == 100.0
    assert len(strip.shares["uplink"]) <= 60
    assert strip.shares["uplink"][strip.trigger + 1] == 0.0


def test_no_packets_are_no_media() -> None:
    strip = strip_of({"uplink": np.array([], dtype=np.int64)}, TRIGGER, 0.0, 60)
    assert set(strip.shares["uplink"]) == {0.0}


def test_the_trigger_stands_below_its_slot() -> None:
    strip = MediaStrip(20.0, 3, {"uplink": (1, 1, 1, 0.5, 0, 1), "downlink": (1, 1, 1, 0, 0, 1)})
    assert strip_lines(strip, "loss of carrier") == [
        "media, one mark for 20 ms",
        "uplink   ▇▇▇▄▁▇",
        "downlink ▇▇▇▁▁▇",
        "            ▲ loss of carrier",
    ]
