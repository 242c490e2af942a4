"""The floor against hand-made sums for the two-access topology: LTE 25 ms, Wi-Fi 10 ms, far end 15 ms, core 1 ms."""

from __future__ import annotations

import pytest

from testbed.measure.floor import Delays, Floor, floor
from testbed.measure.words import Procedure

DELAYS = Delays(old_access=25, new_access=10, far_access=15, core=1)


def test_carrier_loss_over_udp_is_two_round_trips_the_invite_and_the_media() -> None:
    register, invite, media = 4 * 11, 10 + 2 + 15, 25
    assert floor(Procedure.GLOBAL_REREGISTRATION, DELAYS) == Floor(
        uplink=register + 2 * invite + media - (25 + 15), downlink=register + invite + media
    )


def test_tcp_adds_a_handshake_before_each_of_the_two_registers() -> None:
    udp = floor(Procedure.GLOBAL_REREGISTRATION, DELAYS, "udp")
    tcp = floor(Procedure.GLOBAL_REREGISTRATION, DELAYS, "tcp")
    assert (tcp.uplink - udp.uplink, tcp.downlink - udp.downlink) == (40, 40)


def test_the_stated_detection_time_is_in_both_directions() -> None:
    quick = floor(Procedure.GLOBAL_REREGISTRATION, DELAYS)
    slow = floor(Procedure.GLOBAL_REREGISTRATION, DELAYS, detection_ms=200)
    assert (slow.uplink - quick.uplink, slow.downlink - quick.downlink) == (200, 200)


def test_an_access_that_swallows_its_queue_lengthens_the_uplink_by_its_own_delay() -> None:
    drains = floor(Procedure.GLOBAL_REREGISTRATION, DELAYS)
    swallows = floor(Procedure.GLOBAL_REREGISTRATION, DELAYS, old_path_drains=False)
    assert (swallows.uplink - drains.uplink, swallows.downlink - drains.downlink) == (25, 0)


def test_make_before_break_has_no_floor() -> None:
    assert floor(Procedure.MAKE_BEFORE_BREAK, DELAYS, "tcp", 200) == Floor(0, 0)


@pytest.mark.parametrize("procedure", [Procedure.REPLACES, Procedure.RELEASE7])
def test_moving_by_a_new_invite_costs_the_same_round_trips_as_by_re_invite(procedure: Procedure) -> None:
    assert floor(procedure, DELAYS) == floor(Procedure.GLOBAL_REREGISTRATION, DELAYS)


def test_identities_that_move_one_by_one_cost_a_round_trip_each_but_the_first() -> None:
    one, four = (floor(Procedure.EXPLICIT_REREGISTRATION, DELAYS, identities=number) for number in (1, 4))
    assert one == floor(Procedure.GLOBAL_REREGISTRATION, DELAYS, identities=4)
    assert (four.uplink - one.uplink, four.downlink - one.downlink) == (3 * 22, 3 * 22)


def test_a_procedure_may_be_named_by_its_text() -> None:
    assert floor("release7", DELAYS).downlink > 0  # type: ignore[arg-type]
