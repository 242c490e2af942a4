"""An AT port over a pseudo-terminal: answers, timeouts, every reason why there is no talking, and being pulled out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_modem import OK, ScriptedModem, said

from drivers.modem.at.command import Command
from drivers.modem.errors import (
    NotAModem,
    PortBusy,
    PortForbidden,
    PortGone,
    PortNotBack,
    Refused,
    Silent,
    Unanswered,
)
from drivers.modem.keeper import PortKeeper
from drivers.modem.port import AtPort
from drivers.modem.usb import PortName

SCRIPT = {"AT+CSQ": said("+CSQ: 17,99"), "AT+CMEE=1": OK, "AT+CIMI": "\r\n+CME ERROR: 10\r\n", "AT+COPS=?": None}


def with_modem(test: Callable[[ScriptedModem, AtPort], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        with ScriptedModem(SCRIPT, **options) as modem:
            port = AtPort(modem.path)
            try:
                await test(modem, port)
            finally:
                port.close()

    asyncio.run(run())


@pytest.mark.parametrize("echo", [False, True])
def test_a_command_is_answered(echo: bool) -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        assert await port.at("AT+CSQ") == ["+CSQ: 17,99"]

    with_modem(test, echo=echo)


def test_commands_of_several_tasks_take_turns() -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        same = Command("AT+CSQ")
        answers = await asyncio.gather(port.run(same), port.at("AT+CMEE=1"), port.run(same))
        assert answers == [["+CSQ: 17,99"], [], ["+CSQ: 17,99"]]
        assert modem.heard == ["AT+CSQ", "AT+CMEE=1", "AT+CSQ"]

    with_modem(test)


def test_a_refusal_has_the_modems_code() -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        with pytest.raises(Refused, match=r"AT\+CIMI was answered \+CME ERROR: 10") as refused:
            await port.at("AT+CIMI")
        assert refused.value.code == "10"

    with_modem(test)


def test_a_command_without_answer_fails_in_its_time_and_the_next_one_works() -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        with pytest.raises(Unanswered, match=r"AT\+COPS=\? was not answered within 0.05 s"):
            await port.at("AT+COPS=?", 0.05)
        modem.script["AT"] = said("+COPS: late") + OK  # the late answer comes with that to our AT
        assert await port.at("AT+CSQ") == ["+CSQ: 17,99"]

    with_modem(test)


def test_a_port_that_answers_nothing_says_so() -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        modem.script |= {"AT": None, "AT+CSQ": None}
        with pytest.raises(Unanswered):
            await port.at("AT+CSQ", 0.05)
        with pytest.raises(Silent, match="not even AT"):
            await port.at("AT+CSQ")

    with_modem(test)


def test_a_caller_that_is_cancelled_leaves_a_port_that_works() -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        modem.script[""] = "\r\nABORTED\r\n"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(port.run(Command("AT+COPS=?", 180.0, abortable=True)), 0.05)
        assert await port.at("AT+CSQ") == ["+CSQ: 17,99"]

    with_modem(test)


def test_unsolicited_lines_reach_whoever_listens() -> None:
    async def run() -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        with ScriptedModem({"AT+CSQ": "\r\n+CREG: 5\r\n" + said("+CSQ: 1,99")}) as modem:
            port = AtPort(modem.path, heard.put_nowait)
            assert await port.at("AT+CSQ") == ["+CSQ: 1,99"]
            modem.send("\r\n+CGEV: NW DETACH\r\n")
            lines = [await asyncio.wait_for(heard.get(), 10) for _ in range(2)]
            port.close()
        assert lines == ["+CREG: 5", "+CGEV: NW DETACH"]

    asyncio.run(run())


def dialogue() -> int:
    """Bytes of the dialogue in the test below, both directions."""
    return len("AT+CSQ\r") + len(SCRIPT["AT+CSQ"] or "")


@pytest.mark.parametrize("place", range(1, dialogue()))
def test_pulled_out_at_any_byte_the_command_fails_and_works_again_after_replug(place: int, tmp_path: Path) -> None:
    async def run() -> None:
        gone = asyncio.Event()
        with ScriptedModem(SCRIPT, link=tmp_path / "by-id") as modem:
            keeper = PortKeeper(PortName.parse(modem.path), on_gone=gone.set)
            keeper.open()
            modem.bytes_left = place
            with pytest.raises(PortGone, match=r"went away while AT\+CSQ ran"):
                await asyncio.wait_for(keeper.run(Command("AT+CSQ", 60.0)), 30)
            await asyncio.wait_for(gone.wait(), 10)
            with pytest.raises(PortGone, match="the port is not open"):
                await keeper.run(Command("AT+CSQ"))
            modem.bytes_left = None
            modem.plug()
            await keeper.wait_open(10)
            assert await keeper.run(Command("AT+CSQ")) == ["+CSQ: 17,99"]
            keeper.close()

    asyncio.run(run())


def descriptors() -> set[str]:
    """Our open descriptors, apart from the one that looks."""
    return {f"{entry.name} {entry.readlink()}" for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_pulled_out_between_commands_is_told_and_leaves_no_descriptor(tmp_path: Path) -> None:
    async def run() -> None:
        gone = asyncio.Event()
        before = descriptors()
        with ScriptedModem(SCRIPT) as modem:
            port = AtPort(modem.path, on_gone=gone.set)
            assert await port.at("AT+CSQ")
            modem.unplug()
            await asyncio.wait_for(gone.wait(), 10)
            with pytest.raises(PortGone):
                await port.at("AT+CSQ")
        assert descriptors() == before

    asyncio.run(run())


def test_what_is_not_back_in_time_is_said(tmp_path: Path) -> None:
    async def run() -> None:
        keeper = PortKeeper(PortName.parse(str(tmp_path / "by-id")))
        with pytest.raises(PortGone, match="there is no such port"):
            keeper.open()
        with pytest.raises(PortNotBack, match=r"not back after 0.05 s: there is no such port"):
            await keeper.wait_open(0.05)

    asyncio.run(run())


def test_a_modem_that_comes_back_while_we_wait_is_opened(tmp_path: Path) -> None:
    async def run() -> None:
        link = tmp_path / "by-id"
        keeper = PortKeeper(PortName.parse(str(link)))
        waiting = asyncio.create_task(keeper.wait_open(10))
        await asyncio.sleep(0)
        with ScriptedModem(SCRIPT, link=link):
            await waiting
            assert await keeper.run(Command("AT+CSQ")) == ["+CSQ: 17,99"]
            keeper.close()

    asyncio.run(run())


def test_what_was_left_of_an_older_dialogue_is_no_answer_to_the_first_command() -> None:
    async def run() -> None:
        with ScriptedModem(SCRIPT) as modem:
            answer = modem.send
            modem.send = lambda text: answer(("\r\nERROR\r\n" if len(modem.heard) == 1 else "") + text)  # type: ignore[method-assign,assignment]
            keeper = PortKeeper(PortName.parse(modem.path))
            keeper.open()
            assert await keeper.run(Command("AT+CSQ")) == ["+CSQ: 17,99"]
            keeper.close()

    asyncio.run(run())


@pytest.fixture
def holder() -> Iterator[Callable[[str, str], int]]:
    """Another program that opens a port, and what it does with it."""
    processes: list[subprocess.Popen[bytes]] = []

    def hold(path: str, what: str) -> int:
        code = f"import fcntl,os,sys; fd=os.open(sys.argv[1],os.O_RDWR|os.O_NOCTTY); {what}; print(flush=True); "
        started = [sys.executable, "-c", code + "sys.stdin.read()", path]
        process = subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout and process.stdout.readline() == b"\n"
        return process.pid

    yield hold
    for process in processes:
        process.communicate()


def test_a_port_that_another_program_holds_is_busy_and_the_program_named(holder: Callable[[str, str], int]) -> None:
    async def run() -> None:
        with ScriptedModem(SCRIPT) as modem:
            pid = holder(modem.path, "fcntl.flock(fd, fcntl.LOCK_EX)")
            with pytest.raises(PortBusy, match=rf"python[0-9.]* \({pid}\) holds the port"):
                AtPort(modem.path)

    asyncio.run(run())


def test_a_program_that_reads_our_answers_is_named_when_nothing_is_answered(holder: Callable[[str, str], int]) -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        pid = holder(modem.path, "None")
        modem.script |= {"AT": None, "AT+CSQ": None}
        with pytest.raises(Unanswered):
            await port.at("AT+CSQ", 0.05)
        with pytest.raises(Silent, match=rf"python[0-9.]* \({pid}\) has the port open too"):
            await port.at("AT+CSQ")

    with_modem(test)


def test_a_port_is_ours_alone_once_opened() -> None:
    async def test(modem: ScriptedModem, port: AtPort) -> None:
        with pytest.raises(PortBusy):
            AtPort(modem.path)

    with_modem(test)


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_port_that_this_user_may_not_open_is_forbidden() -> None:
    async def run() -> None:
        with ScriptedModem(SCRIPT) as modem:
            Path(modem.path).chmod(0o600)
            with another_user(), pytest.raises(PortForbidden, match="group dialout"):
                AtPort(modem.path)

    asyncio.run(run())


def test_what_is_no_serial_port_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def run() -> None:
        with pytest.raises(NotAModem):
            AtPort(str(tmp_path / "file"))
        with pytest.raises(PortGone, match="there is no such device"):
            AtPort(str(tmp_path / "nothing"))

    asyncio.run(run())
