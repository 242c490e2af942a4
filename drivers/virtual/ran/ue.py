"""A UE's EPS mobility management (3GPP TS 24.301 5), without I/O.

What its user wants, what the network sends and what time it is go in; what comes of it is taken from :meth:`Ue.take`.
Authentication is whatever the UE is given, as with a card.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.errors import DriverError
from drivers.virtual.ran.effects import (
    Detached,
    Dropped,
    Registered,
    Updated,
)
from drivers.virtual.ran.errors import PeerFault
from drivers.virtual.ran.mobility import (
    DETACH_TRIES,
    FORGETS_IDENTITY,
    T3410_S,
    T3430_S,
    T3440_S,
    Mobility,
    State,
)
from drivers.virtual.ran.nas import emm
from drivers.virtual.ran.nas.elements import Tai
from drivers.virtual.ran.nas.message import Esm, decode_esm, encode
from drivers.virtual.ran.nas.wire import Message
from drivers.virtual.ran.sessions import Wanted


class Ue(Mobility):
    """A UE: what its user wants and what the network sends."""

    # What its user wants

    def attach(self, wanted: Wanted, now: float) -> None:
        """Register, with a first PDN connection (5.5.1.2).

        What is left of the last registration's connection is about to be released by the network, and waited for.
        """
        self._must_be("attach", State.DEREGISTERED)
        if self.connected:
            self._attach_next = wanted
            self._timers.start("T3440", now, T3440_S, lambda then: self._attach(wanted, then))
        else:
            self._attach(wanted, now)

    def _attach(self, wanted: Wanted, now: float) -> None:
        self._attach_next = None
        self._sessions.end_all()
        request = emm.AttachRequest(
            emm.EPS_ATTACH, self._common.key_set, self._identity(), self.subscriber.capability,
            bytes(self._sessions.first(wanted)),
        )  # fmt: skip
        self.state = State.ATTACHING
        self._timers.start("T3410", now, T3410_S, self._attach_given_up)
        self._send_initial(encode(request), "mo-Signalling")

    def detach(self, now: float, *, switch_off: bool = False) -> None:
        """Leave the network (5.5.2.2); it is told, and waited for unless the UE is switched off."""
        self._attach_next = None
        self._timers.stop("T3440")
        if self.state is State.DEREGISTERED:
            return
        self._after_service.clear()
        self._timers.stop_all()
        self.state = State.DETACHING
        self._send_detach(now, switch_off, DETACH_TRIES)

    def connect(self, wanted: Wanted, now: float) -> None:
        """A further PDN connection; the answer is an effect."""
        self._must_be("ask for a PDN connection", State.REGISTERED, State.REQUESTING_SERVICE)
        self._with_connection(lambda then: self._sessions.connect(wanted, then), now)

    def disconnect(self, bearer: int, now: float) -> None:
        """End a PDN connection by its default bearer."""
        self._must_be("end a PDN connection", State.REGISTERED, State.REQUESTING_SERVICE)
        if bearer not in self._sessions.bearers:
            raise DriverError(f"there is no bearer {bearer}", where=f"UE {self.subscriber.imsi}")
        self._with_connection(lambda then: self._sessions.disconnect(bearer, then), now)

    def update(self, now: float, *, periodic: bool = False) -> None:
        """Tell where the UE is, or that it is still there (5.5.3)."""
        self._must_be("update the tracking area", State.REGISTERED)
        self.state = State.UPDATING
        kind = emm.PERIODIC_UPDATING if periodic else emm.TA_UPDATING
        request = emm.TrackingAreaUpdateRequest(kind, self._common.key_set, self._identity(), last_tai=self.tai)
        self._timers.stop("T3412")
        self._timers.start("T3430", now, T3430_S, self._update_given_up)
        self._send_initial(encode(request), "mo-Signalling")

    # What comes from below

    def receive(self, nas: bytes, now: float) -> None:
        """A NAS message of the network; one that is not protected as it must be is dropped."""
        try:
            message = self._common.open(nas)
            answer = self._common.answer(message)
            if answer is not None:
                self._say(answer)
            elif isinstance(message, Esm):
                self._sessions.receive(message, now)
            else:
                _HANDLERS.get(type(message), Ue._unexpected)(self, message, now)
        except PeerFault as fault:
            self._effects.append(Dropped(str(fault)))

    def bearers_established(self, now: float) -> None:
        """The eNB has set the bearers up again: the service request is accepted."""
        if self.state is State.REQUESTING_SERVICE:
            self._timers.stop("T3417")
            self.state = State.REGISTERED
            self._common.bearers_established()
        self._go_on(now)

    def connection_released(self, now: float) -> None:
        """The RRC connection has ended."""
        self.connected = False
        self._common.connection_ended()
        ended = {
            State.ATTACHING: self._attach_given_up,
            State.REQUESTING_SERVICE: self._service_given_up,
            State.UPDATING: self._update_given_up,
        }.get(self.state)
        if ended:
            ended(now)
        elif self.state is State.DETACHING:
            self._deregistered(Detached())
        if self._attach_next:
            self._timers.stop("T3440")
            self._attach(self._attach_next, now)
        elif self.state is State.REGISTERED and self._periodic_s:
            self._timers.start("T3412", now, self._periodic_s, lambda then: self.update(then, periodic=True))

    def paged(self, s_tmsi: tuple[int, int], now: float) -> None:
        """The network looks for a UE (5.6.2)."""
        if self.guti and s_tmsi == self.guti.s_tmsi:
            self.request_service(now, "mt-Access")

    def moved(self, tai: Tai) -> None:
        """Under another cell; the user says when to update."""
        self.tai = tai

    # The network's messages

    def _attach_accept(self, message: emm.AttachAccept, now: float) -> None:
        if self.state is not State.ATTACHING:
            return
        self._timers.stop("T3410")
        self._take_guti(message.guti)
        self._periodic_s = message.t3412.seconds
        self.state = State.REGISTERED
        first = decode_esm(message.esm, "network")
        self._effects.append(Registered(self.guti, self._periodic_s))
        answer = self._sessions.accept_first(first)
        self._say(self._common.seal(encode(emm.AttachComplete(bytes(answer)))))
        self._go_on(now)

    def _attach_reject(self, message: emm.AttachReject, now: float) -> None:
        if self.state is not State.ATTACHING:
            return
        within = decode_esm(message.esm, "network") if message.esm else None
        self._refused(message.cause, self._sessions.refused_first(within))

    def _authentication_reject(self, message: emm.AuthenticationReject, now: float) -> None:
        """5.4.2.5: the card is not this network's."""
        self._forget_identity()
        self._refused(None, None)

    def _detach_accept(self, message: emm.DetachAccept, now: float) -> None:
        if self.state is State.DETACHING:
            self._deregistered(Detached())

    def _detach_request(self, message: emm.DetachRequestByNetwork, now: float) -> None:
        """5.5.2.3."""
        if message.detach_type & 7 == emm.IMSI_DETACH:
            return
        self._say(self._common.seal(encode(emm.DetachAccept())))
        if message.cause in FORGETS_IDENTITY or message.cause == 2:
            self._forget_identity()
        self._deregistered(Detached(True, message.cause, message.detach_type & 7 == emm.REATTACH_REQUIRED))

    def _update_accept(self, message: emm.TrackingAreaUpdateAccept, now: float) -> None:
        if self.state is not State.UPDATING:
            return
        self._timers.stop("T3430")
        self.state = State.REGISTERED
        if message.t3412:
            self._periodic_s = message.t3412.seconds
        if message.guti:
            self._take_guti(message.guti)
            self._say(self._common.seal(encode(emm.TrackingAreaUpdateComplete())))
        self._effects.append(Updated())
        self._go_on(now)

    def _update_reject(self, message: emm.TrackingAreaUpdateReject, now: float) -> None:
        if self.state is State.UPDATING:
            self._service_refused("T3430", message.cause)

    def _service_reject(self, message: emm.ServiceReject, now: float) -> None:
        if self.state is State.REQUESTING_SERVICE:
            self._service_refused("T3417", message.cause)

    def _reallocation(self, message: emm.GutiReallocationCommand, now: float) -> None:
        self._take_guti(message.guti)
        self._say(self._common.seal(encode(emm.GutiReallocationComplete())))

    def _nothing(self, message: Message, now: float) -> None:
        """EMM information and status ask for nothing."""

    def _unexpected(self, message: Message, now: float) -> None:
        self._say(self._common.seal(encode(emm.EmmStatus(98))))


_HANDLERS: dict[type[Message], Callable[..., None]] = {
    emm.AttachAccept: Ue._attach_accept,
    emm.AttachReject: Ue._attach_reject,
    emm.AuthenticationReject: Ue._authentication_reject,
    emm.DetachAccept: Ue._detach_accept,
    emm.DetachRequestByNetwork: Ue._detach_request,
    emm.TrackingAreaUpdateAccept: Ue._update_accept,
    emm.TrackingAreaUpdateReject: Ue._update_reject,
    emm.ServiceReject: Ue._service_reject,
    emm.GutiReallocationCommand: Ue._reallocation,
    emm.EmmInformation: Ue._nothing,
    emm.EmmStatus: Ue._nothing,
}
