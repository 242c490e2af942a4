"""A card behind a modem's AT port in the place of a software SIM (:class:`testbed.ims.aka.Usim`)."""

from __future__ import annotations

import asyncio

from drivers.modem.card.aka import CardAka
from drivers.modem.card.authentication import Keys
from drivers.modem.errors import ForeignNetwork
from testbed.ims.aka import AkaResult, MacFailure, SyncFailure


class CardUsim:
    """Called from another thread than the modem's event loop: `await asyncio.to_thread(usim.authenticate, ...)`.

    A card takes some hundred milliseconds, in which the loop must go on reading the modem's port.
    """

    def __init__(self, card: CardAka) -> None:
        self._card, self._loop = card, asyncio.get_running_loop()

    def authenticate(self, rand: bytes, autn: bytes) -> AkaResult | SyncFailure:
        """Answer a challenge; raises MacFailure when AUTN is foreign, and the modem's own errors."""
        asked = asyncio.run_coroutine_threadsafe(self._card.authenticate(rand, autn), self._loop)
        try:
            answer = asked.result()  # every command to the card has its own time limit
        except ForeignNetwork as foreign:
            raise MacFailure(foreign.what, where=foreign.where, mend=foreign.mend) from foreign
        if isinstance(answer, Keys):
            return AkaResult(answer.res, answer.ck, answer.ik)
        return SyncFailure(answer.auts)
