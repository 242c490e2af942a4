"""Session timers (RFC 4028): who refreshes, when, and what is too brief."""

from __future__ import annotations

import pytest
from sip_exchange import request

from testbed.ims import session_timer
from testbed.ims.errors import ParseError
from testbed.ims.message import Request, Response
from testbed.ims.session_timer import SessionExpires, SessionTimer


def asked(value: str | None, supported: str | None = "timer") -> Request:
    made = request("INVITE")
    for name, content in (("Session-Expires", value), ("Supported", supported)):
        if content is not None:
            made.headers.add(name, content)
    return made


def answered(value: str | None, status: int = 200) -> Response:
    response = request("INVITE").response(status)
    if value is not None:
        response.headers.add("Session-Expires" if status == 200 else "Min-SE", value)
    return response


@pytest.mark.parametrize(
    ("text", "interval_s", "refresher"),
    [("1800", 1800, None), ("90;refresher=uac", 90, "uac"), (" 4000 ; Refresher=UAS ; x", 4000, "uas")],
)
def test_the_header_is_read(text: str, interval_s: int, refresher: str | None) -> None:
    assert SessionExpires.parse(text) == SessionExpires(interval_s, refresher)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "soon", "-1", "90;refresher=me", "12345678901"])
def test_what_is_no_interval_is_the_peers_fault(text: str) -> None:
    with pytest.raises(ParseError):
        SessionExpires.parse(text)


@pytest.mark.parametrize(("value", "ours"), [("1800;refresher=uac", True), ("1800;refresher=uas", False)])
def test_the_caller_does_what_the_2xx_says(value: str, ours: bool) -> None:
    timer = SessionTimer().after_answer(answered(value))
    assert (timer.interval_s, timer.ours, timer.agreed) == (1800, ours, True)
    assert dict(timer.request_headers())["Session-Expires"] == f"1800;refresher={'uac' if ours else 'uas'}"


def test_a_2xx_without_an_interval_agrees_on_none() -> None:
    assert not SessionTimer(1800, True).after_answer(answered(None)).agreed


def test_a_refresh_is_due_at_half_and_the_end_a_third_or_32_s_before_the_expiry() -> None:
    assert SessionTimer(1800, True).wakes_after_s == 900
    assert SessionTimer(1800, False).wakes_after_s == 1800 - 32
    assert SessionTimer(90, False).wakes_after_s == 60


@pytest.mark.parametrize(
    ("value", "supported", "ours", "said"),
    [
        ("1800", "timer", False, {"Session-Expires": "1800;refresher=uac", "Require": "timer"}),
        ("1800;refresher=uac", "100rel, timer", False, {"Session-Expires": "1800;refresher=uac", "Require": "timer"}),
        ("1800;refresher=uas", "timer", True, {"Session-Expires": "1800;refresher=uas"}),
        (
            "1800",
            None,
            True,
            {"Session-Expires": "1800;refresher=uas"},
        ),  # a proxy asked; the caller knows nothing of it
        (None, "timer", None, {}),
    ],
)
def test_the_callee_answers_by_table_2(
    value: str | None, supported: str | None, ours: bool | None, said: dict[str, str]
) -> None:
    timer, headers = session_timer.answer(asked(value, supported))
    assert (timer.ours, dict(headers)) == (ours, said)


def test_both_ends_agree_on_who_refreshes() -> None:
    theirs, headers = session_timer.answer(asked("1800"))
    ours = SessionTimer().after_answer(answered(dict(headers)["Session-Expires"]))
    assert (ours.ours, theirs.ours) == (True, False)


@pytest.mark.parametrize(
    ("value", "supported", "brief"), [("89", "timer", True), ("90", "timer", False), ("30", None, False)]
)
def test_too_brief_is_what_is_below_90_s_and_only_for_who_can_be_told(
    value: str, supported: str | None, brief: bool
) -> None:
    assert session_timer.too_brief(asked(value, supported)) is brief


def test_after_a_422_the_interval_is_what_it_asks_for() -> None:
    assert SessionTimer(90).longer(answered("3600", 422)).interval_s == 3600


@pytest.mark.parametrize("least", [None, "60", "90"])
def test_a_422_that_asks_for_nothing_longer_is_the_peers_fault(least: str | None) -> None:
    with pytest.raises(ParseError):
        SessionTimer(90).longer(answered(least, 422))
