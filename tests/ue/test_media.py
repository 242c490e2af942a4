"""The media process: real packets on loopback, counted by the process and by a socket of ours."""

from __future__ import annotations

import asyncio
import itertools
import select
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from testbed.errors import RigError
from testbed.ue.media import Media
from testbed.ue.media_process import Sender

WAIT_S = 5.0


@asynccontextmanager
async def media(on_silence: Callable[[float], None] = lambda _: None) -> AsyncIterator[Media]:
    made = Media(on_silence, seed=1)
    made.start()
    try:
        yield made
    finally:
        await made.stop()


def listener(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    sock.setblocking(False)
    return sock


async def packets(sock: socket.socket, count: int) -> list[tuple[int, int, int]]:
    """(sequence, timestamp, SSRC) of the next RTP packets."""
    loop = asyncio.get_running_loop()
    found = []
    for _ in range(count):
        data = await asyncio.wait_for(loop.sock_recv(sock, 2048), WAIT_S)
        assert data[0] == 0x80 and data[1] & 0x7F == 0 and len(data) == 172
        found.append(struct.unpack_from(">HII", data, 2))
    return found


def run(work: Callable[[], Awaitable[Any]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_frames_count_on_by_one_and_by_160(family: socket.AddressFamily) -> None:
    async def work() -> None:
        with listener(family) as sock:
            async with media() as ours:
                port = ours.open("a", sock.getsockname()[0])
                assert port % 2 == 0
                ours.send("a", *sock.getsockname()[:2])
                got = await packets(sock, 5)
        sequences, timestamps, ssrcs = zip(*got, strict=True)
        assert [(b - a) & 0xFFFF for a, b in itertools.pairwise(sequences)] == [1] * 4
        assert [(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(timestamps)] == [160] * 4
        assert len(set(ssrcs)) == 1

    run(work)


def test_a_stream_that_moves_to_another_flow_keeps_its_numbers() -> None:
    async def work() -> None:
        with listener() as first, listener() as second:
            async with media() as ours:
                for name, sock in (("a", first), ("b", second)):
                    ours.open(name, "127.0.0.1")
                    ours.send(name, *sock.getsockname())
                    await packets(sock, 3)
                last = (await packets(second, 1))[0]
                ours.send("a", *first.getsockname())
                # What the first socket holds from before is older; the stream goes on behind `last`.
                while (got := (await packets(first, 1))[0])[0] <= last[0]:
                    pass
                assert got[2] == last[2]

    run(work)


def test_the_first_frame_leaves_at_once_and_so_does_the_newest_one_over_a_new_path() -> None:
    with listener() as first, listener() as second, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:

        def arrived(sock: socket.socket) -> list[tuple[int, int]]:
            found = []
            while select.select([sock], [], [], 0)[0]:
                found.append(struct.unpack_from(">HI", sock.recv(2048), 2))
            return found

        sender = Sender(seed=1)
        sender.start(ours, first.getsockname(), 1_000_000_000)
        ((sequence, timestamp),) = arrived(first)
        sender.start(ours, first.getsockname(), 1_001_000_000)  # nothing has moved
        sender.tick(1_020_000_000)
        assert arrived(first) == [(sequence + 1, timestamp + 160)]
        sender.start(ours, second.getsockname(), 1_030_000_000)
        assert arrived(second) == [(sequence + 1, timestamp + 160)]
        sender.tick(1_039_000_000)
        assert arrived(second) == []  # its turn is at 40 ms, as if nothing had happened
        sender.tick(1_040_000_000)
        assert (arrived(first), arrived(second)) == ([], [(sequence + 2, timestamp + 320)])


def test_frames_that_the_network_refuses_are_counted_and_stop_nothing() -> None:
    async def work() -> None:
        with listener() as sock:
            async with media() as ours:
                ours.open("a", "127.0.0.1")
                ours.send("a", "255.255.255.255", 9)  # a broadcast without SO_BROADCAST: EACCES, every time
                while (await ours.report())["refused"] < 3:
                    await asyncio.sleep(0.02)
                ours.send("a", *sock.getsockname())
                await packets(sock, 2)
                report = await ours.report()
        assert report["refused"] >= 3 and report["sent"] > report["refused"]
        assert 0 <= report["lateness_ms"]["p50"] <= report["lateness_ms"]["p99"] <= report["lateness_ms"]["max"]

    run(work)


def test_silence_is_told_once_and_only_after_something_was_heard() -> None:
    async def work() -> None:
        told: list[float] = []
        async with media(told.append) as ours:
            port = ours.open("a", "127.0.0.1")
            ours.watch(60)
            assert (await ours.report())["received"] == 0
            await asyncio.sleep(0.2)
            assert told == []
            with listener() as sock:
                sock.sendto(b"\x80" + bytes(171), ("127.0.0.1", port))
            while not told:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
        assert told == [60.0]

    asyncio.run(asyncio.wait_for(work(), WAIT_S))


def test_a_media_process_that_is_gone_is_an_error_of_the_rig() -> None:
    async def work() -> None:
        ours = Media(lambda _: None)
        with pytest.raises(RigError, match="not running"):
            ours.send("a", "127.0.0.1", 9)

    run(work)
