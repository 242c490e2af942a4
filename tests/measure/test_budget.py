"""Every millisecond above the floor has a name, and those of a direction sum to what the captures say."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from synthetic_call import P_FAR, P_LTE, P_WIFI, WIFI, Call, Moments, Sa, Tape, datagram, sip
from test_handoff import ends

from testbed.measure.budget import Share, above_floor, total_ms
from testbed.measure.chain import Scene
from testbed.measure.datagrams import segments
from testbed.measure.esp import EspKeys
from testbed.measure.exchange import exchanges, residence_ns
from testbed.measure.handoff import measure_handoff, no_end, windows
from testbed.measure.packets import TCP, read_packets
from testbed.measure.pcapng_writer import ip_packet, udp_packet
from testbed.measure.sip_trace import SipMessage, sip_messages
from testbed.measure.words import Direction, Procedure

UP, DOWN = Direction.UPLINK, Direction.DOWNLINK
BOTH = (UP, DOWN)


def scene(folder: Path, call: Call, **changes: object) -> Scene:
    ue, far = ends(folder, call)
    (window,) = windows(ue.markers, [call.plan()], ue.last_ns)
    new = frozenset([call.address(WIFI)])
    plan = replace(call.plan(), **changes)  # type: ignore[arg-type]
    return Scene(measure_handoff(plan, window, ue, far, new), ue, far, new)


def excess(of: Scene, direction: Direction) -> float:
    value = of.handoff.media[direction].interruption_ms
    assert value is not None
    return value - getattr(of.handoff.floor, direction.value)


def by_name(shares: list[Share]) -> dict[tuple[str, str], float]:
    return {(share.what, share.whose): round(share.ms, 3) for share in shares}


def test_every_step_of_a_handoff_is_named_with_whose_it_is(tmp_path: Path) -> None:
    of = scene(tmp_path, Call())
    assert [(share.what, share.whose, round(share.ms, 3), share.directions) for share in above_floor(of)] == [
        ("noticing that the access is gone", "UE", 1.0, BOTH),
        ("getting on the new access", "UE", 3.0, BOTH),
        ("making the first REGISTER", "UE", 1.0, BOTH),
        ("REGISTER → 401", "core+network", 2.0, BOTH),
        ("keys, associations and the next REGISTER", "UE", 5.0, BOTH),
        ("REGISTER → 200", "core+network", 4.0, BOTH),
        ("from the registration to the INVITE", "UE", 2.0, BOTH),
        ("INVITE on its way to the far end", "core+network", 2.5, BOTH),
        ("far end answers the INVITE", "far UE", 0.5, (UP,)),
        ("200 on its way to the UE", "core+network", 1.0, (UP,)),
        ("sending to the new address", "UE", 0.5, (UP,)),
        ("packet grid: where the gap's two ends fell between packets", "measurement", -0.5, (UP,)),
        ("sending to the new address", "far UE", 0.5, (DOWN,)),
        ("packet grid: where the gap's two ends fell between packets", "measurement", 8.0, (DOWN,)),
    ]


@given(
    steps=st.lists(st.floats(0.05, 60).map(lambda ms: round(ms, 3)), min_size=11, max_size=11),
    unseen=st.sets(st.integers(0, 10), max_size=4),
    grid=st.floats(0, 19.9).map(lambda ms: round(ms, 3)),
    keys=st.booleans(),
)
@example(steps=[5.0] * 11, unseen={7, 8}, grid=3.0, keys=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_shares_sum_to_the_interruption_less_its_floor_whatever_was_captured(
    tmp_path: Path, steps: list[float], unseen: set[int], grid: float, keys: bool
) -> None:
    at, moments = 0.0, []
    for step in steps:
        at += step
        moments.append(at)
    seen = [None if number in unseen else moment for number, moment in enumerate(moments)]
    call = Call(
        moments=Moments(*seen), up_resumes=moments[10], down_moves=moments[8],
        grid_up=grid, grid_down=19.95 - grid, end=3000, protected=keys,
    )  # fmt: skip
    of = scene(tmp_path, call)
    shares = above_floor(of)
    for direction in Direction:
        assert total_ms(shares, direction) == pytest.approx(excess(of, direction), abs=0.01)
        grid_ms = sum(s.ms for s in shares if s.whose == "measurement" and direction in s.directions)
        assert abs(grid_ms) <= 20.001, "the raster is good for one interval at most"


def test_a_moment_that_was_not_captured_lends_its_floor_to_the_next(tmp_path: Path) -> None:
    of = scene(tmp_path, Call(moments=replace(Moments(), far_heard=None, far_answered=None), down_moves=92.0))
    named = by_name(above_floor(of))
    assert named["200 on its way to the UE", "core+network"] == 2.5 + 0.5 + 1.0
    assert total_ms(above_floor(of), DOWN) == pytest.approx(excess(of, DOWN))


def test_without_keys_registration_and_session_are_told_as_wholes(tmp_path: Path) -> None:
    call = Call()
    of = scene(tmp_path, call)
    ue = replace(of.ue, messages=[m for m in of.ue.messages if not m.protected])
    shares = above_floor(replace(of, ue=ue, far=replace(of.far, messages=[])))
    named = by_name([share for share in shares if UP in share.directions])
    assert named["registering", "UE, core+network"] == pytest.approx(5 + 4)
    assert named["moving the session", "UE, core+network, far UE"] == pytest.approx(60.5 - 2 * 27)


def test_a_second_challenge_is_wholly_above_the_floor(tmp_path: Path) -> None:
    """The 401 race of ims_auth: an answer that comes too early is challenged once more."""
    again = (
        (36.0, udp_packet(WIFI, 5060, P_WIFI, 5060, sip("REGISTER", 9)), True),
        (59.0, udp_packet(P_WIFI, 5060, WIFI, 5060, sip("REGISTER", 9, 401)), False),
    )
    moments = Moments(1, 4, 5, 29, 64, 90, 92, 121.5, 122, 150, 150.5)
    of = scene(tmp_path, Call(moments=moments, extra_ue=again))
    rounds = [share for share in above_floor(of) if share.what.startswith("REGISTER")]
    assert [(share.what, round(share.ms, 3)) for share in rounds] == [
        ("REGISTER → 401", 2), ("REGISTER → 401", 23), ("REGISTER → 200", 4),
    ]  # fmt: skip
    assert total_ms(above_floor(of), UP) == pytest.approx(excess(of, UP))


def test_a_request_sent_twice_says_so(tmp_path: Path) -> None:
    again = ((17.0, udp_packet(WIFI, 5060, P_WIFI, 5060, sip("REGISTER", 1)), True),)
    assert ("REGISTER → 401, sent 2 times", "core+network") in by_name(
        above_floor(scene(tmp_path, Call(extra_ue=again)))
    )


def test_over_tcp_the_handshakes_have_their_share_of_the_floor(tmp_path: Path) -> None:
    def syn(source: str, port: int, destination: str, other: int, flags: int) -> bytes:
        head = struct.pack(">HHIIBBHHH", port, other, 1, 0, 5 << 4, flags, 9000, 0, 0)
        return ip_packet(source, destination, TCP, head)

    moments = Moments(1, 4, 30, 54, 90, 116, 118, 147.5, 148, 176, 176.5)
    handshakes = (
        (5.0, syn(WIFI, 6000, P_WIFI, 5060, 2), True),
        (26.0, syn(P_WIFI, 5060, WIFI, 6000, 18), False),
        (64.0, syn(WIFI, 6101, P_WIFI, 6102, 2), True),
        (87.0, syn(P_WIFI, 6102, WIFI, 6101, 18), False),
    )
    of = scene(tmp_path, Call(moments=moments, extra_ue=handshakes), transport="tcp")
    shares = [(share.what, round(share.ms, 3)) for share in above_floor(of)]
    assert shares[2:10] == [
        ("opening a TCP connection", 1), ("TCP handshake", 1), ("making the first REGISTER", 4), ("REGISTER → 401", 2),
        ("opening a TCP connection", 10), ("TCP handshake", 3), ("keys, associations and the next REGISTER", 3),
        ("REGISTER → 200", 4),
    ]  # fmt: skip
    for direction in Direction:
        assert total_ms(above_floor(of), direction) == pytest.approx(excess(of, direction))


def test_an_end_that_misses_its_packets_turn_answers_for_it(tmp_path: Path) -> None:
    of = scene(tmp_path, Call(up_resumes=165.0))  # 172 is the fourth turn after the answer
    named = by_name(above_floor(of))
    assert named["sending to the new address", "UE"] == 172 - 20 - 120
    assert total_ms(above_floor(of), UP) == pytest.approx(excess(of, UP))


def test_media_before_the_answer_is_less_than_the_floor_grants(tmp_path: Path) -> None:
    of = scene(tmp_path, Call(up_resumes=62.0))
    assert total_ms(above_floor(of), UP) == pytest.approx(excess(of, UP))
    assert excess(of, UP) < 0


def test_an_access_that_swallows_its_queue_costs_the_floor_not_the_network(tmp_path: Path) -> None:
    of = scene(tmp_path, Call(), old_path_drains=False)
    assert total_ms(above_floor(of), UP) == pytest.approx(excess(of, UP))


def test_a_black_hole_is_noticed_from_the_last_packet_on(tmp_path: Path) -> None:
    late = Moments(*(None if each is None else each + 185.5 for each in vars(Moments()).values()))
    of = scene(tmp_path, Call(moments=late), detection_ms=200.0)
    named = by_name(above_floor(of))
    assert named["noticing that the access is gone", "UE"] == 186.5 + 17 - 200, "the last packet came 17 ms before"
    for direction in Direction:
        assert total_ms(above_floor(of), direction) == pytest.approx(excess(of, direction))


def test_an_invite_that_was_refused_first_is_above_the_floor(tmp_path: Path) -> None:
    sa, back = Call().sas()[:2]

    def inside(of: Sa, text: bytes) -> bytes:
        return of.seal(17, datagram(of.source, 6101, of.destination, 6102, text), 99)

    first = (
        (61.0, inside(sa, sip("INVITE", 6)), True),
        (101.0, inside(back, sip("INVITE", 6, 491)), False),
    )
    moments = Moments(1, 4, 5, 29, 34, 60, 112, 141.5, 142, 170, 170.5)
    of = scene(tmp_path, Call(moments=moments, extra_ue=first))
    named = by_name(above_floor(of))
    assert (named["making an INVITE that is refused", "UE"], named["INVITE → 491", "core+network"]) == (1, 40)
    assert named["from the registration to the INVITE", "UE"] == 11
    assert total_ms(above_floor(of), UP) == pytest.approx(excess(of, UP))


def test_make_before_break_is_told_by_its_two_packets(tmp_path: Path) -> None:
    moments = Moments(None, -420, -400, -376, -371, -345, -343, -313, -312, -284, -283.5)
    of = scene(tmp_path, Call(procedure=Procedure.MAKE_BEFORE_BREAK, moments=moments))
    for direction in Direction:
        assert total_ms(above_floor(of), direction) == pytest.approx(excess(of, direction)) == 0


def test_media_that_never_came_back_is_not_apportioned(tmp_path: Path) -> None:
    moments = replace(Moments(), invite=None, far_heard=None, far_answered=None, answered=None, moved=None)
    assert above_floor(scene(tmp_path, Call(moments=moments))) == []


def test_without_the_far_ends_capture_downlink_is_apportioned_all_the_same(tmp_path: Path) -> None:
    whole = scene(tmp_path, Call())
    plan, window = whole.handoff.plan, whole.handoff.window
    figures = measure_handoff(plan, window, whole.ue, no_end(), whole.new_addresses)
    of = Scene(figures, whole.ue, no_end(), whole.new_addresses)
    assert total_ms(above_floor(of), DOWN) == pytest.approx(excess(of, DOWN))


def server(folder: Path, name: str, hops: list[tuple[float, str, str, bytes, bool]]) -> list[SipMessage]:
    tape = Tape()
    for ms, source, destination, text, outgoing in hops:
        tape.add(ms, udp_packet(source, 5060, destination, 5060, text), outgoing=outgoing)
    return sip_messages(segments(read_packets(tape.write(folder / f"{name}.pcapng")), EspKeys()))


def test_captures_at_servers_take_the_cores_time_apart(tmp_path: Path) -> None:
    s_cscf = "10.9.0.4"
    request, challenge = sip("REGISTER", 1), sip("REGISTER", 1, 401)
    trying = sip("REGISTER", 1, 100)
    pcscf = server(tmp_path, "pcscf-wifi", [
        (15.1, WIFI, P_WIFI, request, False), (15.2, P_WIFI, WIFI, trying, True), (15.5, P_WIFI, s_cscf, request, True),
        (18.2, s_cscf, P_WIFI, challenge, False), (18.6, P_WIFI, WIFI, challenge, True),
    ])  # fmt: skip
    scscf = server(tmp_path, "scscf", [(16.5, P_WIFI, s_cscf, request, False), (17.2, s_cscf, P_WIFI, challenge, True)])
    of = replace(scene(tmp_path, Call()), servers={"pcscf-wifi": pcscf, "scscf": scscf})
    named = by_name(above_floor(of))
    assert named["REGISTER → 401: held", "pcscf-wifi"] == pytest.approx(0.8)
    assert named["REGISTER → 401: held", "scscf"] == pytest.approx(0.7)
    assert named["REGISTER → 401", "network"] == pytest.approx(2 - 0.8 - 0.7)
    assert total_ms(above_floor(of), DOWN) == pytest.approx(excess(of, DOWN))


def test_a_server_that_repeats_itself_held_the_message_once(tmp_path: Path) -> None:
    request = sip("INVITE", 7)
    heard = server(tmp_path, "scscf", [
        (0, P_WIFI, "10.9.0.4", request, False), (1, P_WIFI, "10.9.0.4", request, False),
        (3, "10.9.0.4", P_FAR, request, True), (9, "10.9.0.4", P_FAR, request, True),
    ])  # fmt: skip
    name = ("call", 7, "INVITE")
    assert residence_ns(heard, name, heard[0].time_ns, heard[-1].time_ns) == 3_000_000


def test_exchanges_are_paired_by_call_id_and_cseq(tmp_path: Path) -> None:
    trace = server(tmp_path, "ue", [
        (0, WIFI, P_WIFI, sip("REGISTER", 1), True), (1, WIFI, P_WIFI, sip("REGISTER", 1, call_id="other"), True),
        (2, P_WIFI, WIFI, sip("REGISTER", 1, 401, call_id="other"), False), (3, P_LTE, WIFI, sip("INVITE", 1), False),
        (4, P_WIFI, WIFI, sip("REGISTER", 1, 200), False), (5, WIFI, P_WIFI, sip("ACK", 1), True),
    ])  # fmt: skip
    first, last = trace[0].time_ns, trace[-1].time_ns
    found = exchanges(trace, {WIFI}, first, last)
    assert [(one.key[0], one.status, (one.answered_ns or 0) - one.sent_ns) for one in found] == [
        ("reg", 200, 4_000_000), ("other", 401, 1_000_000),
    ]  # fmt: skip
    assert exchanges(trace, {WIFI}, first + 500_000, last)[0].key[0] == "other"
