"""AKA by the card: the ISIM if there is one, else the USIM, over whichever APDU path the modem has.

The result is plain bytes; whoever needs the interface of a software SIM makes it from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.modem.card import authentication
from drivers.modem.card.authentication import Keys, OutOfStep
from drivers.modem.card.transport import GenericAccessSession, LogicalChannelSession, Run
from drivers.modem.errors import CardRefused, Refused, SimError

# TS 101 220 annex E: RID of 3GPP and application code; a card finds its application by the beginning of its AID.
ISIM, USIM = bytes.fromhex("A0000000871004"), bytes.fromhex("A0000000871002")
APPLICATIONS = {"ISIM": ISIM, "USIM": USIM}
PATHS = (LogicalChannelSession, GenericAccessSession)


@dataclass(frozen=True)
class Way:
    """What has worked: an application, and how it is reached."""

    application: str
    path: type[LogicalChannelSession] | type[GenericAccessSession]

    def __str__(self) -> str:
        return f"{self.application} over {self.path.name}"


WAYS = tuple(Way(application, path) for application in APPLICATIONS for path in PATHS)


class CardAka:
    """`run` runs a command on the modem's AT port."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.way: Way | None = None  # known after the first answer

    async def authenticate(self, rand: bytes, autn: bytes) -> Keys | OutOfStep:
        """Answer a challenge.

        Raises ForeignNetwork when AUTN is not of the card's home network, CardRefused or another SimError when the
        card cannot be asked, and what the port raises.
        """
        refusals = []
        for way in [self.way] if self.way else WAYS:
            try:
                answer = await self._by(way, rand, autn)
            except _Unreachable as unreachable:
                refusals.append(f"{way}: {unreachable.why.what}")
                continue
            self.way = way
            return answer
        raise SimError("no application on the card can be asked", where="; ".join(refusals), mend="is this a UICC?")

    async def _by(self, way: Way, rand: bytes, autn: bytes) -> Keys | OutOfStep:
        command = authentication.authenticate(rand, autn)
        try:
            session = await way.path.open(self._run, APPLICATIONS[way.application])
        except (Refused, CardRefused) as why:
            raise _Unreachable(why) from why
        try:
            return authentication.result(await session.transmit(command))
        except Refused as why:  # some modems have +CGLA and keep AUTHENTICATE to themselves
            raise _Unreachable(why) from why
        finally:
            await session.close()


class _Unreachable(Exception):
    """This way does not lead to the application."""

    def __init__(self, why: Refused | CardRefused) -> None:
        super().__init__(str(why))
        self.why = why
