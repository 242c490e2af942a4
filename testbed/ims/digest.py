"""HTTP digest as SIP and IMS use it: RFC 2617 / RFC 7616 with RFC 3310 (AKAv1-MD5) and TS 24.229 5.1.1.

A challenge comes in, an Authorization goes out; nonce counting, the resynchronisation answer (AUTS) and the check of
Authentication-Info are here.  Passwords are bytes, because the RES of AKA is binary.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hmac import compare_digest

from testbed.ims.errors import OurFault, PeerFault

# algorithm -> (hash, is it a "-sess" variant, is the password an AKA RES)
ALGORITHMS = {
    "md5": ("md5", False, False),
    "md5-sess": ("md5", True, False),
    "sha-256": ("sha256", False, False),
    "sha-256-sess": ("sha256", True, False),
    "akav1-md5": ("md5", False, True),
    "akav1-md5-sess": ("md5", True, True),
}
QOPS = ("auth", "auth-int")  # in the order we prefer them
_QUOTED = frozenset(
    ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque", "auts", "domain", "rspauth", "nextnonce")
)
_PARAMETER = re.compile(r'\s*([\w!%*+`\'~.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))\s*(?:,|$)', re.DOTALL)
_EMPTY_ELEMENT = re.compile(r"\s*,")


class BadAuthenticationInfo(PeerFault):
    """The server could not prove that it knows the shared secret (rspauth is wrong)."""


def parse_parameters(text: str, where: str) -> dict[str, str]:
    """The comma-separated `name=value` list of a digest header, names in lower case, values unquoted."""
    parameters: dict[str, str] = {}
    position = 0
    while text[position:].strip():
        if empty := _EMPTY_ELEMENT.match(text, position):  # RFC 2616 2.1 allows empty list elements
            position = empty.end()
            continue
        match = _PARAMETER.match(text, position)
        if match is None:
            raise PeerFault(f"cannot read the digest parameter at character {position}", where=where)
        name, quoted, token = match.groups()
        if name.lower() in parameters:
            raise PeerFault(f"digest parameter {name} stands twice", where=where)
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token
        position = match.end()
    return parameters


def _render(parameters: Mapping[str, str]) -> str:
    def value(name: str, text: str) -> str:
        return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"' if name in _QUOTED else text

    return "Digest " + ", ".join(f"{name}={value(name, text)}" for name, text in parameters.items())


def _digest_parameters(text: str, where: str) -> dict[str, str]:
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        raise PeerFault(f"authentication scheme {scheme!r} is not Digest", where=where)
    return parse_parameters(rest, where)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A WWW-Authenticate or Proxy-Authenticate value."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False
    # A P-CSCF may hand through ck and ik meant for itself (TS 24.229 5.2.2): keep them out of logs.
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Challenge:
        """Read a header value.  Raises :class:`PeerFault` for another scheme, missing parameters, bad syntax."""
        where = "WWW-Authenticate"
        parameters = _digest_parameters(text, where)
        for name in ("realm", "nonce"):
            if name not in parameters:
                raise PeerFault(f"the challenge has no {name}", where=where)
        algorithm = parameters.get("algorithm", "MD5")
        if algorithm.lower() not in ALGORITHMS:
            raise PeerFault(f"digest algorithm {algorithm!r} is not known", where=where, mend="use AKAv1-MD5 or MD5")
        return cls(
            realm=parameters["realm"],
            nonce=parameters["nonce"],
            algorithm=algorithm,
            qop=tuple(q.strip().lower() for q in parameters.get("qop", "").split(",") if q.strip()),
            opaque=parameters.get("opaque"),
            stale=parameters.get("stale", "").lower() == "true",
            parameters=parameters,
        )

    @property
    def is_aka(self) -> bool:
        """Whether the password is the RES of an AKA challenge inside the nonce."""
        return ALGORITHMS[self.algorithm.lower()][2]

    def rand_autn(self) -> tuple[bytes, bytes]:
        """RAND and AUTN out of the nonce (RFC 3310 3.2).  Raises :class:`PeerFault` when it holds none."""
        return split_aka_nonce(self.nonce)


def split_aka_nonce(nonce: str) -> tuple[bytes, bytes]:
    """RAND (16 bytes) and AUTN (16 bytes); server data may follow them in the nonce."""
    try:
        raw = base64.b64decode(nonce, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) < 32:
        raise PeerFault("the nonce is not base64 of RAND and AUTN", where="RFC 3310 3.2")
    return raw[:16], raw[16:32]


def aka_nonce(rand: bytes, autn: bytes, server_data: bytes = b"") -> str:
    """The nonce that carries an AKA challenge: what an S-CSCF sends."""
    return base64.b64encode(rand + autn + server_data).decode()


def next_challenge(challenge: Challenge, nextnonce: str) -> Challenge:
    """The challenge that a nextnonce stands for: as the last one, with the new nonce."""
    return replace(challenge, nonce=nextnonce, stale=False)


def initial_authorization(username: str, realm: str, uri: str) -> str:
    """The Authorization of the unprotected REGISTER: it names the private identity, no more (TS 24.229 5.1.1.2.2)."""
    return _render({"username": username, "realm": realm, "nonce": "", "uri": uri, "response": ""})


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that goes into one digest response.  `method` is empty for the server's own proof (rspauth)."""

    username: str
    password: bytes = field(repr=False)
    challenge: Challenge
    uri: str
    cnonce: str = ""
    nc: str = ""
    qop: str = ""

    def response(self, method: str, body: bytes = b"") -> str:
        """The hex digest over `method`, the uri and, with auth-int, the body (RFC 7616 3.4)."""
        hash_name, session, _ = ALGORITHMS[self.challenge.algorithm.lower()]

        def h(data: bytes) -> str:
            return hashlib.new(hash_name, data, usedforsecurity=False).hexdigest()

        nonce = self.challenge.nonce
        ha1 = h(_octets(f"{self.username}:{self.challenge.realm}:") + self.password)
        if session:
            ha1 = h(_octets(f"{ha1}:{nonce}:{self.cnonce}"))
        a2 = f"{method}:{self.uri}"
        if self.qop == "auth-int":
            a2 += f":{h(body)}"
        middle = f"{nonce}:{self.nc}:{self.cnonce}:{self.qop}" if self.qop else nonce
        return h(_octets(f"{ha1}:{middle}:{h(_octets(a2))}"))


def _octets(text: str) -> bytes:
    """As it stood on the wire, whether or not that was UTF-8."""
    return text.encode("utf-8", "surrogateescape")


class DigestClient:
    """One user's side of digest in one realm: give it each challenge, take an Authorization for each request.

    `rng` makes the client nonces; give a seeded one where a run is to repeat.
    """

    def __init__(self, username: str, rng: random.Random) -> None:
        self.username = username
        self.challenge: Challenge | None = None
        self.last_authorization: str | None = None  # re-registrations repeat it (TS 24.229 5.1.1.4.2)
        self._rng = rng
        self._password = b""
        self._auts: bytes | None = None
        self._nc = 0
        self._qop = ""
        self._last: Answer | None = None

    def accept(self, challenge: Challenge, password: bytes) -> None:
        """Answer from now on this challenge with this password (RES, for AKA).  Counting begins anew."""
        self._begin(challenge, password, None)

    def accept_out_of_sync(self, challenge: Challenge, auts: bytes) -> None:
        """Answer this AKA challenge with a synchronisation failure: AUTS and an empty password (RFC 3310 3.4)."""
        self._begin(challenge, b"", auts)

    def _begin(self, challenge: Challenge, password: bytes, auts: bytes | None) -> None:
        chosen = next((qop for qop in QOPS if qop in challenge.qop), "")
        if challenge.qop and not chosen:
            raise PeerFault(f"none of the offered qop {', '.join(challenge.qop)} is known", where="WWW-Authenticate")
        if not chosen and ALGORITHMS[challenge.algorithm.lower()][1]:
            raise PeerFault(f"{challenge.algorithm} needs a qop", where="WWW-Authenticate")
        self.challenge, self._password, self._auts = challenge, password, auts
        self._nc, self._qop = 0, chosen

    def authorization(self, method: str, uri: str, body: bytes = b"") -> str:
        """The Authorization value for one request; each call counts one use of the nonce."""
        challenge = self.challenge
        if challenge is None:
            raise OurFault("there is no challenge to answer yet", where="digest", mend="call accept() first")
        answer = self._next_answer(challenge, uri)
        parameters = {"username": self.username, "realm": challenge.realm, "nonce": challenge.nonce, "uri": uri}
        parameters["response"] = answer.response(method, body)
        parameters["algorithm"] = challenge.algorithm
        if answer.qop:
            parameters |= {"qop": answer.qop, "nc": answer.nc, "cnonce": answer.cnonce}
        if challenge.opaque is not None:
            parameters["opaque"] = challenge.opaque
        if self._auts is not None:
            parameters["auts"] = base64.b64encode(self._auts).decode()
        self._last = answer
        self.last_authorization = _render(parameters)
        return self.last_authorization

    def _next_answer(self, challenge: Challenge, uri: str) -> Answer:
        if not self._qop:
            return Answer(self.username, self._password, challenge, uri)
        self._nc += 1
        cnonce = f"{self._rng.getrandbits(64):016x}"
        return Answer(self.username, self._password, challenge, uri, cnonce, f"{self._nc:08x}", self._qop)

    def check_info(self, authentication_info: str, body: bytes = b"") -> str | None:
        """Read the Authentication-Info of the answer to our last request.

        Raises :class:`BadAuthenticationInfo` when rspauth is present and wrong.  A nextnonce is taken into use, except
        for AKA, where it holds a new RAND and AUTN: it is returned, and the caller runs it through the USIM.
        """
        parameters = parse_parameters(authentication_info, "Authentication-Info")
        if "rspauth" in parameters:
            self._check_rspauth(parameters, body)
        nextnonce = parameters.get("nextnonce")
        if not nextnonce or self.challenge is None:
            return None
        if self.challenge.is_aka:
            return nextnonce
        self._begin(next_challenge(self.challenge, nextnonce), self._password, None)
        return None

    def _check_rspauth(self, parameters: dict[str, str], body: bytes) -> None:
        last = self._last
        if last is None:
            raise BadAuthenticationInfo("rspauth without a request of ours", where="Authentication-Info")
        for name, ours in (("cnonce", last.cnonce), ("nc", last.nc)):
            if last.qop and parameters.get(name, ours).lower() != ours:
                raise BadAuthenticationInfo(f"{name} is not the one of our request", where="Authentication-Info")
        # RFC 7616 3.5: the same computation with an empty method.
        if not compare_digest(last.response("", body).encode(), _octets(parameters["rspauth"].lower())):
            raise BadAuthenticationInfo(
                "rspauth is wrong: the server does not know the shared secret", where="Authentication-Info"
            )


def verify(authorization: str, method: str, password: bytes, body: bytes = b"") -> bool:
    """The server's side: whether an Authorization answers the challenge it quotes with this password."""
    given = _digest_parameters(authorization, "Authorization")
    for name in ("username", "realm", "nonce", "uri", "response"):
        if name not in given:
            raise PeerFault(f"the answer has no {name}", where="Authorization")
    algorithm = given.get("algorithm", "MD5")
    if algorithm.lower() not in ALGORITHMS:
        raise PeerFault(f"digest algorithm {algorithm!r} is not known", where="Authorization")
    challenge = Challenge(given["realm"], given["nonce"], algorithm)
    answer = Answer(
        given["username"],
        password,
        challenge,
        given["uri"],
        given.get("cnonce", ""),
        given.get("nc", ""),
        given.get("qop", "").lower(),
    )
    return compare_digest(answer.response(method, body).encode(), _octets(given["response"].lower()))
