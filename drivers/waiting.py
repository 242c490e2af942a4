"""Waiting for an event, with a limit."""

from __future__ import annotations

import asyncio


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Whether an event was set in time.

    `asyncio.wait_for` of Python before 3.12 loses a cancellation that comes in the same turn of the loop as the event.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
