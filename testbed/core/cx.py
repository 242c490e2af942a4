"""What an HSS answers on Cx (TS 29.228, AVPs of TS 29.229): authentication vectors, user profiles, who serves whom.

Only the decisions and the AVPs stand here; :mod:`testbed.core.hss` carries them over Diameter.  Keys never leave this
module except as the vectors that the S-CSCF asked for.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from diameter.message import Avp, constants

from testbed.core.subscribers import Subscriber, SubscriberStore
from testbed.ims.aka import (
    MacFailure,
    Vector,
    generate_vector,
    next_sqn,
    resynchronise,
    sqn_after_resynchronisation,
)

VENDOR = constants.VENDOR_TGPP
APPLICATION = constants.APP_3GPP_CX
AKA_SCHEME = "Digest-AKAv1-MD5"  # TS 29.229 6.3.9
MOST_VECTORS = 5  # TS 29.228 6.3: the HSS may give fewer than were asked for
SUCCESS, UNABLE_TO_COMPLY = 2001, 5012  # RFC 6733 7.1
# TS 29.229 6.2.1 and 6.2.2
FIRST_REGISTRATION, SUBSEQUENT_REGISTRATION = 2001, 2002
USER_UNKNOWN, IDENTITIES_DO_NOT_MATCH, IDENTITY_NOT_REGISTERED, SCHEME_NOT_SUPPORTED = 5001, 5002, 5003, 5006
# TS 29.229 6.3.15, Server-Assignment-Type
REGISTERING = {1, 2, 3}  # REGISTRATION, RE_REGISTRATION, UNREGISTERED_USER
DE_REGISTRATION = 1  # TS 29.229 6.3.24, User-Authorization-Type
DEREGISTERING = {4, 5, 8, 9, 10, 11}


class Outcome(NamedTuple):
    """A result and the AVPs that go with it.  A result of 3GPP's own goes into Experimental-Result."""

    result: int
    avps: list[Avp]
    experimental: bool = False

    @property
    def succeeded(self) -> bool:
        return self.result in (FIRST_REGISTRATION, SUBSEQUENT_REGISTRATION)


@dataclass(frozen=True)
class Asked:
    """What a Cx request asks for, as far as it matters here."""

    impi: str
    impu: str
    server: str = ""
    vectors: int = 1
    scheme: str = ""
    authorization: bytes = b""  # RAND and AUTS when the USIM's SQN differs (TS 29.228 6.3.1)
    assignment: int = 0
    authorization_type: int = 0  # TS 29.229 6.3.24


class Cx:
    """The HSS of one home network.  Requests come one at a time, or the caller sees to it."""

    def __init__(self, store: SubscriberStore, random: Callable[[int], bytes] = os.urandom, scscf: str = "") -> None:
        self._store, self._random, self._scscf = store, random, scscf
        self._serving: dict[str, str] = {}  # impi -> the S-CSCF that is assigned to its user
        self._registered: dict[str, set[tuple[str, ...]]] = {}  # impi -> its implicit sets that are registered

    def multimedia_auth(self, asked: Asked) -> Outcome:
        """MAR: fresh authentication vectors, after a resynchronisation where the USIM asked for one."""
        subscriber = self._subscriber(asked)
        if isinstance(subscriber, Outcome):
            return subscriber._replace(avps=_identity(asked))
        if asked.scheme not in ("", "Unknown", AKA_SCHEME):
            return Outcome(SCHEME_NOT_SUPPORTED, _identity(asked), experimental=True)
        sqn = subscriber.sqn
        if asked.authorization:
            rand, auts = asked.authorization[:16], asked.authorization[16:]
            try:
                sqn_ms = resynchronise(subscriber.k, subscriber.opc, rand, auts)
            except MacFailure:
                return Outcome(UNABLE_TO_COMPLY, _identity(asked))
            sqn = sqn_after_resynchronisation(sqn, sqn_ms)
        items = []
        for number in range(1, max(1, min(asked.vectors, MOST_VECTORS)) + 1):
            sqn = next_sqn(sqn)
            vector = generate_vector(subscriber.k, subscriber.opc, subscriber.amf, sqn, self._random(16))
            items.append(_auth_data_item(number, vector))
        self._store.set_sqn(subscriber.impi, sqn)
        count = Avp.new(constants.AVP_TGPP_3GPP_SIP_NUMBER_AUTH_ITEMS, VENDOR, value=len(items))
        return Outcome(SUCCESS, [*_identity(asked), count, *items])

    def server_assignment(self, asked: Asked) -> Outcome:
        """SAR: remember who serves the user and give the profile, or forget it (TS 29.228 6.1.2)."""
        subscriber = self._subscriber(asked)
        if isinstance(subscriber, Outcome):
            return subscriber
        registered = self._registered.setdefault(subscriber.impi, set())
        if asked.assignment in DEREGISTERING:
            registered.discard(subscriber.implicit_set(asked.impu))
            if not registered:
                self._serving.pop(subscriber.impi, None)
            return Outcome(SUCCESS, [])
        if asked.assignment in REGISTERING:
            self._serving[subscriber.impi] = asked.server
            registered.add(subscriber.implicit_set(asked.impu))
        profile = user_profile(subscriber, asked.impu).encode()
        profile = Avp.new(constants.AVP_TGPP_CX_USER_DATA, VENDOR, value=profile)
        return Outcome(SUCCESS, [profile])

    def user_authorization(self, asked: Asked) -> Outcome:
        """UAR: whether the user may register, and where it is served already (TS 29.228 6.1.1)."""
        subscriber = self._subscriber(asked)
        if isinstance(subscriber, Outcome):
            return subscriber
        server = self._serving.get(subscriber.impi)
        if server is None and asked.authorization_type == DE_REGISTRATION:
            return Outcome(IDENTITY_NOT_REGISTERED, [], experimental=True)
        if server is None:
            capabilities = Avp.new(constants.AVP_TGPP_SERVER_CAPABILITIES, VENDOR, value=[_server_name(self._scscf)])
            return Outcome(FIRST_REGISTRATION, [capabilities], experimental=True)
        return Outcome(SUBSEQUENT_REGISTRATION, [_server_name(server)], experimental=True)

    def location_info(self, asked: Asked) -> Outcome:
        """LIR: who serves a public identity (TS 29.228 6.1.4)."""
        subscriber = self._store.by_impu(asked.impu)
        if subscriber is None:
            return Outcome(USER_UNKNOWN, [], experimental=True)
        if subscriber.implicit_set(asked.impu) not in self._registered.get(subscriber.impi, ()):
            return Outcome(IDENTITY_NOT_REGISTERED, [], experimental=True)
        return Outcome(SUCCESS, [_server_name(self._serving[subscriber.impi])])

    def _subscriber(self, asked: Asked) -> Subscriber | Outcome:
        """Whose request it is, checked as TS 29.228 6.1.1.1 and 6.3.1 say."""
        owner = self._store.by_impu(asked.impu)
        if owner is None:
            return Outcome(USER_UNKNOWN, [], experimental=True)
        if asked.impi and owner.impi != asked.impi:
            known = any(one.impi == asked.impi for one in self._store.list())
            return Outcome(IDENTITIES_DO_NOT_MATCH if known else USER_UNKNOWN, [], experimental=True)
        return owner


def user_profile(subscriber: Subscriber, impu: str) -> str:
    """The user profile for a public identity (TS 29.228 annex E): its implicit registration set, none barred."""
    identities = "".join(
        f"<PublicIdentity><BarringIndication>0</BarringIndication><Identity>{html.escape(impu)}</Identity></PublicIdentity>"
        for impu in subscriber.implicit_set(impu)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><IMSSubscription>'
        f"<PrivateID>{html.escape(subscriber.impi)}</PrivateID><ServiceProfile>{identities}</ServiceProfile>"
        "</IMSSubscription>"
    )


def _identity(asked: Asked) -> list[Avp]:
    return [
        Avp.new(constants.AVP_USER_NAME, value=asked.impi),
        Avp.new(constants.AVP_TGPP_PUBLIC_IDENTITY, VENDOR, value=asked.impu),
    ]


def _server_name(server: str) -> Avp:
    return Avp.new(constants.AVP_TGPP_SERVER_NAME, VENDOR, value=server)


def _auth_data_item(number: int, vector: Vector) -> Avp:
    """SIP-Auth-Data-Item (TS 29.229 6.3.13): RAND with AUTN, XRES, CK and IK."""
    return Avp.new(
        constants.AVP_TGPP_3GPP_SIP_AUTH_DATA_ITEM,
        VENDOR,
        value=[
            Avp.new(constants.AVP_TGPP_3GPP_SIP_ITEM_NUMBER, VENDOR, value=number),
            Avp.new(constants.AVP_TGPP_3GPP_SIP_AUTHENTICATION_SCHEME, VENDOR, value=AKA_SCHEME),
            Avp.new(constants.AVP_TGPP_3GPP_SIP_AUTHENTICATE, VENDOR, value=vector.rand + vector.autn),
            Avp.new(constants.AVP_TGPP_3GPP_SIP_AUTHORIZATION, VENDOR, value=vector.xres),
            Avp.new(constants.AVP_TGPP_CONFIDENTIALITY_KEY, VENDOR, value=vector.ck),
            Avp.new(constants.AVP_TGPP_INTEGRITY_KEY, VENDOR, value=vector.ik),
        ],
    )
