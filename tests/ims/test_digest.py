"""Digest against the examples of RFC 2617, RFC 7616 and RFC 3310, and with AKA end to end."""

import base64
import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ims import aka, digest
from testbed.ims.digest import Answer, BadAuthenticationInfo, Challenge, DigestClient
from testbed.ims.errors import OurFault, PeerFault

RFC2617_CHALLENGE = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC3310_CHALLENGE = (
    'Digest realm="RoamingUsers@mobile.biz", nonce="MzQ0a2xrbGtmbGtsZm9wb2tsc2tqaHJzZXNy9uQyMzMzMzQK=", '
    'qop="auth,auth-int", opaque="5ccc069c403ebaf9f0171e9517f40e41", algorithm=AKAv1-MD5'
)
K, OPC, RAND = b"k" * 16, b"o" * 16, bytes(range(16))
URI = "sip:registrar.home1.net"
USER = "user1_private@home1.net"


def parameters(header: str) -> dict[str, str]:
    assert header.startswith("Digest ")
    return digest.parse_parameters(header[len("Digest ") :], "test")


def aka_challenge(sqn: int = 1 << 5, qop: str = "auth,auth-int") -> tuple[Challenge, aka.Vector]:
    vector = aka.generate_vector(K, OPC, b"\x80\x00", sqn, RAND)
    nonce = digest.aka_nonce(vector.rand, vector.autn)
    return Challenge.parse(f'Digest realm="home1.net", nonce="{nonce}", algorithm=AKAv1-MD5, qop="{qop}"'), vector


def client_with(challenge: Challenge, password: bytes) -> DigestClient:
    client = DigestClient(USER, random.Random(1))
    client.accept(challenge, password)
    return client


def test_the_example_of_rfc_2617() -> None:
    answer = Answer(
        "Mufasa",
        b"Circle Of Life",
        Challenge.parse(RFC2617_CHALLENGE),
        "/dir/index.html",
        "0a4f113b",
        "00000001",
        "auth",
    )
    assert answer.response("GET") == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = Challenge("http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", algorithm)
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    answer = Answer("Mufasa", b"Circle of Life", challenge, "/dir/index.html", cnonce, "00000001", "auth")
    assert answer.response("GET") == response


def test_the_challenge_of_rfc_3310_is_read() -> None:
    challenge = Challenge.parse(RFC3310_CHALLENGE)
    assert challenge.realm == "RoamingUsers@mobile.biz"
    assert challenge.qop == ("auth", "auth-int")
    assert challenge.opaque == "5ccc069c403ebaf9f0171e9517f40e41"
    assert challenge.is_aka


def test_the_nonce_of_rfc_3310_holds_rand_autn_and_server_data() -> None:
    rand, autn = Challenge.parse(RFC3310_CHALLENGE).rand_autn()
    assert rand == base64.b64decode("MzQ0a2xrbGtmbGtsZm9wbw==")
    assert autn == base64.b64decode("a2xza2pocnNlc3L25DIzMw==")


@pytest.mark.parametrize(
    "nonce", ["", "dcd98b7102dd2f0e8b11d0f600bfb0c093", base64.b64encode(bytes(31)).decode(), "ä" * 44]
)
def test_a_nonce_without_rand_and_autn_is_the_peers_fault(nonce: str) -> None:
    with pytest.raises(PeerFault, match="not base64 of RAND and AUTN"):
        digest.split_aka_nonce(nonce)


def test_the_unprotected_register_of_the_proposal_names_the_identity_only() -> None:
    assert digest.initial_authorization(USER, "registrar.home1.net", URI) == (
        'Digest username="user1_private@home1.net", realm="registrar.home1.net", nonce="", '
        'uri="sip:registrar.home1.net", response=""'
    )


def test_an_aka_challenge_is_answered_with_res_as_a_binary_password() -> None:
    challenge, vector = aka_challenge()
    result = aka.SoftwareSim(K, OPC).authenticate(*challenge.rand_autn())
    assert isinstance(result, aka.AkaResult)
    header = client_with(challenge, result.res).authorization("REGISTER", URI)
    assert digest.verify(header, "REGISTER", vector.xres)
    assert not digest.verify(header, "REGISTER", vector.xres.hex().encode())
    assert not digest.verify(header, "INVITE", vector.xres)
    assert parameters(header)["algorithm"] == "AKAv1-MD5"


def test_server_data_after_autn_in_the_nonce_is_no_hindrance() -> None:
    vector = aka.generate_vector(K, OPC, b"\x80\x00", 32, RAND)
    nonce = digest.aka_nonce(vector.rand, vector.autn, b"server data")
    assert digest.split_aka_nonce(nonce) == (vector.rand, vector.autn)


def test_a_synchronisation_failure_is_told_by_auts_and_an_empty_password() -> None:
    challenge, _ = aka_challenge(sqn=1 << 5)
    sim = aka.SoftwareSim(K, OPC, 99 << 5)
    failure = sim.authenticate(*challenge.rand_autn())
    assert isinstance(failure, aka.SyncFailure)
    client = DigestClient(USER, random.Random(1))
    client.accept_out_of_sync(challenge, failure.auts)
    header = client.authorization("REGISTER", URI)
    assert digest.verify(header, "REGISTER", b"")
    assert aka.resynchronise(K, OPC, RAND, base64.b64decode(parameters(header)["auts"])) == 99 << 5
    client.accept(challenge, b"res")
    assert "auts" not in parameters(client.authorization("REGISTER", URI))


def test_each_use_of_a_nonce_is_counted_and_a_new_nonce_counts_anew() -> None:
    challenge, _ = aka_challenge()
    client = client_with(challenge, b"res")
    headers = [parameters(client.authorization("REGISTER", URI)) for _ in range(3)]
    assert [header["nc"] for header in headers] == ["00000001", "00000002", "00000003"]
    assert len({header["cnonce"] for header in headers}) == 3
    assert len({header["response"] for header in headers}) == 3
    client.accept(challenge, b"res")
    assert parameters(client.authorization("REGISTER", URI))["nc"] == "00000001"


def test_what_must_be_unquoted_is_unquoted() -> None:
    challenge, _ = aka_challenge()
    header = client_with(challenge, b"res").authorization("REGISTER", URI)
    assert "qop=auth," in header
    assert "nc=00000001," in header
    assert "algorithm=AKAv1-MD5" in header


def test_auth_int_covers_the_body() -> None:
    challenge, vector = aka_challenge(qop="auth-int")
    header = client_with(challenge, vector.xres).authorization("INVITE", "sip:far@home1.net", b"v=0\r\n")
    assert digest.verify(header, "INVITE", vector.xres, b"v=0\r\n")
    assert not digest.verify(header, "INVITE", vector.xres, b"v=1\r\n")


def test_without_qop_the_old_form_of_rfc_2069_is_used() -> None:
    client = client_with(Challenge.parse('Digest realm="r", nonce="n"'), b"secret")
    header = client.authorization("REGISTER", URI)
    assert not {"qop", "nc", "cnonce"} & parameters(header).keys()
    assert digest.verify(header, "REGISTER", b"secret")


def test_a_session_algorithm_hashes_the_nonces_into_the_key() -> None:
    challenge = Challenge("r", "n", "MD5-sess", ("auth",))
    header = client_with(challenge, b"secret").authorization("REGISTER", URI)
    assert digest.verify(header, "REGISTER", b"secret")
    assert not digest.verify(header.replace("MD5-sess", "MD5"), "REGISTER", b"secret")
    with pytest.raises(PeerFault, match="needs a qop"):
        client_with(Challenge("r", "n", "MD5-sess"), b"secret")


def rspauth(client: DigestClient, header: str, password: bytes) -> str:
    given = parameters(header)
    assert client.challenge is not None
    answer = Answer(USER, password, client.challenge, given["uri"], given["cnonce"], given["nc"], given["qop"])
    return f'qop=auth, rspauth="{answer.response("")}", cnonce="{given["cnonce"]}", nc={given["nc"]}'


def test_a_server_that_knows_the_secret_is_believed_and_another_is_not() -> None:
    client = client_with(aka_challenge()[0], b"res")
    header = client.authorization("REGISTER", URI)
    assert client.check_info(rspauth(client, header, b"res")) is None
    with pytest.raises(BadAuthenticationInfo, match="does not know the shared secret"):
        client.check_info(rspauth(client, header, b"RES"))


def test_a_proof_for_another_request_is_not_believed() -> None:
    client = client_with(aka_challenge()[0], b"res")
    first = client.authorization("REGISTER", URI)
    client.authorization("REGISTER", URI)
    with pytest.raises(BadAuthenticationInfo, match="not the one of our request"):
        client.check_info(rspauth(client, first, b"res"))


def test_a_nextnonce_is_taken_into_use_except_where_it_is_an_aka_challenge() -> None:
    plain = client_with(Challenge("r", "n", "MD5", ("auth",)), b"secret")
    plain.authorization("REGISTER", URI)
    assert plain.check_info('nextnonce="n2"') is None
    header = parameters(plain.authorization("REGISTER", URI))
    assert (header["nonce"], header["nc"]) == ("n2", "00000001")

    with_aka = client_with(aka_challenge()[0], b"res")
    with_aka.authorization("REGISTER", URI)
    assert with_aka.check_info('nextnonce="bmV3"') == "bmV3"
    assert with_aka.challenge is not None
    assert digest.next_challenge(with_aka.challenge, "bmV3").is_aka


def test_the_last_answer_is_kept_for_a_reregistration() -> None:
    client = client_with(aka_challenge()[0], b"res")
    assert client.last_authorization is None
    assert client.authorization("REGISTER", URI) == client.last_authorization


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic realm=x",
        "Digest",
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce="n", algorithm=AKAv9-MD5',
        'Digest realm="r, nonce="n"',
        'Digest realm="r", nonce="n", nonce="m"',
        'Digest realm="r" nonce="n"',
    ],
)
def test_a_challenge_that_cannot_be_answered_is_the_peers_fault(text: str) -> None:
    with pytest.raises(PeerFault):
        Challenge.parse(text)


def test_an_unknown_qop_is_the_peers_fault() -> None:
    with pytest.raises(PeerFault, match="qop"):
        client_with(Challenge("r", "n", "MD5", ("auth-conf",)), b"secret")


def test_a_request_before_any_challenge_is_our_fault() -> None:
    with pytest.raises(OurFault):
        DigestClient(USER, random.Random(1)).authorization("REGISTER", URI)


@given(st.text())
def test_any_text_is_read_or_refused_as_the_peers_fault(text: str) -> None:
    for candidate in (text, "Digest " + text, f'Digest realm="r", nonce="n", {text}'):
        with contextlib.suppress(PeerFault):
            Challenge.parse(candidate)


@given(username=st.text(min_size=1), realm=st.text(), opaque=st.text())
def test_quotes_and_backslashes_survive(username: str, realm: str, opaque: str) -> None:
    client = DigestClient(username, random.Random(1))
    client.accept(Challenge(realm, "n", "MD5", ("auth",), opaque), b"secret")
    given = parameters(client.authorization("REGISTER", URI))
    assert (given["username"], given["realm"], given["opaque"]) == (username, realm, opaque)


def test_no_password_and_no_network_key_shows_in_a_repr() -> None:
    challenge = Challenge.parse('Digest realm="r", nonce="n", ck="c0ffee", ik="facade"')
    client = client_with(challenge, b"hunter2")
    client.authorization("REGISTER", URI)
    answer = Answer(USER, b"hunter2", challenge, URI)
    shown = repr(challenge) + repr(client) + repr(answer)
    for secret in ("hunter2", "c0ffee", "facade"):
        assert secret not in shown


def test_a_realm_that_is_no_utf8_is_answered_in_its_own_octets() -> None:
    realm = b"home\xff1".decode("utf-8", "surrogateescape")  # as the SIP codec hands it over
    client = DigestClient("user1_private@home1.net", random.Random(1))
    client.accept(Challenge.parse(f'Digest realm="{realm}", nonce="n", algorithm=MD5'), b"secret")
    given = client.authorization("REGISTER", "sip:home1.net")
    assert digest.verify(given, "REGISTER", b"secret")
    with pytest.raises(BadAuthenticationInfo):
        client.check_info(f'rspauth="{realm}"')
