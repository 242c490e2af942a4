"""Matching, CANCEL, acknowledgement and failing flows in the transaction layer (RFC 3261 9, 17; RFC 6026)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sip_exchange import answer, layer, request, run_until, sent

from testbed.ims.errors import OurFault
from testbed.ims.message import Request
from testbed.ims.transaction import (
    AckReceived,
    Cancelled,
    ClientKey,
    Discarded,
    RequestReceived,
    ResponseReceived,
    Send,
    ServerKey,
    Terminated,
    TimedOut,
    TransactionLayer,
    TransportFailed,
)

BRANCH = "z9hG4bKabc"
VIA = f"SIP/2.0/UDP 10.0.0.2:1357;branch={BRANCH}"


def calling(reliable: bool = False) -> tuple[TransactionLayer, ClientKey, Request]:
    under_test, message = layer(), request("INVITE")
    key = under_test.request(message, "lte", 0.0, reliable)
    under_test.poll()
    return under_test, key, message


def called(method: str = "INVITE") -> tuple[TransactionLayer, ServerKey, Request]:
    under_test, message = layer(), request(method, via=VIA)
    under_test.receive(message, "lte", 0.0, False)
    (event,) = under_test.poll()
    assert isinstance(event, RequestReceived)
    return under_test, event.key, message


# Requests of ours


def test_a_branch_with_the_magic_cookie_is_added_and_given_ones_are_kept() -> None:
    under_test, key, message = calling()
    assert key.branch == message.via.branch
    assert key.branch.startswith("z9hG4bK")
    given = request("OPTIONS", via=VIA)
    assert under_test.request(given, "lte", 0.0, False) == ClientKey(BRANCH, "OPTIONS")
    assert given.headers.get("Via") == VIA


def test_adding_the_branch_leaves_the_other_hops_as_they_are() -> None:
    under_test, message = layer(), request("OPTIONS")
    message.headers.add("Via", "SIP/2.0/TCP a:1;branch=z9hG4bK1, SIP/2.0/UDP b:2;branch=z9hG4bK2")
    under_test.request(message, "lte", 0.0, False)
    assert [via.host for via in message.vias] == ["10.0.0.2", "a", "b"]
    assert [via.branch for via in message.vias][1:] == ["z9hG4bK1", "z9hG4bK2"]


def test_two_layers_with_the_same_seed_make_the_same_branches() -> None:
    assert layer(seed=7).request(request(), "lte", 0, False) == layer(seed=7).request(request(), "lte", 0, False)


def test_a_branch_in_use_and_an_ack_as_a_transaction_are_our_fault() -> None:
    under_test = layer()
    under_test.request(request("OPTIONS", via=VIA), "lte", 0.0, False)
    with pytest.raises(OurFault, match="in use"):
        under_test.request(request("OPTIONS", via=VIA), "lte", 0.0, False)
    with pytest.raises(OurFault, match="acknowledge"):
        under_test.request(request("ACK"), "lte", 0.0, False)


def test_responses_reach_the_core_by_branch_and_method() -> None:
    under_test, key, message = calling()
    ringing = answer(message, 180)
    under_test.receive(ringing, "lte", 0.1, False)
    assert under_test.poll() == [ResponseReceived(key, ringing)]
    stray = answer(message, 200)
    stray.headers.set("CSeq", "1 OPTIONS")
    under_test.receive(stray, "lte", 0.2, False)
    (event,) = under_test.poll()
    assert isinstance(event, Discarded)
    assert "no request" in event.reason


def test_the_ack_of_a_failure_goes_exactly_where_the_invite_went() -> None:
    under_test, _, message = calling()
    under_test.receive(answer(message, 486, tag="busy"), "lte", 0.1, False)
    send = under_test.poll()[0]
    assert isinstance(send, Send)
    ack = send.message
    assert isinstance(ack, Request)
    assert (ack.method, send.flow, str(ack.uri)) == ("ACK", "lte", str(message.uri))
    assert (str(ack.via), len(ack.vias)) == (str(message.via), 1)
    assert (ack.from_, ack.call_id, str(ack.cseq)) == (message.from_, message.call_id, "1 ACK")
    assert ack.to.tag == "busy"
    assert ack.routes == message.routes
    assert ack.headers.get("Security-Verify") == message.headers.get("Security-Verify")


def test_a_2xx_goes_up_until_it_is_acknowledged_and_then_the_layer_repeats_the_ack() -> None:
    under_test, key, message = calling()
    for now in (0.1, 0.6):
        under_test.receive(answer(message, 200), "lte", now, False)
        assert [type(event) for event in under_test.poll()] == [ResponseReceived]
    ack = request("ACK")
    ack.headers.set("To", str(answer(message, 200).to))
    under_test.acknowledge(key, ack, "lte")
    assert sent(under_test.poll()) == ["ACK"]
    branch = ack.via.branch
    assert branch is not None
    assert branch != key.branch
    under_test.receive(answer(message, 200), "lte", 1.6, False)
    assert under_test.poll() == [Send(ack, "lte")]
    forked = answer(message, 200, tag="another")
    under_test.receive(forked, "lte", 1.7, False)
    assert under_test.poll() == [ResponseReceived(key, forked)]


def test_a_failure_after_a_2xx_is_ignored() -> None:
    under_test, _, message = calling()
    under_test.receive(answer(message, 200), "lte", 0.1, False)
    under_test.poll()
    under_test.receive(answer(message, 486), "lte", 0.2, False)
    assert under_test.poll() == []


# CANCEL


def test_a_cancel_waits_for_a_provisional_response_and_then_follows_its_invite() -> None:
    under_test, key, message = calling()
    assert under_test.cancel(key, 0.1)
    assert under_test.poll() == []
    under_test.receive(answer(message, 180), "lte", 0.2, False)
    events = under_test.poll()
    assert sent(events) == ["CANCEL"]
    cancel = next(event.message for event in events if isinstance(event, Send))
    assert isinstance(cancel, Request)
    assert (cancel.via.branch, str(cancel.cseq), str(cancel.uri)) == (key.branch, "1 CANCEL", str(message.uri))
    assert cancel.routes == message.routes
    assert cancel.to.tag is None


def test_a_cancel_is_sent_once_however_often_it_is_asked_for() -> None:
    under_test, key, message = calling()
    under_test.receive(answer(message, 180), "lte", 0.2, False)
    under_test.poll()
    assert under_test.cancel(key, 0.3)
    assert under_test.cancel(key, 0.4)
    under_test.receive(answer(message, 180), "lte", 0.5, False)
    assert sent(under_test.poll()) == ["CANCEL"]


def test_a_cancelled_invite_ends_with_its_487() -> None:
    under_test, key, message = calling()
    under_test.receive(answer(message, 180), "lte", 0.2, False)
    under_test.cancel(key, 0.3)
    under_test.poll()
    final = answer(message, 487)
    under_test.receive(final, "lte", 0.4, False)
    events = under_test.poll()
    assert sent(events) == ["ACK"]
    assert ResponseReceived(key, final) in events


def test_a_cancelled_invite_that_never_ends_is_given_up_after_64_t1() -> None:
    under_test, key, message = calling()
    under_test.receive(answer(message, 180), "lte", 0.2, False)
    under_test.cancel(key, 1.0)
    under_test.poll()
    happened = run_until(under_test, 1000)
    assert (33.0, TimedOut(key, message)) in happened
    assert (33.0, Terminated(key)) in happened


def test_a_cancel_comes_too_late_once_there_is_a_final_response() -> None:
    under_test, key, message = calling()
    under_test.receive(answer(message, 200), "lte", 0.2, False)
    assert not under_test.cancel(key, 0.3)
    assert not under_test.cancel(ClientKey("z9hG4bKunknown", "INVITE"), 0.3)


def test_a_cancel_that_arrives_is_answered_and_the_core_is_told_once() -> None:
    under_test, key, message = called()
    under_test.respond(key, answer(message, 180, tag="ours"), 0.1)
    under_test.poll()
    cancel = request("CANCEL", via=VIA)
    under_test.receive(cancel, "lte", 0.2, False)
    first, second = under_test.poll()
    assert isinstance(first, Send)
    assert (first.message.status, first.message.to.tag) == (200, "ours")  # type: ignore[union-attr]
    assert second == Cancelled(key, message, "lte")
    under_test.receive(cancel, "lte", 0.7, False)
    assert sent(under_test.poll()) == ["200"]
    under_test.respond(key, answer(message, 487, tag="ours"), 0.8)
    assert sent(under_test.poll()) == ["487"]


def test_a_cancel_for_an_invite_already_answered_changes_nothing() -> None:
    under_test, key, message = called()
    under_test.respond(key, answer(message, 200), 0.1)
    under_test.poll()
    under_test.receive(request("CANCEL", via=VIA), "lte", 0.2, False)
    assert sent(events := under_test.poll()) == ["200"]
    assert not any(isinstance(event, Cancelled) for event in events)


def test_a_cancel_for_nothing_gets_a_481() -> None:
    under_test = layer()
    under_test.receive(request("CANCEL", via=VIA), "lte", 0.2, False)
    assert sent(under_test.poll()) == ["481"]


# Requests to us


def test_the_same_branch_from_another_sender_is_another_transaction() -> None:
    under_test, _, _ = called("OPTIONS")
    under_test.receive(request("OPTIONS", via=VIA.replace("10.0.0.2", "10.0.0.3")), "lte", 0.1, False)
    assert isinstance(under_test.poll()[0], RequestReceived)


def test_branches_without_the_magic_cookie_are_told_apart_by_the_older_rule() -> None:
    under_test = layer()
    for cseq in (1, 2):
        under_test.receive(request("OPTIONS", cseq, via="SIP/2.0/UDP old:5060;branch=1"), "lte", 0.1, False)
        assert isinstance(under_test.poll()[0], RequestReceived)
    under_test.receive(request("OPTIONS", 2, via="SIP/2.0/UDP old:5060;branch=1"), "lte", 0.2, False)
    assert under_test.poll() == []


def test_the_first_final_response_stays_and_a_response_after_the_end_says_false() -> None:
    under_test, key, message = called("OPTIONS")
    assert under_test.respond(key, answer(message, 200), 0.1)
    assert under_test.respond(key, answer(message, 500), 0.2)
    under_test.receive(message, "lte", 0.3, False)
    assert sent(under_test.poll()) == ["200", "200"]
    run_until(under_test, 100)
    assert not under_test.respond(key, answer(message, 200), 101)


def test_an_ack_that_belongs_to_nothing_is_handed_up_without_a_key() -> None:
    under_test, ack = layer(), request("ACK", via=VIA)
    under_test.receive(ack, "lte", 0.1, False)
    assert under_test.poll() == [AckReceived(ack, "lte", None)]


def test_an_ack_of_another_dialog_does_not_stop_a_2xx() -> None:
    under_test, key, message = called()
    under_test.respond(key, answer(message, 200), 0.0)
    under_test.poll()
    ack = request("ACK", via=VIA.replace("abc", "def"))
    ack.headers.set("To", "<sip:user2_public1@home1.net>;tag=wrong")
    under_test.receive(ack, "lte", 0.1, False)
    under_test.poll()
    assert len([event for _, event in run_until(under_test, 0.5) if isinstance(event, Send)]) == 1


def test_a_message_without_a_via_is_discarded_with_its_reason() -> None:
    under_test, message = layer(), request("OPTIONS", via=VIA)
    message.headers.remove("Via")
    under_test.receive(message, "lte", 0.0, False)
    (event,) = under_test.poll()
    assert isinstance(event, Discarded)
    assert "Via" in event.reason


# Flows that break


def test_when_a_flow_fails_everything_on_it_ends_and_the_rest_goes_on() -> None:
    under_test, key, message = calling()
    other = under_test.request(request("REGISTER"), "wifi", 0.0, False)
    under_test.receive(request("OPTIONS", via=VIA), "lte", 0.0, False)
    under_test.poll()
    under_test.flow_failed("lte", 0.1)
    events = under_test.poll()
    assert events[:2] == [TransportFailed(key, message), Terminated(key)]
    assert [type(event) for event in events[2:]] == [TransportFailed, Terminated]
    assert {event.key for _, event in run_until(under_test, 100) if isinstance(event, Terminated)} == {other}


def test_a_transport_error_ends_one_transaction() -> None:
    under_test, key, message = calling()
    under_test.transport_error(key, 0.1)
    under_test.transport_error(key, 0.2)
    assert under_test.poll() == [TransportFailed(key, message), Terminated(key)]
    assert under_test.next_timeout() is None


# For good


operations = st.lists(
    st.tuples(st.sampled_from(["INVITE", "OPTIONS", "ACK", "CANCEL", "180", "200", "486", "wait"]), st.integers(0, 3)),
    max_size=30,
)


@given(operations)
def test_no_order_of_messages_raises_and_in_the_end_nothing_is_left(order: list[tuple[str, int]]) -> None:
    under_test, now = layer(), 0.0
    keys = [under_test.request(request("INVITE" if n % 2 else "OPTIONS", n), "lte", now, False) for n in range(4)]
    requests = [event.message for event in under_test.poll() if isinstance(event, Send)]
    for what, which in order:
        now += 0.3
        if what == "wait":
            under_test.handle_timeout(now)
        elif what.isdigit():
            message = requests[which]
            assert isinstance(message, Request)
            under_test.receive(answer(message, int(what)), "lte", now, False)
        else:
            under_test.receive(request(what, which, via=f"SIP/2.0/UDP a:1;branch=z9hG4bK{which}"), "lte", now, False)
        for event in under_test.poll():
            if isinstance(event, RequestReceived):
                under_test.respond(event.key, answer(event.request, 200 + 286 * (which % 2)), now)
    for key in keys:
        under_test.cancel(key, now)
    run_until(under_test, now + 200)
    # An INVITE that rings for ever is the core's to cancel; all else has ended by itself.
    under_test.flow_failed("lte", now + 201)
    assert under_test.next_timeout() is None
    assert not under_test._clients
    assert not under_test._servers
    assert not under_test._awaiting_ack


def test_a_registration_costs_the_layer_less_than_a_millisecond() -> None:
    best = 1.0
    for _ in range(20):
        under_test, message = layer(), request("REGISTER")
        start = time.perf_counter()
        under_test.request(message, "lte", 0.0, False)
        under_test.receive(answer(message, 200), "lte", 0.1, False)
        under_test.poll()
        under_test.next_timeout()
        best = min(best, time.perf_counter() - start)
    assert best < 0.001
