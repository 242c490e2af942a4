"""Milenage, the 3GPP authentication and key generation functions f1 to f5* (TS 35.206), on AES-128.

Used at both ends of AKA (:mod:`testbed.ims.aka`).  The published test sets are those of TS 35.207 and TS 35.208.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from testbed.ims.errors import OurFault

# TS 35.206 4.1: for each output block the rotation r (in bytes: every r is a multiple of 8 bits) and the constant c.
_R1, _C1 = 8, 0x00
_R2, _C2 = 0, 0x01
_R3, _C3 = 4, 0x02
_R4, _C4 = 8, 0x04
_R5, _C5 = 12, 0x08


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def _expect(name: str, value: bytes, length: int) -> bytes:
    if len(value) != length:
        # The value itself may be a secret and is not repeated.
        raise OurFault(f"{name} has {len(value)} bytes, Milenage wants {length}", where="TS 35.206")
    return value


def opc_from_op(k: bytes, op: bytes) -> bytes:
    """OPc, the operator's variant OP bound to one subscriber's key K (TS 35.206 4.1).  All are 16 bytes."""
    encryptor = Cipher(algorithms.AES(_expect("K", k, 16)), modes.ECB()).encryptor()
    return _xor(encryptor.update(_expect("OP", op, 16)), op)


class Milenage:
    """The functions of one subscriber.  K and OPc are 16 bytes; neither can be read back or printed."""

    __slots__ = ("__encrypt", "__opc")

    def __init__(self, k: bytes, opc: bytes) -> None:
        # ECB keeps no state between blocks, so one encryptor serves every call.
        self.__encrypt = Cipher(algorithms.AES(_expect("K", k, 16)), modes.ECB()).encryptor().update
        self.__opc = _expect("OPc", opc, 16)

    def __temp(self, rand: bytes) -> bytes:
        return self.__encrypt(_xor(_expect("RAND", rand, 16), self.__opc))

    def __out(self, rand: bytes, rotation: int, constant: int) -> bytes:
        """OUT2 to OUT5: E[rot(TEMP xor OPc, r) xor c] xor OPc."""
        block = _xor(self.__temp(rand), self.__opc)
        rotated = block[rotation:] + block[:rotation]
        return _xor(self.__encrypt(rotated[:-1] + bytes((rotated[-1] ^ constant,))), self.__opc)

    def __out1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """OUT1: E[TEMP xor rot(IN1 xor OPc, r1) xor c1] xor OPc, with IN1 = SQN || AMF || SQN || AMF."""
        half = _expect("SQN", sqn, 6) + _expect("AMF", amf, 2)
        block = _xor(half + half, self.__opc)
        rotated = block[_R1:] + block[:_R1]
        return _xor(self.__encrypt(_xor(self.__temp(rand), rotated)), self.__opc)

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A, 8 bytes: the network authentication code."""
        return self.__out1(rand, sqn, amf)[:8]

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S, 8 bytes: the resynchronisation authentication code."""
        return self.__out1(rand, sqn, amf)[8:]

    def f2(self, rand: bytes) -> bytes:
        """RES, 8 bytes."""
        return self.__out(rand, _R2, _C2)[8:]

    def f3(self, rand: bytes) -> bytes:
        """CK, the confidentiality key, 16 bytes."""
        return self.__out(rand, _R3, _C3)

    def f4(self, rand: bytes) -> bytes:
        """IK, the integrity key, 16 bytes."""
        return self.__out(rand, _R4, _C4)

    def f5(self, rand: bytes) -> bytes:
        """AK, the anonymity key, 6 bytes."""
        return self.__out(rand, _R2, _C2)[:6]

    def f5_star(self, rand: bytes) -> bytes:
        """AK for resynchronisation, 6 bytes."""
        return self.__out(rand, _R5, _C5)[:6]
