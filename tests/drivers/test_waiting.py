"""A wait with a limit ends by the event, by the limit, or by a cancellation, whatever else comes in the same moment."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from drivers.waiting import within

LIMIT_S = 5.0
TURNS = range(6)  # of the event loop, between what ends a wait and the cancellation


class Watch:
    """The clock of the running loop, which stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0
        asyncio.get_running_loop().time = lambda: self.now_s  # type: ignore[method-assign]


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled(work: asyncio.Task[None]) -> bool:
    """Whether it ends by this cancellation; it is ended in any case."""
    work.cancel()
    await turns(10)
    ended = work.cancelled()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return ended


def test_it_tells_whether_the_event_came_in_time() -> None:
    async def work() -> None:
        watch, event = Watch(), asyncio.Event()
        waiting = asyncio.create_task(within(event, LIMIT_S))
        await turns(3)
        watch.now_s += LIMIT_S + 1
        assert not await waiting
        event.set()
        assert await within(event, LIMIT_S) and await within(event, 0)

    asyncio.run(work())


@pytest.mark.parametrize("count", TURNS)
@pytest.mark.parametrize("by", ["event", "limit"])
def test_a_cancellation_that_meets_the_end_of_a_wait_is_not_lost(by: str, count: int) -> None:
    async def work() -> None:
        watch, event = Watch(), asyncio.Event()

        async def wait_on() -> None:
            while True:
                await within(event, LIMIT_S)
                event.clear()

        waiting = asyncio.create_task(wait_on())
        await turns(3)
        if by == "event":
            event.set()
        else:
            watch.now_s += LIMIT_S + 1
        await turns(count)
        assert await cancelled(waiting)

    asyncio.run(work())
