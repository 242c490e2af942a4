"""Identification, authentication and security mode at the UE (3GPP TS 24.301 5.4), and the keys that come of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from drivers.modem.card.authentication import OutOfStep
from drivers.virtual.card import Aka
from drivers.virtual.ran.errors import IntegrityFailure, PeerFault
from drivers.virtual.ran.nas import emm, keys
from drivers.virtual.ran.nas.algorithms import EEA0, EEA2, EIA2
from drivers.virtual.ran.nas.causes import MAC_FAILURE, SECURITY_MISMATCH, SYNCH_FAILURE
from drivers.virtual.ran.nas.elements import (
    IDENTITY_IMEI,
    IDENTITY_IMEISV,
    IDENTITY_IMSI,
    EpsIdentity,
    Identity,
    plmn_octets,
)
from drivers.virtual.ran.nas.message import Esm, decode, encode
from drivers.virtual.ran.nas.security import (
    CIPHERED,
    CIPHERED_NEW_CONTEXT,
    INTEGRITY,
    NEW_CONTEXT,
    PLAIN,
    SecurityContext,
    header_type,
)
from drivers.virtual.ran.nas.wire import Message

NOT_FOR_EPS = 26  # EMM cause "non-EPS authentication unacceptable"
SEPARATION_BIT = 0x80  # of AMF (TS 33.401 6.1.1)
# What a UE processes without protection as long as there is none (4.4.4.2)
UNPROTECTED = (
    emm.IdentityRequest,
    emm.AuthenticationRequest,
    emm.AuthenticationReject,
    emm.AttachReject,
    emm.DetachAccept,
    emm.TrackingAreaUpdateReject,
    emm.ServiceReject,
)


@dataclass(frozen=True)
class Subscriber:
    """Who a UE is: 15 digits of IMSI, 16 of IMEISV; `capability` are the algorithms that it offers (9.9.3.34)."""

    imsi: str
    imeisv: str = "3534900698733100"
    capability: bytes = b"\xa0\x20"  # EEA0 and 128-EEA2; 128-EIA2


class CommonProcedures:
    """Opens what the network sends, protects what the UE sends, and answers the network's questions."""

    def __init__(self, subscriber: Subscriber, plmn: str, aka: Aka) -> None:
        """`plmn` is the serving network's: the keys are bound to it."""
        self._subscriber, self._plmn, self._aka = subscriber, plmn, aka
        self.context: SecurityContext | None = None
        self._pending: SecurityContext | None = None
        self._secured = False
        self.refused: int | None = None  # the EMM cause with which the UE refused the network's challenge

    @property
    def key_set(self) -> int:
        return self.context.key_set if self.context else emm.NO_KEY

    def bearers_established(self) -> None:
        """The network has shown that it has our keys: it took the service request (4.4.4.2)."""
        self._secured = self.context is not None

    def connection_ended(self) -> None:
        """Protection begins anew with the next connection."""
        self._secured = False

    def forget(self) -> None:
        """The keys are worth nothing any more."""
        self.context = self._pending = None
        self._secured = False

    def open(self, data: bytes) -> Message | Esm:
        """A message of the network.  Raises PeerFault, and IntegrityFailure where it is not protected as it must be."""
        header = header_type(data)
        if header == PLAIN:
            message = decode(data, "network")
            if self._secured or not isinstance(message, UNPROTECTED):
                what = message.message if isinstance(message, Esm) else message
                raise IntegrityFailure(f"{type(what).__name__} came without protection", where="TS 24.301 4.4.4.2")
            return message
        if header == NEW_CONTEXT:
            return self._security_mode(data)
        if self.context is None:
            raise IntegrityFailure("a protected message came before any key was agreed", where="NAS")
        plain = self.context.open(data)
        self._secured = True
        return decode(plain, "network")

    def seal(self, plain: bytes, *, initial: bool = False) -> bytes:
        """A message of the UE: plain without a key, ciphered once the network has shown that it has it, too (4.4.5)."""
        if self.context is None:
            return plain
        return self.context.protect(plain, CIPHERED if self._secured and not initial else INTEGRITY)

    def answer(self, message: Message | Esm) -> bytes | None:
        """What to send for a message of these procedures; None for all others."""
        if isinstance(message, emm.IdentityRequest):
            return self.seal(encode(emm.IdentityResponse(EpsIdentity(self._identity(message.identity_type)))))
        if isinstance(message, emm.AuthenticationRequest):
            return self.seal(encode(self._authenticate(message)))
        if isinstance(message, emm.SecurityModeCommand):
            return self._security_mode_answer(message)
        return None

    def _identity(self, wanted: int) -> Identity:
        if wanted == IDENTITY_IMEI:
            return Identity(IDENTITY_IMEI, self._subscriber.imeisv[:14] + "0")
        if wanted == IDENTITY_IMEISV:
            return Identity(IDENTITY_IMEISV, self._subscriber.imeisv)
        return Identity(IDENTITY_IMSI, self._subscriber.imsi)

    def _authenticate(self, message: emm.AuthenticationRequest) -> Message:
        """5.4.2: the card's answer, and KASME with it."""
        if len(message.autn) != 16:
            raise PeerFault(f"AUTN has {len(message.autn)} octets", where="TS 24.301 9.9.3.2")
        if not message.autn[6] & SEPARATION_BIT:
            self.refused = NOT_FOR_EPS
            return emm.AuthenticationFailure(NOT_FOR_EPS)
        answer = self._aka(message.rand, message.autn)
        if answer is None:
            self.refused = MAC_FAILURE
            return emm.AuthenticationFailure(MAC_FAILURE)
        if isinstance(answer, OutOfStep):
            self.refused = SYNCH_FAILURE
            return emm.AuthenticationFailure(SYNCH_FAILURE, answer.auts)
        self.refused = None
        kasme = keys.k_asme(answer.ck, answer.ik, plmn_octets(self._plmn), message.autn[:6])
        self._pending = SecurityContext(message.key_set, kasme)
        return emm.AuthenticationResponse(answer.res)

    def _security_mode(self, data: bytes) -> Message:
        """Open a security mode command, with the keys that it takes into use."""
        command = decode(data[6:], "network")
        if not isinstance(command, emm.SecurityModeCommand):
            raise PeerFault("only a security mode command takes new keys into use", where="TS 24.301 4.4.2.3")
        chosen = next(
            (one for one in (self._pending, self.context) if one and one.key_set == command.key_set & 7), None
        )
        if chosen is None:
            raise IntegrityFailure(f"there is no key set {command.key_set}", where="security mode command")
        trial = dataclasses.replace(chosen)
        trial.ciphering, trial.integrity = command.algorithms >> 4 & 7, command.algorithms & 7
        if self._agreed(command) is None:
            trial.open(data)
            self.context, self._pending, self._secured = trial, None, True
        return command

    def _agreed(self, command: emm.SecurityModeCommand) -> int | None:
        """Why a command is refused: other algorithms than we have, or not what we offered (5.4.3.5)."""
        known = command.algorithms >> 4 & 7 in (EEA0, EEA2) and command.algorithms & 7 == EIA2
        offered = self._subscriber.capability
        return None if known and command.capability[: len(offered)] == offered else SECURITY_MISMATCH

    def _security_mode_answer(self, command: emm.SecurityModeCommand) -> bytes:
        refusal = self._agreed(command)
        if refusal is not None or self.context is None:
            self.refused = refusal
            return self.seal(encode(emm.SecurityModeReject(SECURITY_MISMATCH)))
        imeisv = EpsIdentity(self._identity(IDENTITY_IMEISV)) if command.imeisv_request == 1 else None
        return self.context.protect(encode(emm.SecurityModeComplete(imeisv)), CIPHERED_NEW_CONTEXT)
