"""The eNB's association with an MME that refuses, is silent or goes away: what the UE and the rig are told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from contextlib import closing
from ipaddress import IPv4Address
from typing import Any

import pytest
from lte_station import Cell
from scripted_core import IMSI, aka

from drivers.host import netns
from drivers.virtual.ran import s1ap
from drivers.virtual.ran.effects import NoAnswer
from drivers.virtual.ran.errors import CoreGone
from drivers.virtual.ran.s1ap import S1apMessage
from drivers.virtual.ran.sctp import Association
from drivers.virtual.ran.tunnel import place

pytestmark = [pytest.mark.rig, pytest.mark.simulated]
NAMESPACE, MME = "test-s1", IPv4Address("127.0.2.1")
GUMMEI = {"servedPLMNs": [b"\x00\xf1\x10"], "servedGroupIDs": [b"\0\2"], "servedMMECs": [b"\1"]}
SETUP = S1apMessage("S1SetupResponse", {s1ap.MME_NAME: "mme", 105: [GUMMEI], 87: 255})


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    netns.share_folder()
    with netns.making(NAMESPACE, "test"):
        pass
    yield
    netns.remove(NAMESPACE, "test")


class Mme:
    """Takes one association, and says what a test has it say."""

    def __init__(self) -> None:
        with place(NAMESPACE):
            self._listening = Association(s1ap.PPID).socket
        self._listening.bind((str(MME), s1ap.PORT))
        self._listening.listen(1)
        self.peer: socket.socket | None = None

    async def hear(self) -> S1apMessage:
        loop = asyncio.get_running_loop()
        if self.peer is None:
            self.peer, _ = await loop.sock_accept(self._listening)
        return s1ap.decode(await loop.sock_recv(self.peer, 1 << 16))

    def say(self, message: S1apMessage) -> None:
        assert self.peer
        self.peer.send(s1ap.encode(message))

    def close(self) -> None:
        for one in (self._listening, self.peer):
            if one:
                one.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_where_no_mme_listens_the_error_says_so() -> None:
    async def test() -> None:
        with (
            closing(Cell(NAMESPACE).station) as station,
            pytest.raises(CoreGone, match=r"no association.*\n  mend: start the MME"),
        ):
            await station.connect(MME)

    run(test())


def test_an_mme_that_does_not_answer_is_waited_for_and_no_longer() -> None:
    async def test() -> None:
        silent = pytest.raises(CoreGone, match="no answer within 10 s")
        with closing(Mme()), closing(Cell(NAMESPACE).station) as station, silent:
            await station.connect(MME)

    run(test())


def test_an_mme_that_goes_away_in_the_middle_of_an_attach_is_told_to_the_ue_and_the_rig() -> None:
    async def test() -> None:
        cell = Cell(NAMESPACE)
        with closing(Mme()) as mme, closing(cell.station) as station:
            connecting = asyncio.ensure_future(station.connect(MME))
            assert (await mme.hear()).name == "S1SetupRequest"
            mme.say(SETUP)
            assert (await connecting).mme == "mme"
            phone = cell.phone(IMSI, aka(), NAMESPACE)
            phone.begin()
            assert (await mme.hear()).name == "InitialUEMessage"
            mme.close()
            assert await phone.event(NoAnswer) == NoAnswer("attach")
            assert cell.faults == ["the MME has ended the association"]

    run(test())
