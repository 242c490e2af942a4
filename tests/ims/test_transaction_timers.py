"""Every timer of the transactions at exactly its time (RFC 3261 17 and table 4, RFC 6026, 13.3.1.4)."""

import pytest
from sip_exchange import answer, layer, request, run_until, send_times, sent

from testbed.ims.message import Request
from testbed.ims.timers import Timers
from testbed.ims.transaction import (
    AckReceived,
    RequestReceived,
    Send,
    ServerKey,
    Terminated,
    TimedOut,
    TransactionLayer,
)

IMS = Timers.ims()
A_TIMES = [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]  # T1, then doubling without limit
E_TIMES = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]  # T1, doubling up to T2


def client(method: str, *, timers: Timers | None = None, reliable: bool = False) -> tuple[TransactionLayer, Request]:
    """A layer that has just sent a request at time 0."""
    under_test = layer(timers)
    message = request(method)
    under_test.request(message, "flow", 0.0, reliable)
    assert sent(under_test.poll()) == [method]
    return under_test, message


def server(
    method: str, *, timers: Timers | None = None, reliable: bool = False
) -> tuple[TransactionLayer, ServerKey, Request]:
    """A layer that has just received a request at time 0."""
    under_test = layer(timers)
    message = request(method, via="SIP/2.0/UDP 10.0.0.2:1357;branch=z9hG4bKabc")
    under_test.receive(message, "flow", 0.0, reliable)
    (event,) = under_test.poll()
    assert isinstance(event, RequestReceived)
    return under_test, event.key, message


def ack_of(invite: Request, to: str, branch: str) -> Request:
    ack = request("ACK", via=f"SIP/2.0/UDP 10.0.0.2:1357;branch={branch}")
    ack.headers.set("To", to)
    return ack


# INVITE client


def test_an_unanswered_invite_is_repeated_by_timer_a_and_given_up_by_timer_b() -> None:
    under_test, message = client("INVITE")
    happened = run_until(under_test, 1000)
    assert send_times(happened) == A_TIMES
    assert happened[-2][0] == happened[-1][0] == 32
    timed_out, terminated = happened[-2][1], happened[-1][1]
    assert isinstance(timed_out, TimedOut)
    assert timed_out.request is message
    assert isinstance(terminated, Terminated)
    assert under_test.next_timeout() is None


def test_with_the_ims_timers_an_invite_is_repeated_from_2_s_and_given_up_at_128_s() -> None:
    under_test, _ = client("INVITE", timers=IMS)
    happened = run_until(under_test, 1000)
    assert send_times(happened) == [2, 6, 14, 30, 62, 126]
    assert happened[-1][0] == 128


def test_over_a_reliable_transport_nothing_is_repeated_but_the_timeout_stands() -> None:
    for method in ("INVITE", "OPTIONS"):
        under_test, _ = client(method, reliable=True)
        happened = run_until(under_test, 1000)
        assert send_times(happened) == []
        assert [time for time, _ in happened] == [32, 32]


def test_a_provisional_response_stops_timers_a_and_b() -> None:
    under_test, message = client("INVITE")
    under_test.receive(answer(message, 180), "flow", 0.6, False)
    assert under_test.next_timeout() is None


@pytest.mark.parametrize(("timers", "expected"), [(Timers.rfc3261(), 32.1), (IMS, 128.1)])
def test_a_failed_invite_acknowledges_repetitions_until_timer_d(timers: Timers, expected: float) -> None:
    under_test, message = client("INVITE", timers=timers)
    under_test.receive(answer(message, 486), "flow", 0.1, False)
    assert sent(under_test.poll()) == ["ACK"]
    under_test.receive(answer(message, 486), "flow", 20, False)
    again = under_test.poll()
    assert sent(again) == ["ACK"]
    assert len(again) == 1  # the core hears of the failure once
    (time, event), *more = run_until(under_test, 1000)
    assert time == pytest.approx(expected)
    assert isinstance(event, Terminated)
    assert not more


def test_a_failed_invite_over_a_reliable_transport_is_over_at_once() -> None:
    under_test, message = client("INVITE", reliable=True)
    under_test.receive(answer(message, 486), "flow", 0.1, True)
    assert isinstance(under_test.poll()[-1], Terminated)
    assert under_test.next_timeout() is None


def test_after_a_2xx_further_ones_are_taken_until_timer_m() -> None:
    under_test, message = client("INVITE")
    under_test.receive(answer(message, 200), "flow", 0.1, False)
    under_test.poll()
    assert under_test.next_timeout() == pytest.approx(32.1)
    assert [type(event) for _, event in run_until(under_test, 1000)] == [Terminated]


# Non-INVITE client


@pytest.mark.parametrize("method", ["REGISTER", "BYE", "SUBSCRIBE"])
def test_an_unanswered_request_is_repeated_by_timer_e_up_to_t2_and_given_up_by_timer_f(method: str) -> None:
    under_test, _ = client(method)
    happened = run_until(under_test, 1000)
    assert send_times(happened) == E_TIMES
    assert [(time, type(event)) for time, event in happened[-2:]] == [(32, TimedOut), (32, Terminated)]


def test_with_the_ims_timers_a_register_is_repeated_up_to_every_16_s() -> None:
    under_test, _ = client("REGISTER", timers=IMS)
    happened = run_until(under_test, 1000)
    assert send_times(happened) == [2, 6, 14, 30, 46, 62, 78, 94, 110, 126]
    assert happened[-1][0] == 128


def test_after_a_provisional_response_timer_e_goes_on_at_t2_and_timer_f_stands() -> None:
    under_test, message = client("REGISTER")
    assert send_times(run_until(under_test, 1.0)) == [0.5]
    under_test.receive(answer(message, 100), "flow", 1.0, False)
    under_test.poll()
    happened = run_until(under_test, 1000)
    assert send_times(happened) == [1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert happened[-1][0] == 32


@pytest.mark.parametrize(("timers", "expected"), [(Timers.rfc3261(), 5.1), (IMS, 17.1)])
def test_an_answered_request_absorbs_repetitions_until_timer_k(timers: Timers, expected: float) -> None:
    under_test, message = client("REGISTER", timers=timers)
    under_test.receive(answer(message, 200), "flow", 0.1, False)
    under_test.poll()
    under_test.receive(answer(message, 200), "flow", 1.0, False)
    assert under_test.poll() == []
    (time, event), *more = run_until(under_test, 1000)
    assert time == pytest.approx(expected)
    assert isinstance(event, Terminated)
    assert not more


# INVITE server


def test_an_invite_nobody_answers_gets_a_100_after_200_ms() -> None:
    under_test, _, message = server("INVITE")
    happened = run_until(under_test, 1000)
    assert send_times(happened) == [0.2]
    assert sent([event for _, event in happened]) == ["100"]
    under_test.receive(message, "flow", 3.0, False)
    assert sent(under_test.poll()) == ["100"]


def test_an_invite_that_rings_at_once_gets_no_100() -> None:
    under_test, key, message = server("INVITE")
    under_test.respond(key, answer(message, 180), 0.1)
    assert sent(under_test.poll()) == ["180"]
    assert under_test.next_timeout() is None


def test_a_failure_is_repeated_by_timer_g_until_timer_h() -> None:
    under_test, key, message = server("INVITE")
    under_test.respond(key, answer(message, 486), 0.0)
    assert sent(under_test.poll()) == ["486"]
    happened = run_until(under_test, 1000)
    assert send_times(happened) == E_TIMES
    assert [(time, type(event)) for time, event in happened[-2:]] == [(32, TimedOut), (32, Terminated)]


@pytest.mark.parametrize(("timers", "expected"), [(Timers.rfc3261(), 6.0), (IMS, 18.0)])
def test_the_ack_of_a_failure_ends_its_repetition_and_repeated_acks_are_absorbed_until_timer_i(
    timers: Timers, expected: float
) -> None:
    under_test, key, message = server("INVITE", timers=timers)
    under_test.respond(key, answer(message, 486), 0.0)
    under_test.poll()
    for now in (1.0, 1.5):
        under_test.receive(ack_of(message, str(answer(message, 486).to), "z9hG4bKabc"), "flow", now, False)
    assert under_test.poll() == []
    assert [(time, type(event)) for time, event in run_until(under_test, 1000)] == [(expected, Terminated)]


def test_over_a_reliable_transport_a_failure_is_sent_once_and_its_ack_ends_everything() -> None:
    under_test, key, message = server("INVITE", reliable=True)
    under_test.respond(key, answer(message, 486), 0.0)
    under_test.poll()
    assert run_until(under_test, 31) == []
    under_test.receive(ack_of(message, str(answer(message, 486).to), "z9hG4bKabc"), "flow", 31.5, True)
    assert [type(event) for event in under_test.poll()] == [Terminated]


@pytest.mark.parametrize("reliable", [False, True])
def test_a_2xx_is_repeated_on_every_transport_until_its_ack(reliable: bool) -> None:
    under_test, key, message = server("INVITE", reliable=reliable)
    under_test.respond(key, answer(message, 200), 0.0)
    under_test.poll()
    assert send_times(run_until(under_test, 8)) == [0.5, 1.5, 3.5, 7.5]
    under_test.receive(ack_of(message, str(answer(message, 200).to), "z9hG4bKanother"), "flow", 9.0, reliable)
    (event,) = under_test.poll()
    assert isinstance(event, AckReceived)
    assert event.key == key
    assert [(time, type(event)) for time, event in run_until(under_test, 1000)] == [(32, Terminated)]


def test_a_2xx_that_is_never_acknowledged_is_reported_when_timer_l_fires() -> None:
    under_test, key, message = server("INVITE")
    under_test.respond(key, answer(message, 200), 0.0)
    under_test.poll()
    happened = run_until(under_test, 1000)
    assert send_times(happened) == E_TIMES
    assert [(time, type(event)) for time, event in happened[-2:]] == [(32, TimedOut), (32, Terminated)]


# Non-INVITE server


def test_a_repeated_request_gets_its_response_again_until_timer_j() -> None:
    under_test, key, message = server("REGISTER")
    under_test.receive(message, "flow", 0.5, False)
    assert under_test.poll() == []  # nothing to say yet
    under_test.respond(key, answer(message, 200), 1.0)
    assert sent(under_test.poll()) == ["200"]
    under_test.receive(message, "flow", 30.0, False)
    assert sent(under_test.poll()) == ["200"]
    assert [(time, type(event)) for time, event in run_until(under_test, 1000)] == [(33, Terminated)]
    under_test.receive(message, "flow", 34.0, False)
    assert isinstance(under_test.poll()[0], RequestReceived)


def test_over_a_reliable_transport_a_response_ends_the_transaction() -> None:
    under_test, key, message = server("REGISTER", reliable=True)
    under_test.respond(key, answer(message, 200), 1.0)
    assert [type(event) for event in under_test.poll()] == [Send, Terminated]


# The clock


def test_timers_missed_by_a_late_caller_fire_once_each_and_in_order() -> None:
    under_test, _ = client("INVITE")
    under_test.handle_timeout(40.0)
    events = under_test.poll()
    assert [type(event) for event in events] == [Send, TimedOut, Terminated]


def test_a_call_before_the_time_does_nothing() -> None:
    under_test, _ = client("INVITE")
    under_test.handle_timeout(0.499)
    assert under_test.poll() == []
    assert under_test.next_timeout() == 0.5
