"""A card behind an AT port answers as a software SIM does."""

from __future__ import annotations

import asyncio

import pytest
from scripted_card import CardModem, ScriptedCard
from scripted_modem import ScriptedModem

from drivers.modem.card.aka import CardAka
from drivers.modem.port import AtPort
from testbed.ims.aka import AkaResult, MacFailure, SoftwareSim, SyncFailure, generate_vector
from testbed.ue.card import CardUsim

K, OPC, AMF, RAND = bytes(range(16)), bytes(range(16, 32)), b"\x80\x00", bytes(16)


def asked(card: SoftwareSim, sqn: int) -> AkaResult | SyncFailure:
    async def run() -> AkaResult | SyncFailure:
        modem = CardModem(ScriptedCard(card))
        with ScriptedModem({}) as scripted:
            scripted._answer = lambda command: scripted.send(modem(command))  # type: ignore[method-assign]
            port = AtPort(scripted.path)
            try:
                vector = generate_vector(K, OPC, AMF, sqn, RAND)
                return await CardUsim(CardAka(port.run)).authenticate(vector.rand, vector.autn)
            finally:
                port.close()

    return asyncio.run(run())


@pytest.mark.parametrize("sqn_ms", [0, 4096], ids=["fresh", "stale"])
def test_a_card_gives_what_the_same_sim_in_software_gives(sqn_ms: int) -> None:
    vector = generate_vector(K, OPC, AMF, 64, RAND)
    expected = SoftwareSim(K, OPC, sqn_ms).authenticate(vector.rand, vector.autn)
    assert asked(SoftwareSim(K, OPC, sqn_ms), 64) == expected


def test_a_foreign_network_is_a_mac_failure_as_in_software() -> None:
    with pytest.raises(MacFailure, match="does not know this card"):
        asked(SoftwareSim(K, bytes(16)), 64)
