"""AKA, authentication and key agreement (TS 33.102 6.3), at the network's end and at the UE's.

The network's end makes authentication vectors and understands AUTS; the UE's end is a USIM or ISIM, here in software.
Sequence numbers follow annex C: SQN = SEQ || IND with 5 bits of IND, an array of 32 accepted SEQ at the USIM.
A sequence number is an int of 48 bits throughout.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol

from testbed.ims.errors import OurFault, PeerFault
from testbed.ims.milenage import Milenage

IND_BITS = 5  # C.3.2: the array of the USIM has 2**5 entries
_IND_MASK = (1 << IND_BITS) - 1
_SQN_MAX = (1 << 48) - 1
DELTA = 1 << 28  # C.3.2: the largest jump of SEQ that a USIM accepts, its protection against a wrap-around
_AMF_RESYNC = bytes(2)  # 6.3.3: MAC-S is computed over an AMF of zeros


class MacFailure(PeerFault):
    """A message authentication code of AKA is wrong: the other end does not hold the same K and OPc."""


@dataclass(frozen=True, slots=True)
class Vector:
    """An authentication vector (TS 33.102 6.3.2).  RAND and AUTN travel in the clear; the rest is secret."""

    rand: bytes
    autn: bytes
    xres: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AkaResult:
    """What a USIM gives back when it accepts a challenge: RES (8 bytes with Milenage), CK and IK (16 bytes each)."""

    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SyncFailure:
    """The challenge is genuine but its SQN is not fresh; AUTS (14 bytes) tells the network which SQN the USIM has."""

    auts: bytes


AkaAnswer = AkaResult | SyncFailure


class Usim(Protocol):
    """What a registration asks of a USIM or ISIM, be it software or a card behind an AT port."""

    def authenticate(self, rand: bytes, autn: bytes) -> AkaAnswer | Awaitable[AkaAnswer]:
        """Answer a challenge: software at once, a card in its time, to be awaited.

        Raises :class:`MacFailure` when AUTN was not made by the home network.
        """


def _sqn_bytes(sqn: int) -> bytes:
    if not 0 <= sqn <= _SQN_MAX:
        raise OurFault(f"SQN {sqn} does not fit 48 bits", where="TS 33.102 6.3.2", mend="reset the subscriber's SQN")
    return sqn.to_bytes(6, "big")


def _conceal(sqn: bytes, ak: bytes) -> bytes:
    return bytes(s ^ a for s, a in zip(sqn, ak, strict=True))


def generate_vector(k: bytes, opc: bytes, amf: bytes, sqn: int, rand: bytes) -> Vector:
    """One authentication vector (6.3.2).  `sqn` comes from :func:`next_sqn`, `rand` is 16 unpredictable bytes."""
    functions = Milenage(k, opc)
    sqn_octets = _sqn_bytes(sqn)
    autn = _conceal(sqn_octets, functions.f5(rand)) + amf + functions.f1(rand, sqn_octets, amf)
    return Vector(rand, autn, functions.f2(rand), functions.f3(rand), functions.f4(rand))


def resynchronise(k: bytes, opc: bytes, rand: bytes, auts: bytes) -> int:
    """SQN_MS as told by AUTS for the challenge `rand` (6.3.5).  Raises :class:`MacFailure` when AUTS is not genuine."""
    if len(auts) != 14:
        raise MacFailure(f"AUTS has {len(auts)} bytes instead of 14", where="TS 33.102 6.3.3")
    functions = Milenage(k, opc)
    sqn_octets = _conceal(auts[:6], functions.f5_star(rand))
    if not compare_digest(functions.f1_star(rand, sqn_octets, _AMF_RESYNC), auts[6:]):
        raise MacFailure(
            "AUTS carries a wrong MAC-S", where="TS 33.102 6.3.5", mend="compare K and OPc of USIM and HSS"
        )
    return int.from_bytes(sqn_octets, "big")


def next_sqn(sqn_he: int) -> int:
    """The SQN after `sqn_he`, the last one given out: SEQ one higher, IND going round (C.1.2, C.3.4)."""
    seq, ind = sqn_he >> IND_BITS, sqn_he & _IND_MASK
    following = (seq + 1) << IND_BITS | (ind + 1) & _IND_MASK
    _sqn_bytes(following)  # refuses to wrap around
    return following


def sqn_after_resynchronisation(sqn_he: int, sqn_ms: int) -> int:
    """The SQN to go on from once a genuine AUTS brought `sqn_ms` (6.3.5): the network's own if the USIM would take it.

    A USIM whose SEQ is merely behind by no more than DELTA accepts what comes next, so SQN_HE stands; otherwise the
    counter is set to the USIM's, and the next vector is one above it.
    """
    ahead = (next_sqn(sqn_he) >> IND_BITS) - (sqn_ms >> IND_BITS)
    return sqn_he if 0 < ahead <= DELTA else sqn_ms


class SoftwareSim:
    """A USIM in software: K and OPc, and the array of accepted sequence numbers (annex C.2)."""

    def __init__(self, k: bytes, opc: bytes, sqn_ms: int = 0) -> None:
        _sqn_bytes(sqn_ms)
        self.__functions = Milenage(k, opc)
        self._sqn_ms = sqn_ms
        # A fresh card starts with every entry alike; entries above the given one would not be "highest accepted".
        self._seq = [sqn_ms >> IND_BITS] * (1 << IND_BITS)

    @property
    def sqn_ms(self) -> int:
        """The highest sequence number accepted so far; what to keep when the card is to survive the process."""
        return self._sqn_ms

    def authenticate(self, rand: bytes, autn: bytes) -> AkaAnswer:
        """Verify AUTN, then its freshness (6.3.3).  Raises :class:`MacFailure` when the network is not ours."""
        functions = self.__functions
        if len(autn) != 16 or len(rand) != 16:
            raise MacFailure(
                f"RAND has {len(rand)} bytes and AUTN {len(autn)}, both should have 16", where="AKA challenge"
            )
        sqn_octets = _conceal(autn[:6], functions.f5(rand))
        if not compare_digest(functions.f1(rand, sqn_octets, autn[6:8]), autn[8:]):
            raise MacFailure(
                "AUTN carries a wrong MAC-A: the network does not know this USIM's K and OPc",
                where="TS 33.102 6.3.3",
                mend="compare K and OPc of the USIM with those of the HSS",
            )
        sqn = int.from_bytes(sqn_octets, "big")
        if not self._fresh(sqn):
            return SyncFailure(self._auts(rand))
        self._seq[sqn & _IND_MASK] = sqn >> IND_BITS
        self._sqn_ms = max(self._sqn_ms, sqn)
        return AkaResult(functions.f2(rand), functions.f3(rand), functions.f4(rand))

    def _fresh(self, sqn: int) -> bool:
        """C.2.1 and C.2.2: higher than the entry of its IND, and no wild jump beyond the highest."""
        seq, ind = sqn >> IND_BITS, sqn & _IND_MASK
        return seq > self._seq[ind] and seq - (self._sqn_ms >> IND_BITS) <= DELTA

    def _auts(self, rand: bytes) -> bytes:
        sqn_octets = _sqn_bytes(self._sqn_ms)
        concealed = _conceal(sqn_octets, self.__functions.f5_star(rand))
        return concealed + self.__functions.f1_star(rand, sqn_octets, _AMF_RESYNC)
