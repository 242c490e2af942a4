"""The UE's card in one of its modems, and the bench's copy of it for when that modem is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drivers.modem.errors import ModemError
from testbed.ims.aka import AkaAnswer, SoftwareSim
from testbed.ue.accesses import Accesses
from testbed.ue.card import CardUsim


class CardOrCopy:
    """Authenticates by the card while its modem answers; otherwise by software with the same keys.

    A UE whose stick was pulled out has lost its card with it.  A bench that knows the keys goes on, as if the card were
    in a reader of its own.  `told` hears which of the two answered.
    """

    def __init__(
        self, accesses: Accesses, access: str, copy: SoftwareSim, told: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._accesses, self._access, self._copy, self._told = accesses, access, copy, told

    async def authenticate(self, rand: bytes, autn: bytes) -> AkaAnswer:
        """Answer a challenge; raises MacFailure when AUTN is foreign."""
        modem = self._accesses.modem(self._access)
        if modem.is_there:
            try:
                answer = await CardUsim(modem.card).authenticate(rand, autn)
            except ModemError as gone:
                self._told("aka", {"by": "software", "why": gone.what})
            else:
                self._told("aka", {"by": "card"})
                return answer
        else:
            self._told("aka", {"by": "software", "why": "its modem is not there"})
        return self._copy.authenticate(rand, autn)
