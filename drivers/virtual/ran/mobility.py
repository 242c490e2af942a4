"""What a UE's mobility management is made of: its state, how its procedures end, how it sends (3GPP TS 24.301 5)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from drivers.errors import DriverError
from drivers.virtual.card import Aka
from drivers.virtual.ran.common import CommonProcedures, Subscriber
from drivers.virtual.ran.effects import (
    AttachRejected,
    BearerDown,
    Detached,
    EstablishmentCause,
    NoAnswer,
    ServiceRefused,
    UeEffect,
    Uplink,
)
from drivers.virtual.ran.nas import emm
from drivers.virtual.ran.nas.elements import IDENTITY_IMSI, EpsIdentity, Guti, Identity, Tai
from drivers.virtual.ran.nas.message import Esm, encode
from drivers.virtual.ran.sessions import Sessions, Wanted
from drivers.virtual.ran.timers import Timers

T3410_S, T3417_S, T3421_S, T3430_S, T3440_S = 15.0, 5.0, 5.0, 15.0, 10.0  # table 10.2.1
DETACH_TRIES = 5
# Causes after which the GUTI and its keys are worth nothing any more (5.5.1.2.5, 5.5.3.2.5, 5.6.1.5)
FORGETS_IDENTITY = frozenset({3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 40})


class State(Enum):
    """5.1.3.2."""

    DEREGISTERED = "deregistered"
    ATTACHING = "registered-initiated"
    REGISTERED = "registered"
    DETACHING = "deregistered-initiated"
    REQUESTING_SERVICE = "service-request-initiated"
    UPDATING = "tracking-area-updating-initiated"


class Mobility:
    """One UE under one cell.  All times are of one clock that never goes back, in seconds."""

    def __init__(self, subscriber: Subscriber, tai: Tai, aka: Aka) -> None:
        self.subscriber, self.tai = subscriber, tai
        self.state = State.DEREGISTERED
        self.connected = False  # in RRC's sense: there is a connection to the eNB
        self.guti: Guti | None = None
        self._common = CommonProcedures(subscriber, tai.plmn, aka)
        self._timers = Timers()
        self._effects: list[UeEffect] = []
        self._sessions = Sessions(self._timers, self._send_esm, self._effects.append)
        self._after_service: list[Callable[[float], object]] = []
        self._periodic_s: int | None = None
        self._attach_next: Wanted | None = None

    # Time and effects

    def tick(self, now: float) -> None:
        self._timers.tick(now)

    @property
    def deadline(self) -> float | None:
        return self._timers.deadline

    def take(self) -> list[UeEffect]:
        """What has come of all that since the last time."""
        effects, self._effects[:] = self._effects.copy(), []
        return effects

    def request_service(self, now: float, cause: EstablishmentCause = "mo-Data") -> None:
        """Get the bearers back from idle (5.6.1)."""
        if self.state is not State.REGISTERED or self.connected or self._common.context is None:
            return
        self.state = State.REQUESTING_SERVICE
        self._timers.start("T3417", now, T3417_S, self._service_given_up)
        self._open(self._common.context.service_request(), cause)

    # Ends of procedures

    def _service_refused(self, timer: str, cause: int) -> None:
        self._timers.stop(timer)
        self._after_service.clear()
        self.state = State.REGISTERED
        self._effects.append(ServiceRefused(cause))
        if cause in FORGETS_IDENTITY:
            self._forget_identity()
            self._deregistered(Detached(True, cause, cause in (9, 10, 40)))

    def _refused(self, cause: int | None, esm_cause: int | None) -> None:
        if cause in FORGETS_IDENTITY:
            self._forget_identity()
        self.state = State.DEREGISTERED
        self._timers.stop_all()
        self._effects.append(AttachRejected(cause, esm_cause, self._common.refused))

    def _attach_given_up(self, now: float) -> None:
        self.state = State.DEREGISTERED
        self._timers.stop_all()
        self._effects.append(NoAnswer("attach"))

    def _service_given_up(self, now: float) -> None:
        self._timers.stop("T3417")
        self.state = State.REGISTERED
        self._after_service.clear()
        self._effects.append(NoAnswer("service request"))

    def _update_given_up(self, now: float) -> None:
        self._timers.stop("T3430")
        self.state = State.REGISTERED
        self._effects.append(NoAnswer("tracking area update"))

    def _deregistered(self, why: Detached) -> None:
        self._timers.stop_all()
        for bearer in self._sessions.bearers:
            self._effects.append(BearerDown(bearer, why.by_network))
        self._sessions.end_all()
        self._after_service.clear()
        self.state = State.DEREGISTERED
        self._effects.append(why)

    # Sending

    def _send_detach(self, now: float, switch_off: bool, tries: int) -> None:
        kind = emm.EPS_DETACH | (emm.SWITCH_OFF if switch_off else 0)
        request = encode(emm.DetachRequestByUe(kind, self._common.key_set, self._identity()))
        if self.connected:
            self._say(self._common.seal(request))
        else:
            self._send_initial(request, "mo-Signalling")
        if switch_off:
            self._deregistered(Detached())
        elif tries:
            self._timers.start("T3421", now, T3421_S, lambda then: self._send_detach(then, False, tries - 1))
        else:
            self._deregistered(Detached())

    def _with_connection(self, act: Callable[[float], object], now: float) -> None:
        """Do it now, or once the service request that it takes is accepted."""
        if self.connected and self.state is State.REGISTERED:
            act(now)
            return
        self._after_service.append(act)
        self.request_service(now, "mo-Signalling")

    def _go_on(self, now: float) -> None:
        waiting, self._after_service = self._after_service, []
        for act in waiting:
            act(now)

    def _send_esm(self, message: Esm, now: float) -> None:
        self._say(self._common.seal(bytes(message)))

    def _send_initial(self, plain: bytes, cause: EstablishmentCause) -> None:
        sealed = self._common.seal(plain, initial=True)
        if self.connected:
            self._say(sealed)
        else:
            self._open(sealed, cause)

    def _open(self, nas: bytes, cause: EstablishmentCause) -> None:
        self.connected = True
        self._timers.stop("T3412")
        self._effects.append(Uplink(nas, cause, self.guti.s_tmsi if self.guti else None))

    def _say(self, nas: bytes) -> None:
        self._effects.append(Uplink(nas))

    # Identity

    def _identity(self) -> EpsIdentity:
        return EpsIdentity(self.guti or Identity(IDENTITY_IMSI, self.subscriber.imsi))

    def _take_guti(self, given: EpsIdentity | None) -> None:
        if given and isinstance(given.value, Guti):
            self.guti = given.value

    def _forget_identity(self) -> None:
        self.guti = None
        self._common.forget()

    def _must_be(self, what: str, *states: State) -> None:
        if self.state not in states:
            raise DriverError(f"cannot {what}: it is {self.state.value}", where=f"UE {self.subscriber.imsi}")
