"""Markers: what programs said, and only that."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from testbed.measure.datagrams import Segment
from testbed.measure.markers import MARKER_ADDRESS, Marker, decode_marker, encode_marker, markers
from testbed.measure.packets import UDP


def said(payload: bytes, *, port: int = 9, outgoing: bool = False) -> Segment:
    return Segment(7, 0, UDP, "127.0.0.1", 40000, MARKER_ADDRESS[0], port, payload, outgoing)


def test_a_marker_keeps_its_event_and_detail() -> None:
    (found,) = markers([said(encode_marker("trigger", access="lte", kind="carrier-loss"))])
    assert found == Marker(7, "trigger", {"access": "lte", "kind": "carrier-loss"})


def test_the_copy_that_loopback_sent_and_other_ports_do_not_count() -> None:
    text = encode_marker("trigger")
    assert markers([said(text, outgoing=True), said(text, port=10)]) == []


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_anything_else_on_the_discard_port_is_no_marker(payload: bytes) -> None:
    decode_marker(payload)


def test_json_of_somebody_else_is_no_marker() -> None:
    for text in (
        b"[1]",
        b"{}",
        b'{"testbed": 2, "event": "x"}',
        b'{"testbed": 1, "event": 5}',
        b"7",
        b"null",
        b"[" * 60000,
    ):
        assert decode_marker(text) is None


def test_who_only_sends_markers_or_captures_does_not_wait_for_numpy() -> None:
    modules = "testbed.measure.capture, testbed.measure.markers, testbed.results.context, testbed.results.analyse"
    code = f"import sys, {modules}; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
