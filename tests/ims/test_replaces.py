"""INVITE with Replaces (RFC 3891): writing, reading, finding the dialog, refusing."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sip_exchange import answer, request

from testbed.ims.dialog import Dialog, DialogState
from testbed.ims.errors import ParseError
from testbed.ims.replaces import Replaces

EXAMPLE = "98asjd8@test-1.example.com;to-tag=12345;from-tag=54321;early-only"  # of the shape of RFC 3891 6.1


def both_ends(status: int = 200) -> tuple[Dialog, Dialog]:
    invite = request("INVITE")
    response = answer(invite, status)
    return Dialog.uac(invite, response), Dialog.uas(invite, response)


def test_the_header_reads_back_as_written() -> None:
    replaces = Replaces.parse(EXAMPLE)
    assert replaces == Replaces("98asjd8@test-1.example.com", "12345", "54321", early_only=True)
    assert str(replaces) == EXAMPLE
    assert str(Replaces.parse("a ; FROM-TAG = f ; to-tag=t")) == "a;to-tag=t;from-tag=f"


def test_what_one_end_writes_means_the_dialog_of_the_other_end() -> None:
    caller, called = both_ends()
    assert Replaces.of(caller).find([called]) is called
    assert Replaces.of(called).find([caller]) is caller
    assert Replaces.of(caller).find([caller]) is None
    assert Replaces.of(caller).refusal(called) is None


def test_another_call_id_or_tag_means_nothing() -> None:
    caller, called = both_ends()
    right = Replaces.of(caller)
    for wrong in (
        Replaces("other", right.to_tag, right.from_tag),
        Replaces(right.call_id, "other", right.from_tag),
        Replaces(right.call_id, right.to_tag, "other"),
    ):
        assert wrong.find([called]) is None
        assert wrong.refusal(wrong.find([called])) == (481, "Call/Transaction Does Not Exist")


def test_a_tag_of_zero_also_means_no_tag() -> None:
    _, called = both_ends()
    called.remote_tag = None
    assert Replaces(called.call_id, called.local_tag, "0").find([called]) is called


def test_a_dialog_that_is_over_is_declined_and_early_only_spares_an_answered_one() -> None:
    caller, called = both_ends()
    assert Replaces.of(caller, early_only=True).refusal(called) == (486, "Busy Here")
    called.state = DialogState.TERMINATED
    assert Replaces.of(caller).refusal(called) == (603, "Declined")


def test_an_early_dialog_is_replaced_only_at_the_end_that_started_it() -> None:
    caller, called = both_ends(180)
    assert Replaces.of(called).refusal(caller) is None
    assert Replaces.of(caller).refusal(called) == (481, "Call/Transaction Does Not Exist")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";to-tag=1;from-tag=2",
        "a",
        "a;to-tag=1",
        "a;from-tag=1",
        "a;to-tag=;from-tag=1",
        "a;to-tag=1;to-tag=2;from-tag=3",
    ],
)
def test_a_header_that_names_no_dialog_is_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        Replaces.parse(text)


@given(st.text())
def test_any_text_is_read_or_refused_with_a_parse_error(text: str) -> None:
    with contextlib.suppress(ParseError):
        Replaces.parse(text)
