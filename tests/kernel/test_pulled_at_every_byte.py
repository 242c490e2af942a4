"""The stick is pulled out at every byte of a command dialogue, either way; the same driver goes on when it is back.

In simulated time here; in real time by hand, on the rig kernel (a second a byte):

    testbed kernel exec -- .venv/bin/pytest tests/kernel/test_pulled_at_every_byte.py -s
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stick_process import plan, process

from drivers.modem.errors import PortGone
from drivers.modem.modem import Modem
from drivers.modem.usb import PortName
from drivers.virtual import gadget
from drivers.virtual.models import MODELS
from drivers.virtual.orders import Client

pytestmark = [pytest.mark.rig, pytest.mark.simulated]
COMMAND = "AT+CSQ"
# Without echo, which the driver switches off; and with all but its last byte the answer is whole.
ASKED, ANSWERED = len(f"{COMMAND}\r"), len("\r\n+CSQ: 27,99\r\n\r\nOK\r\n") - 1
BACK_S = 20.0
MOST_S = 1.0  # until the error


@pytest.fixture(params=["quectel-ec25", "huawei-me909s"])
def stick(request: pytest.FixtureRequest) -> Iterator[tuple[Client, str]]:
    if not gadget.CONTROLLERS.is_dir() or not list(gadget.CONTROLLERS.iterdir()):
        pytest.skip("this kernel has no USB device controller: testbed kernel build, or modprobe dummy_hcd")
    with process() as (_, client):
        client.order("setup", plan=plan("test-stick", request.param))
        client.order("plug")
        client.wait_for("usb", state="configured")
        yield client, request.param


def test_each_time_an_error_and_recovery_without_starting_anything_anew(stick: tuple[Client, str]) -> None:
    client, name = stick
    took_s = asyncio.run(_pulled(client, f"serial:rig0001:{MODELS[name].at_interface}"))
    print(f"\n{name}: {len(took_s)} bytes, the error after {1000 * max(took_s):.1f} ms at most")
    assert max(took_s) < MOST_S


async def _pulled(client: Client, port: str) -> list[float]:
    took_s, events = list[float](), list[str]()
    modem = Modem(PortName.parse(port), on_event=lambda event: events.append(event.what))
    try:
        await modem.open(BACK_S)
        before = _held()
        for direction, count in (("in", ASKED), ("out", ANSWERED)):
            for at in range(1, count):
                events.clear()
                await asyncio.to_thread(client.order, "fault", kind="vanish", at=at, direction=direction)
                begun = time.monotonic()
                with pytest.raises(PortGone):
                    await modem.at(COMMAND, 60.0)
                took_s.append(time.monotonic() - begun)
                assert events == ["gone"], f"{direction} {at}"
                await asyncio.to_thread(client.order, "clear-faults")
                await asyncio.to_thread(client.order, "plug")
                await modem.open(BACK_S)
                assert events[:2] == ["gone", "back"], f"{direction} {at}"
                assert _held() <= before, f"{direction} {at}: descriptors or threads are left"
    finally:
        modem.close()
    return took_s


def _held() -> tuple[int, int]:
    """Descriptors and threads of ours; those of the test's own calls come and go."""
    ours = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio")]
    return len(list(Path("/proc/self/fd").iterdir())), len(ours)
