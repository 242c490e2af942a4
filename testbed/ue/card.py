"""A card behind a modem's AT port in the place of a software SIM (:class:`testbed.ims.aka.Usim`)."""

from __future__ import annotations

from drivers.modem.card.aka import CardAka
from drivers.modem.card.authentication import Keys
from drivers.modem.errors import ForeignNetwork
from testbed.ims.aka import AkaAnswer, AkaResult, MacFailure, SyncFailure


class CardUsim:
    """A card takes some hundred milliseconds, in which the event loop goes on: it reads the modem's port too."""

    def __init__(self, card: CardAka) -> None:
        self._card = card

    async def authenticate(self, rand: bytes, autn: bytes) -> AkaAnswer:
        """Answer a challenge; raises MacFailure when AUTN is foreign, and the modem's own errors."""
        try:
            answer = await self._card.authenticate(rand, autn)  # every command to the card has its own time limit
        except ForeignNetwork as foreign:
            raise MacFailure(foreign.what, where=foreign.where, mend=foreign.mend) from foreign
        if isinstance(answer, Keys):
            return AkaResult(answer.res, answer.ck, answer.ik)
        return SyncFailure(answer.auts)
