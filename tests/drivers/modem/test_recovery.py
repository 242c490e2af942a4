"""The ladder: in order, bounded, every step told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from drivers.modem.errors import Refused
from drivers.modem.recovery import Action, RecoveryFailed, Rung, Step, climb

LADDER = (Rung("re-dial", 2, 0.05), Rung("reset", 1, 0.05), Rung("usb-power", 2, 0.05, needs_port=False))


def climbed(actions: Mapping[str, Action], *, port: bool = True) -> tuple[list[Step], Step | RecoveryFailed]:
    told: list[Step] = []

    async def run() -> Step:
        return await climb(actions, lambda: port, told.append, "modem", LADDER)

    try:
        return told, asyncio.run(run())
    except RecoveryFailed as failed:
        return told, failed


async def helps() -> None:
    """It works."""


async def refuses() -> None:
    raise Refused("AT+CGACT=1,2 was answered ERROR")


async def hangs() -> None:
    await asyncio.Event().wait()


def test_the_mildest_means_that_works_is_the_last() -> None:
    told, end = climbed({"re-dial": refuses, "reset": helps, "usb-power": refuses})
    why = "AT+CGACT=1,2 was answered ERROR"
    assert told == [Step("re-dial", 1, "failed", why), Step("re-dial", 2, "failed", why), Step("reset", 1, "works")]
    assert end == told[-1]


def test_what_hangs_is_bounded() -> None:
    told, _ = climbed({"re-dial": hangs, "reset": helps})
    assert told[0] == Step("re-dial", 1, "failed", "not done within 0.05 s")


def test_without_a_port_only_power_helps() -> None:
    told, end = climbed({"re-dial": helps, "reset": helps, "usb-power": helps}, port=False)
    skipped = [Step("re-dial", 1, "skipped", "the port is away"), Step("reset", 1, "skipped", "the port is away")]
    assert told == [*skipped, Step("usb-power", 1, "works")]
    assert end == told[-1]


def test_when_nothing_helps_it_says_what_was_tried() -> None:
    told, end = climbed({"re-dial": refuses, "reset": hangs})
    assert isinstance(end, RecoveryFailed) and end.steps == tuple(told)
    assert told[-1] == Step("usb-power", 1, "skipped", "it cannot be done here")
    for words in ("re-dial 2: AT+CGACT=1,2 was answered ERROR", "reset 1: not done within 0.05 s"):
        assert words in str(end)


def test_a_defect_of_ours_is_not_taken_for_a_modem_that_fails() -> None:
    async def broken() -> None:
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        climbed({"re-dial": broken})
