"""Who the card says the UE is: IMPI, IMPUs and home domain of an ISIM (3GPP TS 31.103 4.2), else made from the IMSI.

Without an ISIM they follow from the IMSI (TS 23.003 13.2 to 13.4B); that IMPU is a temporary one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from drivers.modem.card.aka import ISIM, PATHS
from drivers.modem.card.apdu import Apdu
from drivers.modem.card.transport import Run, Session
from drivers.modem.errors import CardRefused, Refused, SimError

EF_IMPI, EF_DOMAIN, EF_IMPU = 0x6F02, 0x6F03, 0x6F04
NO_SUCH_RECORD = 0x6A83
MOST_RECORDS = 254  # TS 102 221 8.2.2.2
TEXT = 0x80  # the tag of a URI or name


@dataclass(frozen=True)
class Identities:
    """`impus` in the card's order; the first is the one to register with."""

    impi: str
    impus: tuple[str, ...]
    domain: str


async def of_isim(run: Run) -> Identities | None:
    """What the ISIM holds; None when there is no ISIM, or no way to it."""
    for path in PATHS:
        try:
            session = await path.open(run, ISIM)
        except (Refused, CardRefused):
            continue
        try:
            impi, domain = [_text(await _binary(session, file)) for file in (EF_IMPI, EF_DOMAIN)]
            return Identities(impi, tuple([one async for one in _records(session, EF_IMPU)]), domain)
        finally:
            await session.close()
    return None


def of_imsi(imsi: str, mnc_digits: int) -> Identities:
    """`mnc_digits` is 2 or 3; the card's EF-AD has it, the IMSI alone does not tell."""
    mcc, mnc = imsi[:3], imsi[3 : 3 + mnc_digits].zfill(3)
    domain = f"ims.mnc{mnc}.mcc{mcc}.3gppnetwork.org"
    return Identities(f"{imsi}@{domain}", (f"sip:{imsi}@{domain}",), domain)


async def _select(session: Session, file: int) -> None:
    """SELECT by file identifier, no data returned (TS 102 221 11.1.1)."""
    command = Apdu(0xA4, 0x00, 0x0C, file.to_bytes(2, "big"))
    (await session.transmit(command)).check(f"SELECT {file:04X}")


async def _binary(session: Session, file: int) -> bytes:
    await _select(session, file)
    return (await session.transmit(Apdu(0xB0, 0, 0, le=0))).check(f"READ BINARY {file:04X}")


async def _records(session: Session, file: int) -> AsyncIterator[str]:
    """The texts of a file's records; empty ones are left out."""
    await _select(session, file)
    for number in range(1, MOST_RECORDS + 1):
        reply = await session.transmit(Apdu(0xB2, number, 0x04, le=0))
        if reply.status == NO_SUCH_RECORD:
            return
        if text := _text(reply.check(f"READ RECORD {number} of {file:04X}"), empty=""):
            yield text


def _text(data: bytes, *, empty: str | None = None) -> str:
    """The text in a file or record; what was never written is all FF."""
    if len(data) >= 2 and data[0] == TEXT and len(data) >= 2 + data[1]:
        return data[2 : 2 + data[1]].decode(errors="replace")
    if empty is None:
        raise SimError("an identity on the ISIM is empty", mend="the operator has to write it")
    return empty
