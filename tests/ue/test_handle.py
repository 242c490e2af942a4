"""The controller's handle: orders, errors across the socket, and a process that dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.errors import RigError, UsageError
from testbed.ue.handle import UeHandle


def spawn(host: str, argv: Sequence[str], *, log: Path | None, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    assert log is not None
    with log.open("wb") as stream:
        return subprocess.Popen(argv, stdout=stream, stderr=stream, pass_fds=pass_fds)


def broken(
    host: str, argv: Sequence[str], *, log: Path | None, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    return spawn(host, [sys.executable, "-c", "import sys; sys.exit('it was not to be')"], log=log, pass_fds=pass_fds)


def test_an_order_before_setup_is_refused_with_the_ues_own_sentence(tmp_path: Path) -> None:
    async def work() -> None:
        ue = UeHandle("ue", tmp_path / "ue.log", print)
        ue.start(spawn)
        with pytest.raises(UsageError, match="first order must be setup"):
            await ue.order("attach", access="lte")
        await ue.stop()

    asyncio.run(work())


def test_an_unknown_order_is_an_error_and_the_process_goes_on(tmp_path: Path) -> None:
    async def work() -> None:
        ue = UeHandle("ue", tmp_path / "ue.log", print)
        ue.start(spawn)
        for _ in range(2):
            with pytest.raises(RigError, match="dance"):
                await ue.order("dance")
        await ue.stop()

    asyncio.run(work())


def test_a_process_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    async def work() -> None:
        ue = UeHandle("ue", tmp_path / "ue.log", print)
        ue.start(broken)
        with pytest.raises(RigError, match="it was not to be"):
            await ue.order("state")
        with pytest.raises(RigError, match="not running"):
            await ue.order("state")
        await ue.stop()

    asyncio.run(work())


def test_an_order_that_is_not_answered_in_time_says_which(tmp_path: Path) -> None:
    async def work() -> None:
        ue = UeHandle("ue", tmp_path / "ue.log", print)
        ue.start(spawn)
        with pytest.raises(RigError, match="no answer to 'state' within"):
            await ue.order("state", deadline_s=0)
        await ue.stop()

    asyncio.run(work())
