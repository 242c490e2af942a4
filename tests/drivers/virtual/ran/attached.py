"""A UE that a scripted core has brought to where a test begins."""

from __future__ import annotations

from scripted_core import SUBSCRIBER, TAI, Core, aka

from drivers.virtual.card import Aka
from drivers.virtual.ran.effects import Registered, UeEffect, Uplink
from drivers.virtual.ran.nas import emm
from drivers.virtual.ran.nas.message import Esm, decode_esm
from drivers.virtual.ran.nas.wire import Message
from drivers.virtual.ran.sessions import Wanted
from drivers.virtual.ran.ue import Ue

INTERNET, IMS = Wanted("internet", 1, False), Wanted("ims", 1, True)


class Pair:
    """A UE and a core that talk; the test turns the clock."""

    def __init__(self, card: Aka | None = None, core: Core | None = None) -> None:
        self.ue, self.core, self.now = Ue(SUBSCRIBER, TAI, card or aka()), core or Core(), 100.0
        self.effects: list[UeEffect] = []
        self.sent: list[bytes] = []  # by the UE

    def settle(self) -> list[Message | Esm]:
        """What the UE has sent since the last time, opened; what it told is in `effects`."""
        taken = self.ue.take()
        self.effects += [effect for effect in taken if not isinstance(effect, Uplink)]
        self.sent += [effect.nas for effect in taken if isinstance(effect, Uplink)]
        return [self.core.open(effect.nas) for effect in taken if isinstance(effect, Uplink)]

    def give(self, nas: bytes) -> list[Message | Esm]:
        """The core's message, and what the UE says to it."""
        self.ue.receive(nas, self.now)
        return self.settle()

    def esm(self, message: Message, bearer: int = 0, transaction: int = 0) -> list[Message | Esm]:
        return self.give(self.core.seal(bytes(Esm(message, bearer, transaction))))

    def attach(self, wanted: Wanted = INTERNET) -> Esm:
        """Registered, with bearer 5; returns the PDN connectivity request that came with the attach."""
        self.ue.attach(wanted, self.now)
        (request,) = self.settle()
        assert isinstance(request, emm.AttachRequest)
        self.secure()
        within = decode_esm(request.esm, "ue")
        (complete,) = self.give(self.core.accept(within))
        assert isinstance(complete, emm.AttachComplete)
        self.ue.bearers_established(self.now)
        assert any(isinstance(effect, Registered) for effect in self.effects)
        return within

    def secure(self) -> None:
        """Authentication and security mode."""
        (response,) = self.give(self.core.challenge())
        assert response == emm.AuthenticationResponse(self.core.expected)
        (complete,) = self.give(self.core.security_mode())
        assert isinstance(complete, emm.SecurityModeComplete)

    def idle(self) -> None:
        self.ue.connection_released(self.now)
        assert self.settle() == []

    def pass_time(self, seconds: float) -> list[Message | Esm]:
        self.now += seconds
        self.ue.tick(self.now)
        return self.settle()
