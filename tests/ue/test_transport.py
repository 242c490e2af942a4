"""SIP sockets on loopback: both transports, both families, and what is no SIP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from testbed.errors import ProductFailure, RigError
from testbed.ims.errors import ParseError
from testbed.ims.message import Request
from testbed.ue.transport import Flow, Message, Transport

ADDRESSES = ("127.0.0.1", "::1")
WAIT_S = 5.0


class Ear:
    """Collects what a transport hears."""

    def __init__(self, address: str) -> None:
        self.heard: asyncio.Queue[tuple[Message, Flow]] = asyncio.Queue()
        self.garbage: asyncio.Queue[ParseError] = asyncio.Queue()
        self.transport = Transport(
            "a", address, lambda *both: self.heard.put_nowait(both), lambda error, _: self.garbage.put_nowait(error)
        )

    async def next(self) -> tuple[Message, Flow]:
        return await asyncio.wait_for(self.heard.get(), WAIT_S)


def options(host: str) -> bytes:
    lines = [
        "OPTIONS sip:a SIP/2.0",
        f"Via: SIP/2.0/UDP {f'[{host}]' if ':' in host else host};branch=z9hG4bK1",
        "From: <sip:a@b>;tag=1",
        "To: <sip:b@b>",
        "Call-ID: 1",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 2 * WAIT_S))


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_datagram_arrives_and_its_flow_leads_back(address: str) -> None:
    async def work() -> None:
        ours, theirs = Ear(address), Ear(address)
        port, other = ours.transport.bind("client"), theirs.transport.bind("server")
        ours.transport.send(options(address), ours.transport.flow("client", port, (address, other)))
        message, flow = await theirs.next()
        assert isinstance(message, Request) and flow.remote == (address, port) and flow.port == other
        theirs.transport.send(options(address), flow)
        assert (await ours.next())[1].role == "client"
        ours.transport.close()
        theirs.transport.close()

    run(work)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stream_carries_messages_both_ways(address: str) -> None:
    async def work() -> None:
        ours, theirs = Ear(address), Ear(address)
        port = theirs.transport.bind("server")
        await theirs.transport.listen("server", port)
        flow = await ours.transport.connect("client", 0, (address, port))
        assert ours.transport.stream_to("client", (address, port)) == flow and flow.reliable
        ours.transport.send(options(address) * 2, flow)
        _, back = await theirs.next()
        await theirs.next()
        theirs.transport.send(options(address), back)
        assert (await ours.next())[1] == flow
        ours.transport.close()
        theirs.transport.close()

    run(work)


def test_what_is_no_sip_is_told_and_stops_nothing() -> None:
    async def work() -> None:
        ear = Ear("127.0.0.1")
        port = ear.transport.bind("open")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for datagram in (b"\r\n\r\n", b"\0\0", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)), options("127.0.0.1")):
                sock.sendto(datagram, ("127.0.0.1", port))
        await ear.next()
        assert ear.garbage.qsize() == 2  # the keep-alives are none
        ear.transport.close()

    run(work)


def test_a_port_in_use_is_an_error_of_the_rig_that_names_it() -> None:
    async def work() -> None:
        ear = Ear("127.0.0.1")
        port = ear.transport.bind("open")
        with pytest.raises(RigError, match=f"cannot use port {port}"):
            Ear("127.0.0.1").transport.bind("open", port)
        ear.transport.close()

    run(work)


def test_nobody_at_the_other_end_of_a_stream_is_the_products_failure() -> None:
    async def work() -> None:
        ear = Ear("127.0.0.1")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(ProductFailure, match="no connection"):
                await ear.transport.connect("client", 0, unused.getsockname())
        ear.transport.close()

    run(work)
