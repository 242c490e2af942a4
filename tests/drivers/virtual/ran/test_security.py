"""NAS security against the test data of 3GPP TS 33.401 annex C, and the keys' derivation by its own strings."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from drivers.virtual.ran.errors import IntegrityFailure
from drivers.virtual.ran.nas import keys
from drivers.virtual.ran.nas.algorithms import DOWNLINK, EEA2, eea2, eia2
from drivers.virtual.ran.nas.security import CIPHERED, SecurityContext

KEY = bytes.fromhex("d3c5d592327fb11c4035c6680af8c6d1")


def test_eea2_ciphers_test_set_1_of_annex_c_1() -> None:
    plain = bytes.fromhex("981ba6824c1bfb1ab485472029b71d808ce33e2cc3c0b5fc1f3de8a6dc66b1f0")
    ciphered = bytes.fromhex("e9fed8a63d155304d71df20bf3e82214b20ed7dad2f233dc3c22d7bdeeed8e78")
    found = eea2(KEY, 0x398A59B4, 0x15, 1, plain)
    assert found[:31] == ciphered[:31]
    assert found[31] & 0xF8 == ciphered[31]  # the test set has 253 bits
    assert eea2(KEY, 0x398A59B4, 0x15, 1, found) == plain


def test_eia2_gives_the_code_of_test_set_2_of_annex_c_2() -> None:
    assert eia2(KEY, 0x398A59B4, 0x1A, 1, bytes.fromhex("484583d5afe082ae")).hex() == "b93787e6"


def test_keys_are_derived_from_the_strings_of_annex_a() -> None:
    ck, ik, plmn, sqn_xor_ak = bytes(range(16)), bytes(range(16, 32)), bytes.fromhex("00f110"), bytes(range(6))
    kasme = hmac.digest(ck + ik, b"\x10" + plmn + b"\0\3" + sqn_xor_ak + b"\0\6", hashlib.sha256)
    assert keys.k_asme(ck, ik, plmn, sqn_xor_ak) == kasme
    assert keys.k_enb(kasme, 5) == hmac.digest(kasme, b"\x11\0\0\0\5\0\4", hashlib.sha256)
    integrity = hmac.digest(kasme, b"\x15\x02\0\1\x02\0\1", hashlib.sha256)[16:]
    assert keys.algorithm_key(kasme, keys.NAS_INTEGRITY, 2) == integrity


def sealed(context: SecurityContext, count: int, plain: bytes) -> bytes:
    key = keys.algorithm_key(context.kasme, keys.NAS_INTEGRITY, 2)
    body = bytes((count & 0xFF,)) + eea2(keys.algorithm_key(context.kasme, 1, EEA2), count, 0, DOWNLINK, plain)
    return bytes((CIPHERED << 4 | 7,)) + eia2(key, count, 0, DOWNLINK, body) + body


def test_the_count_goes_on_over_the_wrap_of_its_octet_and_a_replay_is_refused() -> None:
    context = SecurityContext(0, bytes(32), ciphering=EEA2, downlink_count=0xFE)
    for count in (0xFE, 0xFF, 0x100, 0x105):  # some may be lost
        assert context.open(sealed(context, count, b"\x07\x61")) == b"\x07\x61"
    with pytest.raises(IntegrityFailure):
        context.open(sealed(context, 0x105, b"\x07\x61"))


def test_a_wrong_code_changes_nothing() -> None:
    context = SecurityContext(0, bytes(32), ciphering=EEA2)
    good = sealed(context, 3, b"\x07\x61")
    with pytest.raises(IntegrityFailure):
        context.open(good[:-1] + bytes((good[-1] ^ 1,)))
    assert context.open(good) == b"\x07\x61"


def test_keys_are_in_no_representation() -> None:
    assert bytes(32).hex() not in repr(SecurityContext(0, bytes(32))) and "kasme" not in repr(SecurityContext(0, b"k"))
