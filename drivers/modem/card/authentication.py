"""AUTHENTICATE of ISIM and USIM (3GPP TS 31.103 7.1.2, TS 31.102 7.1.2): its coding, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.modem.card.apdu import Apdu, Reply
from drivers.modem.errors import ForeignNetwork, SimError

IMS_AKA = 0x81  # P2: ISIM's IMS AKA context, and USIM's 3G context
SUCCESS, SYNCHRONISATION_FAILURE = 0xDB, 0xDC
WRONG_MAC = 0x9862


@dataclass(frozen=True)
class Keys:
    """The card accepted the challenge: RES (4 to 16 bytes), CK and IK (16 bytes each)."""

    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


@dataclass(frozen=True)
class OutOfStep:
    """The challenge is genuine, its sequence number is not fresh: AUTS (14 bytes) tells the network the card's."""

    auts: bytes


def authenticate(rand: bytes, autn: bytes) -> Apdu:
    """The command for a challenge; both are 16 bytes."""
    if len(rand) != 16 or len(autn) != 16:
        raise SimError(f"RAND has {len(rand)} bytes and AUTN {len(autn)}, both should have 16", where="AKA challenge")
    return Apdu(0x88, 0x00, IMS_AKA, bytes((16,)) + rand + bytes((16,)) + autn, le=0)


def result(reply: Reply) -> Keys | OutOfStep:
    """What the card's reply means.  Raises ForeignNetwork, CardRefused, or SimError for a reply that is none."""
    if reply.status == WRONG_MAC:
        what = "AUTN carries a wrong MAC: the network does not know this card's K and OPc"
        raise ForeignNetwork(what, where="TS 31.103 7.1.2", mend="compare the HSS with the card's data sheet")
    data = reply.check("AUTHENTICATE")
    tag, parts = data[:1], list(_parts(data[1:]))
    if tag == bytes((SUCCESS,)) and [len(part) for part in parts[1:3]] == [16, 16] and 4 <= len(parts[0]) <= 16:
        return Keys(*parts[:3])  # a USIM with service 27 has Kc behind them
    if tag == bytes((SYNCHRONISATION_FAILURE,)) and parts and len(parts[0]) == 14:
        return OutOfStep(parts[0])
    raise SimError(f"the reply of {len(data)} bytes to AUTHENTICATE is neither keys nor AUTS", where="TS 31.103 7.1.2")


def _parts(data: bytes) -> list[bytes]:
    """Parts with their length in one byte before each; what is cut off is left out."""
    parts = []
    while data and len(data) > data[0]:
        parts.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    return parts
