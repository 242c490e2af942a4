"""The timer table (RFC 3261 table 4, TS 24.229 table 7.7.1)."""

from testbed.ims.timers import Timers, refresh_after


def table(timers: Timers) -> dict[str, float]:
    return {name: getattr(timers, name) for name in ("t1", "t2", "t4", *"abdefghijklm")}


def test_the_values_of_rfc_3261() -> None:
    assert table(Timers.rfc3261()) == {
        "t1": 0.5, "t2": 4, "t4": 5, "a": 0.5, "b": 32, "d": 32, "e": 0.5, "f": 32, "g": 0.5, "h": 32, "i": 5,
        "j": 32, "k": 5, "l": 32, "m": 32,
    }  # fmt: skip


def test_the_values_of_an_ims_ue() -> None:
    assert table(Timers.ims()) == {
        "t1": 2, "t2": 16, "t4": 17, "a": 2, "b": 128, "d": 128, "e": 2, "f": 128, "g": 2, "h": 128, "i": 17,
        "j": 128, "k": 17, "l": 128, "m": 128,
    }  # fmt: skip


def test_timer_d_is_never_below_32_seconds() -> None:
    assert Timers(t1=0.1).d == 32


def test_what_is_long_is_refreshed_600_seconds_before_its_end_and_what_is_short_at_half() -> None:
    assert [refresh_after(seconds) for seconds in (600_000, 1201, 1200, 60)] == [599_400, 601, 600, 30]
