"""Daemons on a host: ready, silent, dead before and after, and lost with their host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from drivers.host.errors import ConnectionLost
from drivers.host.local import LocalHost
from drivers.wifi.daemon import Daemon
from drivers.wifi.errors import DaemonGone, DaemonSilent

DEADLINE_S = 10.0


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 30))


def saying(script: str, heard: list[str], ended: asyncio.Event | None = None) -> Daemon:
    on_end = ended.set if ended else lambda: None
    return Daemon(LocalHost(), ["sh", "-c", script], "a daemon", on_line=heard.append, on_end=on_end)


def test_it_is_ready_by_what_it_says_and_ends_when_it_is_told_to() -> None:
    async def scene() -> None:
        heard: list[str] = []
        daemon = saying("echo one; echo ready; sleep 600", heard)
        await daemon.start(lambda: "ready" in heard, DEADLINE_S, "readiness")
        assert (daemon.running, heard) == (True, ["one", "ready"])
        await daemon.end()
        assert not daemon.running
        await daemon.end()

    play(scene)


def test_one_that_ends_before_it_is_ready_is_named_with_its_last_words() -> None:
    async def scene() -> None:
        with pytest.raises(DaemonGone, match="a daemon: it ended with status 3: cannot open the radio"):
            await saying("echo cannot open the radio >&2; exit 3", []).start(lambda: False, DEADLINE_S, "readiness")

    play(scene)


def test_one_that_does_not_get_ready_is_named_and_ended() -> None:
    async def scene() -> None:
        daemon = saying("echo looking; sleep 600", [])
        with pytest.raises(DaemonSilent, match=r"no beacon within 0\.3 s: looking"):
            await daemon.start(lambda: False, 0.3, "beacon")
        assert not daemon.running

    play(scene)


def test_one_that_ends_by_itself_later_is_told_and_one_that_is_ended_is_not() -> None:
    async def scene() -> None:
        ended, not_told = asyncio.Event(), asyncio.Event()
        heard: list[str] = []
        daemon = saying("echo ready; sleep 0.3", heard, ended)
        await daemon.start(lambda: bool(heard), DEADLINE_S, "readiness")
        await asyncio.wait_for(ended.wait(), DEADLINE_S)
        other = saying("echo ready; sleep 600", [], not_told)
        await other.start(lambda: True, DEADLINE_S, "readiness")
        await other.end()
        await asyncio.sleep(0.5)
        assert not not_told.is_set()

    play(scene)


def test_one_whose_host_is_lost_counts_as_gone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        ended = asyncio.Event()
        daemon = saying("sleep 600", [], ended)
        await daemon.start(lambda: True, DEADLINE_S, "readiness")
        process = daemon._process
        assert process is not None

        def lost(_: object) -> None:
            raise ConnectionLost("the connection broke", where="an access point")

        with monkeypatch.context() as patch:
            patch.setattr(type(process), "status", property(lost))
            await asyncio.wait_for(ended.wait(), DEADLINE_S)
            assert "its host is lost: the connection broke" in str(daemon.gone())
        await daemon.end()

    play(scene)
