"""What must hold for any bytes in any pieces: nothing raises, a final ends the command, pieces do not matter."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modem.at.channel import AtChannel, Ended, Event
from drivers.modem.at.command import Command

COMMANDS = st.sampled_from(
    [
        Command("AT+CSQ"),
        Command("AT+CREG?"),
        Command("AT+COPS=?", abortable=True),
        Command("AT+CMGS=3", payload=b"01"),
        Command("AT+CPIN?;+CREG=2;+CREG?"),
    ]
)
PIECES = st.sampled_from(
    b"\r|\n|\r\n|\0| |>|> |OK|ERROR|+CME ERROR: |+CME ERROR: 3|0|4|NO CARRIER|CONNECT|+CREG: 1|+CREG: 2,1"
    b"|+CSQ: 1,2|AT+CSQ|AT|RING|\xff\xfe".split(b"|")
)
BYTES = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=25).map(b"".join))
FINALS = [b"OK\r\n", b"ERROR\r\n", b"+CME ERROR: 100\r\n", b"+CMS ERROR: x\r\n", b"NO CARRIER\r\n", b"BUSY\r\n"]


def channel_with(commands: list[Command]) -> AtChannel:
    channel = AtChannel()
    for command in commands:
        channel.submit(command, 0.0)
    return channel


def fed(commands: list[Command], pieces: list[bytes]) -> list[Event]:
    channel = channel_with(commands)
    events: list[Event] = []
    sent = b""
    for piece in pieces:
        events += channel.receive(piece, 1.0)
        sent += channel.data_to_send()
    assert channel.deadline is None or channel.deadline > 1.0
    return events


@settings(max_examples=600, deadline=None)
@given(st.lists(COMMANDS, max_size=3), BYTES, st.lists(st.integers(0, 400), max_size=6))
def test_pieces_do_not_matter(commands: list[Command], data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    whole = fed(commands, [data])
    assert fed(commands, pieces) == whole
    assert fed(commands, [bytes((byte,)) for byte in data]) == whole


@settings(max_examples=600, deadline=None)
@given(COMMANDS, BYTES, st.sampled_from(FINALS))
def test_a_final_result_code_always_ends_the_command(command: Command, garbage: bytes, final: bytes) -> None:
    events = fed([command], [garbage, b"\r\n", final])
    ended = [event for event in events if isinstance(event, Ended)]
    assert [(event.command, event.why) for event in ended] == [(command, "final")]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(COMMANDS, min_size=1, max_size=4),
    st.lists(st.one_of(BYTES, st.floats(0, 100), st.sampled_from(["abort", "gone"])), max_size=12),
)
def test_every_command_ends_exactly_once_whatever_happens(commands: list[Command], story: list[object]) -> None:
    own = [Command(one.text, one.timeout_s, one.payload, one.abortable) for one in commands]
    channel = channel_with(own)
    now = 0.0
    events: list[Event] = []
    for what in story:
        if isinstance(what, bytes):
            events += channel.receive(what, now)
        elif isinstance(what, float):
            now += what
            events += channel.tick(now)
        elif what == "abort":
            events += channel.abort(own[len(events) % len(own)], now)
        else:
            events += channel.gone()
    while (deadline := channel.deadline) is not None:
        assert deadline >= now - 1000, "time that is asked for goes on"
        now = max(now, deadline)
        events += channel.tick(now)
    ended = [event.command for event in events if isinstance(event, Ended)]
    assert sorted(map(id, ended)) == sorted(map(id, own))
