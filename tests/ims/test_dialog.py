"""Dialogs: creation at both ends, requests in them, checks on arrival, glare, a path that moves (RFC 3261 12, 14)."""

import random

import pytest
from sip_exchange import FAR, UE, answer, request

from testbed.ims.dialog import Dialog, DialogKey, DialogState
from testbed.ims.errors import OurFault, PeerFault
from testbed.ims.headers import NameAddr
from testbed.ims.message import Request, Response

ROUTES = ("<sip:pcscf2.home1.net:6102;lr>", "<sip:scscf1.home1.net;lr>", "<sip:pcscf1.visited1.net:7531;lr>")
VIA = "SIP/2.0/UDP 10.0.0.2:1357"


def at_the_caller(status: int = 200) -> Dialog:
    invite = request("INVITE")
    return Dialog.uac(invite, answer(invite, status, routes=ROUTES))


def at_the_called(status: int = 200) -> tuple[Dialog, Request]:
    invite = request("INVITE")
    for route in ROUTES:
        invite.headers.add("Record-Route", route)
    return Dialog.uas(invite, answer(invite, status)), invite


def from_far(method: str, cseq: int = 1, contact: str | None = None) -> Request:
    """A request of the far end in the caller's dialog."""
    message = request(method, cseq)
    message.headers.set("From", "<sip:user2_public1@home1.net>;tag=314159")
    message.headers.set("To", "<sip:user1_public1@home1.net>;tag=171828")
    message.headers.set("Contact", contact or f"<sip:user2_public1@{FAR}:1400>")
    return message


def final(to: Request, status: int) -> Response:
    return answer(to, status, tag=None)


# Creation


def test_the_caller_takes_the_recorded_route_in_reverse() -> None:
    dialog = at_the_caller()
    assert dialog.state is DialogState.CONFIRMED
    assert dialog.key == DialogKey("c1@ue", "171828", "314159")
    assert [str(route) for route in dialog.route_set] == list(reversed(ROUTES))
    assert str(dialog.remote_target) == f"sip:user2_public1@{FAR}:1400"


def test_the_called_takes_the_recorded_route_as_it_is() -> None:
    dialog, invite = at_the_called()
    assert dialog.key == DialogKey("c1@ue", "314159", "171828")
    assert [str(route) for route in dialog.route_set] == list(ROUTES)
    assert str(dialog.remote_target) == f"sip:user1_public1@{UE}:1357"
    assert dialog.remote_cseq == invite.cseq.number
    assert dialog.create_request("BYE").to == invite.from_


def test_a_2xx_replaces_the_route_that_a_ringing_response_recorded() -> None:
    invite = request("INVITE")
    dialog = Dialog.uac(invite, answer(invite, 180, routes=ROUTES))
    assert dialog.state is DialogState.EARLY
    dialog.received_response(answer(invite, 200, routes=ROUTES[1:]))
    assert dialog.state is DialogState.CONFIRMED
    assert [str(route) for route in dialog.route_set] == list(reversed(ROUTES[1:]))


def test_a_response_without_tag_or_contact_makes_no_dialog() -> None:
    invite = request("INVITE")
    with pytest.raises(PeerFault, match="To tag"):
        Dialog.uac(invite, answer(invite, 200, tag=None))
    silent = answer(invite, 200)
    silent.headers.remove("Contact")
    with pytest.raises(PeerFault, match="Contact"):
        Dialog.uac(invite, silent)
    with pytest.raises(OurFault, match="To tag"):
        Dialog.uas(invite, answer(invite, 200, tag=None))


def test_an_early_dialog_ends_with_the_failure_of_its_invite() -> None:
    invite = request("INVITE")
    dialog = Dialog.uac(invite, answer(invite, 180))
    dialog.received_response(answer(invite, 486))
    assert dialog.state is DialogState.TERMINATED
    called, invite = at_the_called(180)
    called.create_response(invite, 486)
    assert called.state is DialogState.TERMINATED


def test_a_notify_that_overtakes_its_2xx_makes_the_subscribers_dialog() -> None:
    subscribe = request("SUBSCRIBE")
    notify = from_far("NOTIFY", 7)
    notify.headers.add("Record-Route", ROUTES[0])
    dialog = Dialog.subscriber(subscribe, notify)
    assert dialog.key == DialogKey("c1@ue", "171828", "314159")
    assert [str(route) for route in dialog.route_set] == [ROUTES[0]]
    dialog.received_response(answer(subscribe, 200, routes=ROUTES))
    assert [str(route) for route in dialog.route_set] == [ROUTES[0]]
    refresh = dialog.create_request("SUBSCRIBE")
    assert refresh.cseq.number == 2
    assert refresh.contacts == subscribe.contacts


# Requests of ours


def test_a_request_carries_route_tags_target_and_the_next_cseq() -> None:
    dialog = at_the_caller()
    bye = dialog.create_request("BYE", via=VIA, headers=[("P-Access-Network-Info", "IEEE-802.11g")])
    assert str(bye.uri) == f"sip:user2_public1@{FAR}:1400"
    assert [str(route) for route in bye.routes] == list(reversed(ROUTES))
    assert (bye.from_.tag, bye.to.tag, bye.call_id, str(bye.cseq)) == ("171828", "314159", "c1@ue", "2 BYE")
    assert (str(bye.via), bye.headers.get("Max-Forwards"), bye.contacts) == (VIA, "70", [])
    assert bye.headers.get("P-Access-Network-Info") == "IEEE-802.11g"
    assert dialog.create_request("INFO").cseq.number == 3


def test_an_ack_has_the_cseq_of_its_invite_and_the_route_of_the_dialog() -> None:
    dialog = at_the_caller()
    invite = dialog.create_request("INVITE")
    dialog.create_request("UPDATE")
    ack = dialog.create_ack(invite, via=VIA)
    assert str(ack.cseq) == "2 ACK"
    assert [str(route) for route in ack.routes] == list(reversed(ROUTES))
    assert ack.contacts == []


def test_a_strict_router_moves_into_the_request_uri() -> None:
    dialog = at_the_caller()
    dialog.route_set = (NameAddr.parse("<sip:strict.net>"), NameAddr.parse("<sip:next.net;lr>"))
    bye = dialog.create_request("BYE")
    assert str(bye.uri) == "sip:strict.net"
    assert [str(route.uri) for route in bye.routes] == ["sip:next.net;lr", f"sip:user2_public1@{FAR}:1400"]


def test_ack_and_cancel_are_not_made_by_create_request() -> None:
    for method in ("ACK", "CANCEL"):
        with pytest.raises(OurFault, match="CSeq"):
            at_the_caller().create_request(method)


def test_nothing_can_be_sent_in_a_dialog_that_is_over() -> None:
    dialog = at_the_caller()
    bye = dialog.create_request("BYE")
    dialog.received_response(final(bye, 200))
    with pytest.raises(OurFault, match="over"):
        dialog.create_request("INVITE")
    assert dialog.received_request(from_far("INVITE")) == (481, "Call/Transaction Does Not Exist")


# A path that moves to another P-CSCF


def test_a_moved_dialog_goes_by_the_new_route_with_the_new_contact_from_then_on() -> None:
    dialog = at_the_caller()
    dialog.route_set = (NameAddr.parse("<sip:scscf1.home1.net;lr>"),)
    dialog.contact = NameAddr.parse("<sip:user1_public1@10.0.1.2:2468>")
    reinvite = dialog.create_request("INVITE")
    assert [str(route) for route in reinvite.routes] == ["<sip:scscf1.home1.net;lr>"]
    assert str(reinvite.contacts[0].uri) == "sip:user1_public1@10.0.1.2:2468"
    dialog.received_response(answer(reinvite, 200, routes=ROUTES))
    assert [str(route) for route in dialog.create_ack(reinvite).routes] == ["<sip:scscf1.home1.net;lr>"]
    assert [str(route) for route in dialog.create_request("BYE").routes] == ["<sip:scscf1.home1.net;lr>"]


def test_a_route_set_can_be_given_for_one_request_only() -> None:
    dialog = at_the_caller()
    assert dialog.create_request("INFO", route_set=()).routes == []
    assert len(dialog.create_request("INFO").routes) == 3


def test_a_reinvite_refreshes_the_remote_target_once_it_is_accepted() -> None:
    dialog = at_the_caller()
    moved = "<sip:user2_public1@10.0.8.8:999>"
    reinvite = from_far("INVITE", 5, moved)
    assert dialog.received_request(reinvite) is None
    dialog.create_response(reinvite, 488)
    assert str(dialog.remote_target) == f"sip:user2_public1@{FAR}:1400"
    assert dialog.state is DialogState.CONFIRMED
    again = from_far("INVITE", 6, moved)
    assert dialog.received_request(again) is None
    accepted = dialog.create_response(again, 200, headers=[("Supported", "timer")], body=b"v=0\r\n")
    assert str(dialog.remote_target) == "sip:user2_public1@10.0.8.8:999"
    assert (accepted.to.tag, accepted.body, accepted.headers.get("Supported")) == ("171828", b"v=0\r\n", "timer")
    assert accepted.contacts == [dialog.contact]


def test_a_2xx_to_our_reinvite_refreshes_the_target_and_one_to_a_bye_does_not_need_a_contact() -> None:
    dialog = at_the_caller()
    reinvite = dialog.create_request("INVITE")
    accepted = final(reinvite, 200)
    accepted.headers.set("Contact", "<sip:user2_public1@10.0.8.8:999>")
    dialog.received_response(accepted)
    assert str(dialog.remote_target) == "sip:user2_public1@10.0.8.8:999"
    bye = dialog.create_request("BYE")
    silent = final(bye, 200)
    silent.headers.remove("Contact")
    dialog.received_response(silent)
    assert dialog.state is DialogState.TERMINATED


# Requests that arrive


def test_a_request_out_of_order_gets_a_500_and_a_gap_is_no_fault() -> None:
    dialog = at_the_caller()
    assert dialog.received_request(from_far("INFO", 10)) is None
    assert dialog.received_request(from_far("INFO", 9)) == (500, "Server Internal Error")
    assert dialog.received_request(from_far("INFO", 99)) is None


def test_a_bye_ends_the_dialog_when_it_is_answered() -> None:
    dialog = at_the_caller()
    bye = from_far("BYE")
    assert dialog.received_request(bye) is None
    assert dialog.state is DialogState.CONFIRMED
    dialog.create_response(bye, 200)
    assert dialog.state is DialogState.TERMINATED


@pytest.mark.parametrize(("status", "ended"), [(408, True), (481, True), (488, False), (500, False)])
def test_a_failed_reinvite_ends_the_dialog_only_if_the_other_end_does_not_know_it(status: int, ended: bool) -> None:
    dialog = at_the_caller()
    dialog.received_response(final(dialog.create_request("INVITE"), status))
    assert (dialog.state is DialogState.TERMINATED) == ended


@pytest.mark.parametrize(("status", "ended"), [(200, True), (481, True), (500, True), (401, False), (407, False)])
def test_a_bye_ends_the_dialog_whatever_the_answer_but_a_challenge(status: int, ended: bool) -> None:
    dialog = at_the_caller()
    dialog.received_response(final(dialog.create_request("BYE"), status))
    assert (dialog.state is DialogState.TERMINATED) == ended


# Glare


def test_an_invite_that_crosses_ours_gets_a_491_until_ours_is_answered() -> None:
    dialog = at_the_caller()
    ours = dialog.create_request("INVITE")
    dialog.received_response(answer(ours, 100))
    assert dialog.received_request(from_far("INVITE", 1)) == (491, "Request Pending")
    dialog.received_response(final(ours, 491))
    assert dialog.state is DialogState.CONFIRMED
    assert dialog.received_request(from_far("INVITE", 2)) is None


def test_an_invite_before_the_last_one_is_answered_gets_a_500_with_a_time_to_come_back() -> None:
    dialog = at_the_caller()
    first = from_far("INVITE", 1)
    assert dialog.received_request(first) is None
    assert dialog.received_request(from_far("INVITE", 2)) == (500, "Server Internal Error")
    dialog.create_response(first, 200)
    assert dialog.received_request(from_far("INVITE", 3)) is None
    assert {dialog.retry_after(random.Random(n)) for n in range(300)} == set(range(11))


def test_an_invite_lost_with_its_access_network_blocks_no_other_and_leaves_the_dialog() -> None:
    dialog = at_the_caller()
    ours, theirs = dialog.create_request("INVITE"), from_far("INVITE", 5)
    dialog.abandoned(ours)
    assert dialog.received_request(theirs) is None
    dialog.abandoned(theirs)
    assert dialog.received_request(from_far("INVITE", 6)) is None
    assert dialog.state is DialogState.CONFIRMED


def test_the_first_invite_counts_as_pending_at_both_ends_while_it_rings() -> None:
    assert at_the_caller(180).received_request(from_far("INVITE")) == (491, "Request Pending")
    dialog, invite = at_the_called(180)
    overlapping = request("INVITE", 2)
    assert dialog.received_request(overlapping) == (500, "Server Internal Error")
    dialog.create_response(invite, 200)
    assert dialog.received_request(request("INVITE", 3)) is None


def test_an_update_with_an_offer_waits_for_an_invite_of_either_end_and_one_without_does_not() -> None:
    def update(cseq: int, body: bytes) -> Request:
        message = from_far("UPDATE", cseq)
        message.body = body
        return message

    dialog = at_the_caller()
    ours = dialog.create_request("INVITE")
    assert dialog.received_request(update(1, b"v=0\r\n")) == (491, "Request Pending")
    assert dialog.received_request(update(2, b"")) is None
    dialog.received_response(final(ours, 488))
    assert dialog.received_request(from_far("INVITE", 3)) is None
    assert dialog.received_request(update(4, b"v=0\r\n")) == (500, "Server Internal Error")
    assert dialog.received_request(update(5, b"")) is None


def test_after_a_491_the_owner_of_the_call_id_waits_2_1_to_4_s_and_the_other_less_than_2() -> None:
    called, _ = at_the_called()
    ours = [at_the_caller().glare_delay(random.Random(n)) for n in range(500)]
    theirs = [called.glare_delay(random.Random(n)) for n in range(500)]
    assert 2.1 <= min(ours) < 2.2
    assert 3.9 < max(ours) <= 4.0
    assert 0.0 <= min(theirs) < 0.1
    assert 1.9 < max(theirs) <= 2.0
    assert all(round(delay * 100) == pytest.approx(delay * 100) for delay in ours + theirs)  # units of 10 ms
