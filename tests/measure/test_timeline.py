"""The run in one order: `t_ms` from the first trigger, one object a line."""

from __future__ import annotations

import json
from pathlib import Path

from synthetic_call import FAR, LTE, WIFI, Call
from test_handoff import ends, measure

from testbed.measure.timeline import Event, lines, timeline, zero

ACCESSES = {"lte": (LTE,), "wifi": (WIFI,), "far": (FAR,)}


def test_every_line_is_an_object_in_order_of_time_from_the_trigger(tmp_path: Path) -> None:
    ue, far = ends(tmp_path, Call())
    text = lines(timeline(ue, far, [measure(tmp_path, Call())], ACCESSES))
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["t_ms"] for record in records] == sorted(record["t_ms"] for record in records)
    assert all(set(record) == {"t_ms", "source", "event", "detail"} for record in records)
    (trigger,) = (record for record in records if record["event"] == "trigger")
    assert trigger["t_ms"] == 0
    by_event = {record["event"] for record in records}
    assert {"sip", "media-stopped", "media-started", "media-on-new-path", "detected", "session-moved"} <= by_event


def test_a_sip_line_says_access_direction_and_protection(tmp_path: Path) -> None:
    ue, far = ends(tmp_path, Call())
    events = [event for event in timeline(ue, far, [], ACCESSES) if event.event == "sip"]
    first, challenge, second = (event.detail for event in events[:3])
    assert (first["message"], first["access"], first["direction"], first["protected"]) == (
        "REGISTER",
        "wifi",
        "sent",
        False,
    )
    assert (challenge["message"], challenge["direction"]) == ("401 Unauthorized", "received")
    assert (second["protected"], second["icv_ok"], second["cseq"]) == (True, True, 2)
    assert any(event.source == "far" for event in events)


def test_without_a_trigger_time_counts_from_the_first_event() -> None:
    assert zero([Event(7, "ue", "sip", {}), Event(9, "ue", "sip", {})]) == 7
    assert zero([]) == 0
    assert lines([]) == ""


def test_one_end_is_told_without_the_other(tmp_path: Path) -> None:
    ue, far = ends(tmp_path, Call())
    assert timeline(ue, None, [], ACCESSES)
    assert timeline(None, far, [], ACCESSES)
    assert timeline(None, None, [], ACCESSES) == []
