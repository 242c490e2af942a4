"""AKA between a software USIM and the network's functions (TS 33.102 6.3, annex C)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ims import aka
from testbed.ims.aka import AkaResult, MacFailure, SoftwareSim, SyncFailure, generate_vector, next_sqn, resynchronise
from testbed.ims.errors import OurFault, PeerFault

K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
RAND = bytes.fromhex("23553cbe9637a89d218ae64dae47bf35")
AMF = bytes.fromhex("8000")
SQN = st.integers(min_value=0, max_value=(1 << 47))


def sqn(seq: int, ind: int) -> int:
    return seq << aka.IND_BITS | ind


def challenge(sim: SoftwareSim, number: int) -> AkaResult | SyncFailure:
    vector = generate_vector(K, OPC, AMF, number, RAND)
    return sim.authenticate(vector.rand, vector.autn)


def test_a_vector_is_built_as_the_published_set_says() -> None:
    vector = generate_vector(K, OPC, bytes.fromhex("b9b9"), 0xFF9BB4D0B607, RAND)
    assert vector.autn.hex() == "55f328b43577" + "b9b9" + "4a9ffac354dfafb3"  # SQN xor AK, AMF, MAC-A
    assert vector.xres.hex() == "a54211d5e3ba50bf"
    assert vector.ck.hex() == "b40ba9a3c58b2a05bbf0d987b21bf8cb"
    assert vector.ik.hex() == "f769bcd751044604127672711c6d3441"


def test_usim_and_network_agree_on_res_and_both_keys() -> None:
    vector = generate_vector(K, OPC, AMF, sqn(1, 1), RAND)
    result = SoftwareSim(K, OPC).authenticate(vector.rand, vector.autn)
    assert isinstance(result, AkaResult)
    assert (result.res, result.ck, result.ik) == (vector.xres, vector.ck, vector.ik)


def test_the_same_challenge_twice_is_a_synchronisation_failure() -> None:
    sim = SoftwareSim(K, OPC)
    assert isinstance(challenge(sim, sqn(5, 1)), AkaResult)
    assert isinstance(challenge(sim, sqn(5, 1)), SyncFailure)


def test_a_late_vector_of_another_index_is_still_taken() -> None:
    sim = SoftwareSim(K, OPC)
    assert isinstance(challenge(sim, sqn(10, 2)), AkaResult)
    assert isinstance(challenge(sim, sqn(9, 1)), AkaResult)  # overtaken on the way, its own entry is lower
    assert isinstance(challenge(sim, sqn(9, 2)), SyncFailure)
    assert sim.sqn_ms == sqn(10, 2)


def test_a_jump_of_seq_beyond_delta_is_refused() -> None:
    sim = SoftwareSim(K, OPC)
    assert isinstance(challenge(sim, sqn(aka.DELTA + 1, 0)), SyncFailure)
    assert isinstance(challenge(sim, sqn(aka.DELTA, 0)), AkaResult)


@given(sqn_ms=SQN)
def test_auts_brings_the_usims_sqn_home_and_the_next_vector_is_accepted(sqn_ms: int) -> None:
    sim = SoftwareSim(K, OPC, sqn_ms)
    sqn_he = 0
    answer = challenge(sim, next_sqn(sqn_he))
    if isinstance(answer, SyncFailure):
        assert resynchronise(K, OPC, RAND, answer.auts) == sqn_ms
        sqn_he = aka.sqn_after_resynchronisation(sqn_he, sqn_ms)
        assert isinstance(challenge(sim, next_sqn(sqn_he)), AkaResult)


def test_the_network_keeps_its_counter_when_the_usim_would_accept_the_next() -> None:
    assert aka.sqn_after_resynchronisation(sqn(100, 3), sqn(90, 0)) == sqn(100, 3)
    assert aka.sqn_after_resynchronisation(sqn(100, 3), sqn(200, 9)) == sqn(200, 9)
    assert aka.sqn_after_resynchronisation(sqn(aka.DELTA + 90, 0), sqn(1, 0)) == sqn(1, 0)


@given(first=SQN)
def test_sixty_four_numbers_in_a_row_are_fresh_and_use_every_index_twice(first: int) -> None:
    sim, number, indexes = SoftwareSim(K, OPC, first), first, []
    for _ in range(64):
        number = next_sqn(number)
        indexes.append(number & 31)
        assert isinstance(challenge(sim, number), AkaResult)
    assert sorted(indexes) == sorted(list(range(32)) * 2)


def test_the_counter_refuses_to_wrap_around() -> None:
    with pytest.raises(OurFault):
        next_sqn((1 << 48) - 1)


@given(position=st.integers(0, 15), flip=st.integers(1, 255))
def test_an_autn_changed_anywhere_is_a_mac_failure(position: int, flip: int) -> None:
    vector = generate_vector(K, OPC, AMF, sqn(1, 0), RAND)
    autn = bytearray(vector.autn)
    autn[position] ^= flip
    with pytest.raises(MacFailure):
        SoftwareSim(K, OPC).authenticate(vector.rand, bytes(autn))


@given(position=st.integers(0, 13), flip=st.integers(1, 255))
def test_an_auts_changed_anywhere_is_a_mac_failure(position: int, flip: int) -> None:
    answer = challenge(SoftwareSim(K, OPC, sqn(7, 0)), sqn(6, 0))
    assert isinstance(answer, SyncFailure)
    auts = bytearray(answer.auts)
    auts[position] ^= flip
    with pytest.raises(MacFailure):
        resynchronise(K, OPC, RAND, bytes(auts))


def test_a_network_with_other_keys_is_a_fault_of_the_peer_with_a_mend() -> None:
    vector = generate_vector(K, bytes(16), AMF, sqn(1, 0), RAND)
    with pytest.raises(PeerFault, match="compare K and OPc"):
        SoftwareSim(K, OPC).authenticate(vector.rand, vector.autn)


def test_wrong_lengths_are_the_peers_fault() -> None:
    with pytest.raises(MacFailure):
        SoftwareSim(K, OPC).authenticate(RAND, bytes(15))
    with pytest.raises(MacFailure):
        resynchronise(K, OPC, RAND, bytes(13))


def test_a_refused_challenge_changes_nothing_in_the_usim() -> None:
    sim = SoftwareSim(K, OPC, sqn(50, 0))
    challenge(sim, sqn(10, 1))
    assert sim.sqn_ms == sqn(50, 0)
    assert isinstance(challenge(sim, sqn(51, 1)), AkaResult)


def test_no_secret_shows_in_a_repr() -> None:
    vector = generate_vector(K, OPC, AMF, sqn(1, 0), RAND)
    sim = SoftwareSim(K, OPC)
    shown = repr(vector) + repr(sim.authenticate(vector.rand, vector.autn)) + repr(sim) + str(vars(sim))
    for secret in (vector.xres, vector.ck, vector.ik, K, OPC):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
