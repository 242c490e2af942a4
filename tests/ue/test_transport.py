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
from testbed.ue import transport as module
from testbed.ue.transport import Flow, Message, Transport

ADDRESSES = ("127.0.0.1", "::1")
WAIT_S = 5.0


class Ear:
    """Collects what a transport hears, and which streams it has lost."""

    def __init__(self, address: str) -> None:
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()
        self.heard: asyncio.Queue[tuple[Message, Flow]] = asyncio.Queue()
        self.garbage: asyncio.Queue[ParseError] = asyncio.Queue()
        self.transport = Transport(
            "a",
            address,
            lambda *both: self.heard.put_nowait(both),
            lambda error, _: self.garbage.put_nowait(error),
            self.closed.put_nowait,
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


def test_a_ping_is_answered_and_one_of_ours_keeps_the_stream_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5626 4.4.1: CRLFCRLF, and CRLF back."""
    monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.01)

    async def work() -> None:
        ear = Ear("127.0.0.1")
        port = ear.transport.bind("server")
        await ear.transport.listen("server", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for pause_s in (0.01, 0.01, 60.0):
            assert await reader.readexactly(4) == b"\r\n\r\n"
            monkeypatch.setattr(module, "KEEP_ALIVE_S", pause_s)
            writer.write(b"\r\n")
        writer.write(b"\r\n\r\n" + options("127.0.0.1"))
        assert await reader.readexactly(2) == b"\r\n"
        await ear.next()
        assert ear.closed.empty()
        writer.close()
        ear.transport.close()

    run(work)


def test_a_stream_whose_other_end_answers_no_ping_is_given_up_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.01)
    monkeypatch.setattr(module, "PONG_DEADLINE_S", 0.01)

    async def work() -> None:
        ear = Ear("127.0.0.1")
        port = ear.transport.bind("server")
        await ear.transport.listen("server", port)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        lost = await asyncio.wait_for(ear.closed.get(), WAIT_S)
        assert lost.role == "server" and ear.transport.stream_to("server", lost.remote) is None
        writer.close()
        ear.transport.close()

    run(work)
