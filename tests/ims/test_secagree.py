"""Security agreement: the strings of the proposal, the choice, the keys and the four SAs (RFC 3329, TS 33.203)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ims.errors import OurFault, ParseError, PeerFault
from testbed.ims.secagree import (
    Direction,
    NoCommonMechanism,
    SaSpec,
    SecurityMechanism,
    choose,
    encryption_key,
    integrity_key,
    parse_mechanisms,
    sa_set,
)

PROPOSAL = "ipsec-3gpp; alg=hmac-sha-1-96; spi-c=78901234; spi-s=01234567; port-c=3562; port-s=1357"
SERVER = (
    "ipsec-3gpp; q=0.1; prot=esp; mod=trans; spi-c=4096; spi-s=4097; port-c=5100; port-s=6100; "
    "alg=hmac-sha-1-96; ealg=null"
)
IK, CK = bytes(range(16)), bytes(range(16, 32))


def ours(alg: str = "hmac-sha-1-96", ealg: str = "null") -> SecurityMechanism:
    return SecurityMechanism(alg=alg, ealg=ealg, spi_c=300, spi_s=301, port_c=3562, port_s=1357)


def test_the_proposals_mechanism_is_read_and_given_back_letter_by_letter() -> None:
    mechanism = SecurityMechanism.parse(PROPOSAL)
    assert (mechanism.mechanism, mechanism.alg, mechanism.ealg) == ("ipsec-3gpp", "hmac-sha-1-96", "null")
    assert (mechanism.mod, mechanism.prot, mechanism.q) == ("trans", "esp", 1.0)
    assert (mechanism.spi_c, mechanism.port_c, mechanism.port_s) == (78901234, 3562, 1357)
    assert mechanism.spi_s == 1234567  # decimal, whatever the leading zero suggests
    assert str(mechanism) == PROPOSAL


@pytest.mark.parametrize(
    "text",
    [
        SERVER,
        "ipsec-3gpp;alg=hmac-md5-96;spi-c=1;spi-s=0000000002;port-c=5062;port-s=5064;colour=\"a;b,c\";flag",
        "IPSEC-3GPP ;ALG = HMAC-MD5-96",
        "tls;q=0.2",
        'digest;d-qop=auth;d-ver="0000000000000000000000000000abcd"',
    ],
)  # fmt: skip
def test_whatever_the_server_wrote_security_verify_repeats(text: str) -> None:
    assert str(SecurityMechanism.parse(text)) == text


def test_names_and_algorithms_are_compared_without_case_and_blanks() -> None:
    mechanism = SecurityMechanism.parse("IPSEC-3GPP ;ALG = HMAC-MD5-96; SPI-C=7")
    assert (mechanism.mechanism, mechanism.alg, mechanism.spi_c) == ("ipsec-3gpp", "hmac-md5-96", 7)


def test_unknown_parameters_are_kept() -> None:
    mechanism = SecurityMechanism.parse('ipsec-3gpp; colour="a;b,c"; flag')
    assert mechanism.others == (("colour", '"a;b,c"'), ("flag", None))


def test_a_header_of_several_mechanisms_keeps_their_order() -> None:
    found = parse_mechanisms([f'{SERVER}, x;note="one, two"', "tls;q=0.2"])
    assert [mechanism.mechanism for mechanism in found] == ["ipsec-3gpp", "x", "tls"]
    assert [str(mechanism) for mechanism in found] == [SERVER, 'x;note="one, two"', "tls;q=0.2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";alg=hmac-md5-96",
        "ipsec-3gpp;spi-c=0",
        "ipsec-3gpp;spi-c=0x10",
        "ipsec-3gpp;spi-c=-1",
        "ipsec-3gpp;spi-c=4294967296",
        "ipsec-3gpp;spi-c=" + "9" * 5000,
        "ipsec-3gpp;spi-c=٣",
        "ipsec-3gpp;spi-c=",
        "ipsec-3gpp;port-s=65536",
        "ipsec-3gpp;spi-c=1;spi-c=2",
        "ipsec-3gpp;q=2",
        "ipsec-3gpp;q=nan",
        "ipsec-3gpp;q=high",
    ],
)
def test_numbers_that_cannot_be_are_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        SecurityMechanism.parse(text)


@given(st.text())
def test_any_text_is_read_or_refused_with_a_parse_error(text: str) -> None:
    for candidate in (text, "ipsec-3gpp;" + text):
        try:
            mechanism = SecurityMechanism.parse(candidate)
        except ParseError:
            continue
        assert str(mechanism) == candidate.strip()


numbers = st.integers(1, 2**32 - 1)
ports = st.integers(1, 65535)


@given(spi_c=numbers, spi_s=numbers, port_c=ports, port_s=ports, ealg=st.sampled_from(["null", "aes-cbc"]))
def test_our_own_offer_reads_back_as_itself(spi_c: int, spi_s: int, port_c: int, port_s: int, ealg: str) -> None:
    offer = SecurityMechanism(
        alg="hmac-md5-96", ealg=ealg, spi_c=spi_c, spi_s=spi_s, port_c=port_c, port_s=port_s, q=0.5
    )
    assert SecurityMechanism.parse(str(offer)) == offer


def test_the_highest_q_among_our_offers_wins() -> None:
    server = parse_mechanisms(
        [
            SERVER,
            SERVER.replace("q=0.1", "q=0.9").replace("ealg=null", "ealg=aes-cbc"),
            SERVER.replace("q=0.1", "q=0.95").replace("hmac-sha-1-96", "hmac-never-heard-of"),
            "tls;q=1.0",
        ]
    )
    chosen, offer = choose(server, [ours(), ours(ealg="aes-cbc")])
    assert (chosen.q, chosen.ealg, offer.ealg) == (0.9, "aes-cbc", "aes-cbc")
    chosen, offer = choose(server, [ours()])
    assert (chosen.q, chosen.ealg, offer.ealg) == (0.1, "null", "null")


def test_between_equals_the_first_of_the_server_wins() -> None:
    server = parse_mechanisms([SERVER.replace("sha-1", "md5"), SERVER])
    assert choose(server, [ours(), ours("hmac-md5-96")])[0].alg == "hmac-md5-96"


def test_nothing_in_common_ends_the_registration_with_what_we_offered() -> None:
    with pytest.raises(NoCommonMechanism, match="hmac-md5-96"):
        choose(parse_mechanisms([SERVER]), [ours("hmac-md5-96")])
    with pytest.raises(PeerFault):
        choose([], [])


def test_a_mechanism_without_its_spis_is_not_chosen() -> None:
    with pytest.raises(NoCommonMechanism):
        choose(parse_mechanisms([SERVER.replace("spi-s=4097; ", "")]), [ours()])


def test_the_esp_keys_of_annex_i() -> None:
    assert integrity_key("hmac-sha-1-96", IK) == IK + b"\0\0\0\0"
    assert integrity_key("hmac-md5-96", IK) == IK
    assert encryption_key("null", CK) == b""
    assert encryption_key("aes-cbc", CK) == CK
    assert encryption_key("des-ede3-cbc", CK) == CK + CK[:8]


def test_an_algorithm_without_a_key_rule_is_the_peers_fault_and_a_short_key_ours() -> None:
    with pytest.raises(PeerFault, match="aes-gcm"):
        encryption_key("aes-gcm", CK)
    with pytest.raises(OurFault):
        integrity_key("hmac-md5-96", b"short")


def test_the_four_sas_run_between_the_right_ports_with_the_receivers_spi() -> None:
    sas = sa_set("10.0.0.2", "10.0.1.1", ours(), SecurityMechanism.parse(SERVER), CK, IK)

    def shape(sa: SaSpec) -> tuple:
        return sa.direction, sa.src, sa.src_port, sa.dst, sa.dst_port, sa.spi

    assert shape(sas.uc_ps) == (Direction.OUT, "10.0.0.2", 3562, "10.0.1.1", 6100, 4097)
    assert shape(sas.ps_uc) == (Direction.IN, "10.0.1.1", 6100, "10.0.0.2", 3562, 300)
    assert shape(sas.pc_us) == (Direction.IN, "10.0.1.1", 5100, "10.0.0.2", 1357, 301)
    assert shape(sas.us_pc) == (Direction.OUT, "10.0.0.2", 1357, "10.0.1.1", 5100, 4096)
    assert list(sas) == [sas.uc_ps, sas.ps_uc, sas.pc_us, sas.us_pc]
    assert {(sa.auth, sa.auth_key, sa.enc, sa.enc_key) for sa in sas} == {("hmac-sha-1-96", IK + bytes(4), "null", b"")}


def test_an_incomplete_mechanism_makes_no_sas() -> None:
    with pytest.raises(PeerFault, match="lacks"):
        sa_set("::1", "::2", ours(), SecurityMechanism.parse("ipsec-3gpp;alg=hmac-md5-96"), CK, IK)


def test_no_key_shows_in_a_repr() -> None:
    sas = sa_set("::1", "::2", ours(ealg="aes-cbc"), SecurityMechanism.parse(SERVER), CK, IK)
    assert "x10" not in repr(sas)
    assert "key" not in repr(sas)
