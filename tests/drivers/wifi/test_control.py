"""The control interface against a daemon that answers, refuses, is silent, or ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_daemon import Answer, FakeDaemon

from drivers.wifi.control import Control
from drivers.wifi.errors import CommandRefused, DaemonGone, DaemonSilent

Scene = Callable[[FakeDaemon, Control], Awaitable[None]]


@contextmanager
def ends(folder: Path, answer: Answer) -> Iterator[tuple[FakeDaemon, Control]]:
    daemon = FakeDaemon(folder / "wlan0", answer)
    control = Control(daemon.path, folder, "hostapd of wlan0")
    try:
        yield daemon, control
    finally:
        control.close()
        daemon.close()
    assert list(folder.iterdir()) == []


def play(folder: Path, scene: Scene, answer: Answer = lambda _: "OK\n") -> None:
    async def run() -> None:
        with ends(folder, answer) as (daemon, control):
            await control.open()
            await scene(daemon, control)

    asyncio.run(run())


def test_commands_are_answered_one_after_the_other(tmp_path: Path) -> None:
    async def scene(_: FakeDaemon, control: Control) -> None:
        answers = await asyncio.gather(*(control.request(f"GET {number}") for number in range(20)))
        assert answers == [f"value of {number}" for number in range(20)]

    play(tmp_path, scene, lambda command: f"value of {command.split()[1]}")


def test_events_are_told_as_they_were_written_and_do_not_disturb_answers(tmp_path: Path) -> None:
    async def scene(daemon: FakeDaemon, control: Control) -> None:
        heard: list[str] = []
        control.watch(heard.append)
        for number in range(3):
            daemon.tell(f"AP-STA-CONNECTED 02:00:00:00:00:0{number}")
            await control.order("DISABLE")
        assert heard == [f"<3>AP-STA-CONNECTED 02:00:00:00:00:0{number}" for number in range(3)]

    play(tmp_path, scene)


def test_who_fails_while_an_event_is_told_does_not_miss_the_next(tmp_path: Path) -> None:
    async def scene(daemon: FakeDaemon, control: Control) -> None:
        heard: list[str] = []

        def listen(event: str) -> None:
            heard.append(event)
            raise RuntimeError("not prepared for that")

        control.watch(listen)
        daemon.tell("AP-ENABLED ")
        daemon.tell("AP-DISABLED ")
        await control.order("PING-PONG")
        assert len(heard) == 2

    play(tmp_path, scene)


@pytest.mark.parametrize("answer", ["FAIL\n", "FAIL-BUSY\n", "UNKNOWN COMMAND\n"])
def test_a_refusal_has_the_daemons_own_words(tmp_path: Path, answer: str) -> None:
    async def scene(_: FakeDaemon, control: Control) -> None:
        with pytest.raises(CommandRefused, match=rf"hostapd of wlan0: it answers '{answer.strip()}' to SCAN"):
            await control.request("SCAN")

    play(tmp_path, scene, lambda _: answer)


def test_an_order_is_answered_with_ok_and_nothing_else(tmp_path: Path) -> None:
    async def scene(_: FakeDaemon, control: Control) -> None:
        with pytest.raises(CommandRefused, match="it answers 'PONG' to ENABLE"):
            await control.order("ENABLE")

    play(tmp_path, scene, lambda _: "PONG\n")


@pytest.mark.parametrize("command", ['SET_NETWORK 0 psk "of no importance"', "SET wpa_passphrase of no importance"])
def test_no_secret_is_in_an_error(tmp_path: Path, command: str) -> None:
    async def scene(daemon: FakeDaemon, control: Control) -> None:
        with pytest.raises(CommandRefused) as refused:
            await control.order(command)
        daemon.close()
        with pytest.raises(DaemonGone) as gone:
            await control.order(command)
        for error in (refused, gone):
            assert "importance" not in str(error.value)

    play(tmp_path, scene, lambda _: "FAIL\n")


def test_a_late_answer_is_not_taken_for_that_to_the_next_command(tmp_path: Path) -> None:
    async def scene(daemon: FakeDaemon, control: Control) -> None:
        with pytest.raises(DaemonSilent, match=r"no answer to HANG within 0\.05 s"):
            await control.request("HANG", timeout_s=0.05)
        with pytest.raises(FileNotFoundError):  # the socket that waited for it is no more
            daemon.say_late("too late\n")
        assert await control.request("STATUS") == "STATUS\n"

    play(tmp_path, scene, lambda command: None if command == "HANG" else f"{command}\n")


def test_a_daemon_that_has_ended_is_named(tmp_path: Path) -> None:
    async def scene(daemon: FakeDaemon, control: Control) -> None:
        daemon.close()
        with pytest.raises(DaemonGone, match="hostapd of wlan0: is not there to take STATUS"):
            await control.request("STATUS")

    play(tmp_path, scene)


def test_a_daemon_that_never_was_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        await Control(tmp_path / "wlan0", tmp_path, "hostapd of wlan0").open()

    with pytest.raises(DaemonGone, match="nobody listens at"):
        asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    async def run() -> None:
        await Control(tmp_path / ("long" * 30), tmp_path, "hostapd of wlan0").open()

    with pytest.raises(DaemonGone, match="longer than 107 bytes"):
        asyncio.run(run())
