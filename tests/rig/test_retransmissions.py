"""A request that nobody answers is repeated by the timers of a radio access for all of 64*T1, 128 s, on the wire."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from living import FAR, PORT_PAIRS, Living, living

from drivers.host import netns
from testbed.core.core import CoreOptions
from testbed.errors import ProductFailure
from testbed.rig.sleep import asleep

pytestmark = [pytest.mark.simulated, pytest.mark.timeout(0)]  # a limit would be one of simulated time
ETH_P_ALL = 3
LATE_S = 0.2  # the kernel may let a poll wait for up to 0.1 % longer, and each repetition waits for the one before
UNTIL_GIVEN_UP_S = 128.0  # timers B and F
# TS 24.229 table 7.7.1: T1 2 s, doubled each time (RFC 3261 17.1.1.2), of other requests than INVITE up to T2 16 s.
SENT_S = {
    b"INVITE": [0, 2, 6, 14, 30, 62, 126],
    b"REGISTER": [0, 2, 6, 14, 30, 46, 62, 78, 94, 110, 126],
}


@contextmanager
def watched(up: Living, method: bytes, sent: list[float]) -> Iterator[None]:
    """When the UE sends such a request, in ESP (with no encryption) or outside it."""
    with netns.inside(up.rig.namespace("ue")):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))

    def take() -> None:
        packet, about = tap.recvfrom(65536)
        if about[2] == socket.PACKET_OUTGOING and method + b" sip:" in packet[:100]:
            sent.append(time.monotonic())

    loop = asyncio.get_running_loop()
    loop.add_reader(tap, take)
    try:
        yield
    finally:
        loop.remove_reader(tap)
        tap.close()


@pytest.mark.parametrize("method", SENT_S)
def test_a_request_is_repeated_until_64_t1_have_passed(tmp_path: Path, method: bytes) -> None:
    sent: list[float] = []

    async def work() -> None:
        async with up.ue() as ue:
            await ue.order("attach", access="lte")
            if method == b"INVITE":
                await ue.order("register", access="lte")
            to = {"to": up.subscribers[FAR].impus[0]} if method == b"INVITE" else {}
            verb = "call" if method == b"INVITE" else "register"
            others = [leader for leader, host in up.rig.sessions().items() if host != "pcscf-lte"]
            with asleep(up.rig, others), watched(up, method, sent):  # the P-CSCF is there, and says nothing
                with pytest.raises(ProductFailure, match=f"nobody answered {method.decode()}"):
                    await ue.order(verb, access="lte", deadline_s=2 * UNTIL_GIVEN_UP_S, **to)
                given_up = time.monotonic()
            assert [moment - sent[0] for moment in sent] == pytest.approx(SENT_S[method], abs=LATE_S)
            assert given_up - sent[0] == pytest.approx(UNTIL_GIVEN_UP_S, abs=LATE_S)

    with living(tmp_path, options=CoreOptions(connections=PORT_PAIRS, warm_up=False)) as up:
        asyncio.run(work())
