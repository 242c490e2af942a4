"""The air: path loss, attenuation, and which frames it swallows."""

from __future__ import annotations

import pytest

from drivers.errors import DriverError
from drivers.rf.errors import OutOfRange
from drivers.virtual.air import (
    Air,
    Frame,
    Outcome,
    Radio,
    Rate,
    Reception,
    loss_probability,
    path_loss_db,
    sensitivity_dbm,
)
from drivers.virtual.medium import LinkAttenuator, from_plan

LINK = frozenset(("ap1", "ue"))
BEACON = Frame("ap1", None, 100, 2412, (Rate(0, 1),))
DATA = Frame("ap1", "ue", 1000, 2412, (Rate(11, 2), Rate(0, 3)))


def air(seed: int = 1, loss_db: float = 60.0) -> Air:
    return Air(
        {"ap1": Radio("ap1"), "ap2": Radio("ap2", place_m=(50, 0)), "ue": Radio("ue")}, seed, 3.0, {LINK: loss_db}
    )


def test_free_space_up_to_a_metre_and_the_exponent_from_there() -> None:
    assert path_loss_db(1, 2412, 3) == pytest.approx(40.1, abs=0.1)
    assert path_loss_db(0, 2412, 3) == path_loss_db(1, 2412, 3)
    assert path_loss_db(10, 2412, 3) - path_loss_db(1, 2412, 3) == pytest.approx(30)
    assert path_loss_db(1, 5180, 3) - path_loss_db(1, 2412, 3) == pytest.approx(6.6, abs=0.1)


def test_the_signal_falls_by_what_is_set_both_ways_and_on_that_link_only() -> None:
    one = air()
    before = {pair: one.signal_dbm(*pair, 2412) for pair in (("ap1", "ue"), ("ue", "ap1"), ("ap2", "ue"))}
    one.attenuate(LINK, 12.25)
    assert one.signal_dbm("ap1", "ue", 2412) == before["ap1", "ue"] - 12.25
    assert one.signal_dbm("ue", "ap1", 2412) == before["ue", "ap1"] - 12.25
    assert one.signal_dbm("ap2", "ue", 2412) == before["ap2", "ue"]


def test_less_power_is_less_signal() -> None:
    one = air()
    one.radios["ap1"].power_dbm = 5.0
    assert one.signal_dbm("ap1", "ue", 2412) == -55.0
    assert one.signal_dbm("ue", "ap1", 2412) == -40.0


def test_all_hear_a_beacon_each_with_its_own_signal() -> None:
    outcome = air().carry(BEACON)
    assert [each.radio for each in outcome.receptions] == ["ap2", "ue"]
    assert outcome.receptions[1] == Reception("ue", -40)


def test_a_frame_with_plenty_of_signal_arrives_at_once() -> None:
    assert air().carry(DATA) == Outcome((1,), (Reception("ue", -40),), True)


def test_a_frame_that_is_too_fast_for_the_signal_arrives_with_a_slower_rate() -> None:
    one = air()
    one.attenuate(LINK, 45)  # -85 dBm: 54 Mbit/s needs -75, 1 Mbit/s -97
    assert one.carry(DATA) == Outcome((2, 1), (Reception("ue", -85),), True)


def test_out_of_reach_nothing_arrives_after_all_tries() -> None:
    one = air()
    one.attenuate(LINK, 80)
    assert one.carry(DATA) == Outcome((2, 3), ())


def test_nothing_leaves_a_radio_that_is_mute() -> None:
    one = air()
    one.radios["ap1"].mute = True
    assert one.carry(BEACON).receptions == ()
    assert one.carry(DATA).receptions == ()
    assert one.carry(Frame("ue", "ap1", 100, 2412, (Rate(0, 3),))) == Outcome((3,), (Reception("ap1", -40),))


def test_nobody_receives_what_is_for_nobody() -> None:
    assert air().carry(Frame("ap1", "", 100, 2412, (Rate(0, 4),))) == Outcome((4,), ())


def test_losses_grow_with_length_and_as_the_signal_falls() -> None:
    needed = sensitivity_dbm(Rate(11, 1), 2412)
    assert loss_probability(needed, needed, 1000) == pytest.approx(0.1)
    losses = [loss_probability(dbm, needed, 1000) for dbm in range(-60, -100, -1)]
    assert losses == sorted(losses)
    assert losses[0] < 1e-9
    assert losses[-1] == pytest.approx(1)
    assert loss_probability(needed - 6, needed, 100) > 0.98
    assert loss_probability(needed, needed, 100) < loss_probability(needed, needed, 1500)


def test_the_same_seed_loses_the_same_frames() -> None:
    def received(seed: int) -> list[bool]:
        one = air(seed)
        one.attenuate(LINK, 58)
        return [any(each.radio == "ue" for each in one.carry(BEACON).receptions) for _ in range(200)]

    assert received(1) == received(1)
    assert received(1) != received(2)
    assert 0 < sum(received(1)) < 200


def test_a_lever_made_of_air_has_limits_and_steps() -> None:
    lever = LinkAttenuator(air(), [LINK])
    assert lever.set_attenuation_db(12.3) == 12.25
    assert lever.attenuation_db() == 12.25
    with pytest.raises(OutOfRange, match="virtual medium, ap1-ue"):
        lever.set_attenuation_db(121)


@pytest.mark.parametrize("link", [("ap1", "ap9"), ("ap1", "ap1")])
def test_a_link_that_is_none(link: tuple[str, str]) -> None:
    with pytest.raises(DriverError, match=r"there is no radio ap9|a link has two radios"):
        LinkAttenuator(air(), [frozenset(link)])


def test_a_plan_says_what_an_attenuators_channels_move() -> None:
    plan = {
        "radios": {
            "ap1": {"address": "02:00:5e:10:00:01"},
            "ue": {"address": "02:00:5e:10:00:02", "place_m": [10, 0], "power_dbm": 15},
        },
        "losses_db": [["ap1", "ue", 50]],
        "channels": {"1": [["ap1", "ue"]]},
    }
    medium, channels = from_plan(plan)
    channels[1].set_attenuation_db(20)
    assert medium.air.signal_dbm("ue", "ap1", 2412) == 15 - 50 - 20


@pytest.mark.parametrize("plan", [{}, {"radios": {"ap1": {}}}, {"radios": {"ap1": {"address": "here"}}}, {"radios": 1}])
def test_a_plan_that_is_none(plan: dict[str, object]) -> None:
    with pytest.raises(DriverError, match="its plan is none"):
        from_plan(plan)
