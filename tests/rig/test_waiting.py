"""What takes its time, for its whole time: timers of hours in simulated time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from living import PORT_PAIRS, living

from testbed.core.core import CoreOptions

pytestmark = [pytest.mark.simulated, pytest.mark.timeout(0)]  # a limit would be one of simulated time
LATE_S = 1.0


@pytest.mark.parametrize(("expires_s", "refreshed_after_s"), [(1260, 660), (600, 300)])
def test_a_registration_is_refreshed_600_s_before_its_end_or_at_half_of_it(
    tmp_path: Path, expires_s: int, refreshed_after_s: int
) -> None:
    """TS 24.229 5.1.1.4.1; twice in a row, and nothing is left of the associations before."""

    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            registered = await ue.order("register", access="lte")
            begun = time.monotonic()
            assert registered["expires_s"] == expires_s
            associations = len((await ue.order("state"))["associations"])
            for number in range(1, 3):
                await asyncio.sleep(begun + number * refreshed_after_s + LATE_S - time.monotonic())
                told = [event["event"] for event in up.events if event["event"].startswith("refresh")]
                assert told == ["refreshed"] * number
            state = await ue.order("state")
            (connection,) = state["connections"]
            assert connection["state"] == "active"
            assert len(connection["bindings"]) == len(registered["bindings"])
            assert len(state["associations"]) == associations

    options = CoreOptions(connections=PORT_PAIRS, max_expires_s=expires_s)
    with living(tmp_path, options=options) as up:
        asyncio.run(work())
