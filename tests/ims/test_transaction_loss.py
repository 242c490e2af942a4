"""Whole exchanges over a path that loses messages: the ends must still agree (RFC 3261 17, 13.3.1.4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_exchange import Network, request

from testbed.ims.transaction import Terminated, TimedOut


def over(network: Network) -> bool:
    """Nothing is left running at either end."""
    return network.caller.next_timeout() is None and network.far.next_timeout() is None


@pytest.mark.parametrize(
    ("method", "status", "wire"),
    [
        ("INVITE", 200, ["INVITE", "180", "200", "ACK"]),
        ("INVITE", 486, ["INVITE", "180", "486", "ACK"]),
        ("REGISTER", 200, ["REGISTER", "200"]),
        ("BYE", 481, ["BYE", "481"]),
    ],
)
def test_without_loss_each_message_crosses_once(method: str, status: int, wire: list[str]) -> None:
    network = Network(lambda n, message: False, status=status)
    network.run(request(method))
    assert network.wire == wire
    assert network.finals == [status]
    assert over(network)


@pytest.mark.parametrize("status", [200, 486])
@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_the_loss_of_any_one_message_of_an_invite_exchange_is_made_good(lost: int, status: int) -> None:
    network = Network(lambda n, message: n == lost, status=status)
    network.run(request("INVITE"))
    assert network.finals == [status]
    assert network.requests == 1
    assert network.acks == (1 if status == 200 else 0)  # the ACK of a failure is no business of the core
    assert not any(isinstance(event, TimedOut) for event in network.caller_events + network.far_events)
    assert over(network)


@pytest.mark.parametrize("lost", [0, 1])
def test_the_loss_of_any_one_message_of_a_registration_costs_one_t1(lost: int) -> None:
    network = Network(lambda n, message: n == lost)
    network.run(request("REGISTER"), until=0.52)
    assert network.finals == [200]
    assert network.requests == 1
    assert network.wire == (["REGISTER", "REGISTER", "200"] if lost == 0 else ["REGISTER", "200", "REGISTER", "200"])


def test_when_the_path_is_dead_both_ends_give_up_and_say_so() -> None:
    network = Network(lambda n, message: True)
    network.run(request("INVITE"))
    assert network.finals == []
    assert [type(event) for event in network.caller_events[-2:]] == [TimedOut, Terminated]
    assert over(network)


def test_when_every_ack_is_lost_the_far_end_is_told_and_the_caller_repeats_it_by_itself() -> None:
    network = Network(lambda n, message: getattr(message, "method", "") == "ACK", ring=False)
    network.run(request("INVITE"))
    assert network.finals == [200]  # the core heard of it once, the layer acknowledged every repetition
    assert network.wire.count("ACK") == network.wire.count("200") == 11
    assert sum(isinstance(event, TimedOut) for event in network.far_events) == 1
    assert over(network)


def test_over_a_reliable_transport_nothing_is_repeated_but_what_must_be() -> None:
    network = Network(lambda n, message: False, reliable=True)
    network.run(request("INVITE"))
    assert network.wire == ["INVITE", "180", "200", "ACK"]
    assert over(network)


@settings(deadline=None, max_examples=60)
@given(
    lost=st.sets(st.integers(0, 7), max_size=5),
    method=st.sampled_from(["INVITE", "REGISTER"]),
    status=st.sampled_from([200, 302, 486, 603]),
)
def test_whatever_few_messages_are_lost_the_exchange_ends_the_same(lost: set[int], method: str, status: int) -> None:
    network = Network(lambda n, message: n in lost, status=status)
    network.run(request(method))
    assert network.finals == [status]
    assert network.requests == 1
    assert network.acks == (1 if (method, status) == ("INVITE", 200) else 0)
    assert over(network)
