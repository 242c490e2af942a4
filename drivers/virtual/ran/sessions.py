"""The UE's PDN connections and bearers: EPS session management (3GPP TS 24.301 6), without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.virtual.ran.effects import BearerDown, BearerUp, ConnectRejected, DisconnectRejected, NoAnswer, UeEffect
from drivers.virtual.ran.nas import esm
from drivers.virtual.ran.nas.elements import Apn, PdnType
from drivers.virtual.ran.nas.message import Esm
from drivers.virtual.ran.nas.pco import Pco
from drivers.virtual.ran.nas.wire import Message
from drivers.virtual.ran.timers import Timers

T3482_S, T3492_S, TRIES = 8.0, 6.0, 5  # table 10.3.2: connectivity and disconnect request, sent five times
UNKNOWN_BEARER, PTI_MISMATCH, NOT_IMPLEMENTED = 43, 47, 97
MAX_TRANSACTION = 254


@dataclass(frozen=True)
class Wanted:
    """A PDN connection that was asked for; an empty `apn` leaves it to the subscription."""

    apn: str
    pdn_type: PdnType
    ims: bool  # ask for the P-CSCF, too

    @property
    def pco(self) -> Pco:
        return Pco.request(pcscf=self.ims)


class Sessions:
    """`send` takes an ESM message to the network, `tell` what happened."""

    def __init__(self, timers: Timers, send: Callable[[Esm, float], None], tell: Callable[[UeEffect], None]) -> None:
        self._timers, self._send, self._tell = timers, send, tell
        self.bearers: dict[int, BearerUp] = {}
        self._wanted: dict[int, Wanted] = {}
        self._leaving: dict[int, int] = {}  # transaction to bearer
        self._transaction = 0

    def first(self, wanted: Wanted) -> Esm:
        """The request that goes with an attach.  An APN waits until the network may see it (6.5.1.2)."""
        number = self._begin(wanted)
        later = 1 if wanted.apn else None
        pco = None if later else wanted.pco
        request = esm.PdnConnectivityRequest(esm.INITIAL_REQUEST, wanted.pdn_type, information_later=later, pco=pco)
        return Esm(request, 0, number)

    def connect(self, wanted: Wanted, now: float) -> int:
        """Ask for a further PDN connection; returns the transaction, which the answer bears."""
        number = self._begin(wanted)
        apn = Apn(wanted.apn) if wanted.apn else None
        request = esm.PdnConnectivityRequest(esm.INITIAL_REQUEST, wanted.pdn_type, apn=apn, pco=wanted.pco)
        self._ask(Esm(request, 0, number), now, T3482_S)
        return number

    def disconnect(self, bearer: int, now: float) -> None:
        """Ask for the end of a PDN connection by its default bearer."""
        number = self._next_transaction()
        self._leaving[number] = bearer
        self._ask(Esm(esm.PdnDisconnectRequest(bearer, 0), 0, number), now, T3492_S)

    def end_all(self) -> None:
        """The registration is over: bearers are gone without a further word."""
        for number in (*self._wanted, *self._leaving):
            self._stop(number)
        self._wanted.clear()
        self._leaving.clear()
        self.bearers.clear()

    def receive(self, received: Esm, now: float) -> None:
        """An ESM message of the network."""
        handler = _HANDLERS.get(type(received.message))
        if handler is None:
            self._send(Esm(esm.EsmStatus(NOT_IMPLEMENTED), received.bearer, received.transaction), now)
            return
        handler(self, received, received.message, now)

    def accept_first(self, received: Esm) -> Esm:
        """The answer to the bearer that came with an attach accept; the caller sends it."""
        assert isinstance(received.message, esm.ActivateDefaultBearerRequest)
        self._up(received, received.message)
        return Esm(esm.ActivateDefaultBearerAccept(), received.bearer)

    def refused_first(self, received: Esm | None) -> int | None:
        """The cause within an attach reject."""
        self._wanted.clear()
        return received.message.cause if received and isinstance(received.message, esm.PdnConnectivityReject) else None

    def _information(self, received: Esm, message: Message, now: float) -> None:
        wanted = self._wanted.get(received.transaction)
        if wanted is None:
            self._send(Esm(esm.EsmStatus(PTI_MISMATCH), 0, received.transaction), now)
            return
        apn = Apn(wanted.apn) if wanted.apn else None
        self._send(Esm(esm.EsmInformationResponse(apn, wanted.pco), 0, received.transaction), now)

    def _default(self, received: Esm, message: esm.ActivateDefaultBearerRequest, now: float) -> None:
        self._send(Esm(esm.ActivateDefaultBearerAccept(), received.bearer), now)
        if received.bearer not in self.bearers:  # else our accept was lost
            self._up(received, message)

    def _dedicated(self, received: Esm, message: esm.ActivateDedicatedBearerRequest, now: float) -> None:
        owner = self.bearers.get(message.linked_bearer)
        if owner is None:
            self._send(Esm(esm.ActivateDedicatedBearerReject(UNKNOWN_BEARER), received.bearer), now)
            return
        self._send(Esm(esm.ActivateDedicatedBearerAccept(), received.bearer), now)
        if received.bearer in self.bearers:
            return
        pco, qci = message.pco or Pco(), _qci(message.qos)
        self.bearers[received.bearer] = BearerUp(
            received.bearer, owner.apn, owner.address, pco, qci, owner.bearer, received.transaction, message.tft
        )
        self._tell(self.bearers[received.bearer])

    def _modify(self, received: Esm, message: esm.ModifyBearerRequest, now: float) -> None:
        if received.bearer in self.bearers:
            self._send(Esm(esm.ModifyBearerAccept(), received.bearer), now)
        else:
            self._send(Esm(esm.ModifyBearerReject(UNKNOWN_BEARER), received.bearer), now)

    def _deactivate(self, received: Esm, message: esm.DeactivateBearerRequest, now: float) -> None:
        self._send(Esm(esm.DeactivateBearerAccept(), received.bearer), now)
        by_network = self._leaving.pop(received.transaction, None) is None
        self._stop(received.transaction)
        linked = [one.bearer for one in self.bearers.values() if one.linked == received.bearer]
        for number in (*linked, received.bearer):
            if self.bearers.pop(number, None):
                self._tell(BearerDown(number, by_network, message.cause))

    def _connect_refused(self, received: Esm, message: esm.PdnConnectivityReject, now: float) -> None:
        wanted = self._wanted.pop(received.transaction, None)
        self._stop(received.transaction)
        if wanted:
            self._tell(ConnectRejected(received.transaction, wanted.apn, message.cause))

    def _disconnect_refused(self, received: Esm, message: esm.PdnDisconnectReject, now: float) -> None:
        bearer = self._leaving.pop(received.transaction, None)
        self._stop(received.transaction)
        if bearer is not None:
            self._tell(DisconnectRejected(bearer, message.cause))

    def _status(self, received: Esm, message: esm.EsmStatus, now: float) -> None:
        """6.7: what it is about is over."""
        if wanted := self._wanted.pop(received.transaction, None):
            self._stop(received.transaction)
            self._tell(ConnectRejected(received.transaction, wanted.apn, message.cause))

    def _up(self, received: Esm, message: esm.ActivateDefaultBearerRequest) -> None:
        self._wanted.pop(received.transaction, None)
        self._stop(received.transaction)
        up = BearerUp(
            received.bearer, message.apn.name, message.address, message.pco or Pco(), _qci(message.qos),
            transaction=received.transaction,
        )  # fmt: skip
        self.bearers[received.bearer] = up
        self._tell(up)

    def _begin(self, wanted: Wanted) -> int:
        number = self._next_transaction()
        self._wanted[number] = wanted
        return number

    def _next_transaction(self) -> int:
        self._transaction = self._transaction % MAX_TRANSACTION + 1
        return self._transaction

    def _ask(self, request: Esm, now: float, seconds: float, tries: int = TRIES) -> None:
        """Send a request, again and again until it is answered."""
        number = request.transaction

        def again(then: float) -> None:
            if tries > 1:
                self._ask(request, then, seconds, tries - 1)
                return
            self._wanted.pop(number, None)
            self._leaving.pop(number, None)
            self._tell(NoAnswer(type(request.message).__name__))

        self._timers.start(f"ESM {number}", now, seconds, again)
        self._send(request, now)

    def _stop(self, transaction: int) -> None:
        self._timers.stop(f"ESM {transaction}")


def _qci(qos: bytes) -> int:
    """The QoS class of an EPS quality of service (9.9.4.3)."""
    return qos[0] if qos else 0


_HANDLERS: dict[type[Message], Callable[..., None]] = {
    esm.EsmInformationRequest: Sessions._information,
    esm.ActivateDefaultBearerRequest: Sessions._default,
    esm.ActivateDedicatedBearerRequest: Sessions._dedicated,
    esm.ModifyBearerRequest: Sessions._modify,
    esm.DeactivateBearerRequest: Sessions._deactivate,
    esm.PdnConnectivityReject: Sessions._connect_refused,
    esm.PdnDisconnectReject: Sessions._disconnect_refused,
    esm.EsmStatus: Sessions._status,
}
