"""EPS keys (3GPP TS 33.401 6.1 and annex A).  All of them are secret; all are 16 or 32 octets."""

from __future__ import annotations

import hashlib
import hmac

NAS_ENCRYPTION, NAS_INTEGRITY = 0x01, 0x02  # algorithm type distinguishers, table A.7-1


def kdf(key: bytes, fc: int, *parameters: bytes) -> bytes:
    """The key derivation function (TS 33.220 B.2): each parameter is followed by its length in two octets."""
    string = bytes((fc,)) + b"".join(one + len(one).to_bytes(2, "big") for one in parameters)
    return hmac.digest(key, string, hashlib.sha256)


def k_asme(ck: bytes, ik: bytes, plmn: bytes, sqn_xor_ak: bytes) -> bytes:
    """A.2; `plmn` is the serving network's in three octets, `sqn_xor_ak` the first six of AUTN."""
    return kdf(ck + ik, 0x10, plmn, sqn_xor_ak)


def k_enb(kasme: bytes, uplink_count: int) -> bytes:
    """A.3."""
    return kdf(kasme, 0x11, uplink_count.to_bytes(4, "big"))


def algorithm_key(key: bytes, use: int, algorithm: int) -> bytes:
    """A.7: the 128 low bits of what is derived for an algorithm."""
    return kdf(key, 0x15, bytes((use,)), bytes((algorithm,)))[16:]
