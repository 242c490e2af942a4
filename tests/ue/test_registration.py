"""What a UE makes of the answers to its REGISTER, and that nothing waits for a card but the registration."""

from __future__ import annotations

import asyncio
import random
from typing import cast

import pytest

from testbed.ims.aka import AkaAnswer, AkaResult, SoftwareSim, Usim, generate_vector
from testbed.ims.digest import Challenge, aka_nonce
from testbed.ims.headers import Headers
from testbed.ims.message import Response
from testbed.ue.register_answers import longer_s
from testbed.ue.registration import Registrar
from testbed.ue.stack import SipStack

K, OPC, RAND = bytes(range(16)), bytes(range(16, 32)), bytes(16)
VECTOR = generate_vector(K, OPC, b"\x80\x00", 64, RAND)
CHALLENGE = Challenge("home1.net", aka_nonce(VECTOR.rand, VECTOR.autn), "AKAv1-MD5")
KEYS = AkaResult(VECTOR.xres, VECTOR.ck, VECTOR.ik)


def registrar(usim: Usim) -> Registrar:
    return Registrar(cast(SipStack, None), usim, random.Random(1), lambda _: None)


@pytest.mark.parametrize(
    ("status", "least", "expected"),
    [
        (423, "60", 60),
        (423, " 3600 ", 3600),
        (423, "30", None),
        (423, "29", None),
        (423, None, None),
        (423, "soon", None),
        (423, "-60", None),
        (423, "6\u0660", None),
        (423, "1" * 11, None),
        (403, "60", None),
    ],
)
def test_a_423_is_followed_when_it_names_a_longer_time(status: int, least: str | None, expected: int | None) -> None:
    headers = Headers([("Min-Expires", least)] if least is not None else [])
    assert longer_s(Response(status, "", headers), 30) == expected


def test_a_software_sim_costs_no_turn_of_the_event_loop() -> None:
    with pytest.raises(StopIteration) as answered:
        registrar(SoftwareSim(K, OPC))._run_aka(CHALLENGE, "here").send(None)
    assert answered.value.value == KEYS


def test_the_event_loop_goes_on_while_a_card_computes() -> None:
    async def work() -> None:
        asked, computed = asyncio.Event(), asyncio.Event()

        class Card:
            async def authenticate(self, rand: bytes, autn: bytes) -> AkaAnswer:
                asked.set()
                await computed.wait()
                return SoftwareSim(K, OPC).authenticate(rand, autn)

        answering = asyncio.create_task(registrar(Card())._run_aka(CHALLENGE, "here"))
        await asked.wait()  # somebody else's turn, in the middle of the card's
        computed.set()
        assert await answering == KEYS

    asyncio.run(work())
