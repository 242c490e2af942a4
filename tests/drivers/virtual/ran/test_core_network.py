"""What a modem's requests become at the UE, and what comes back: attach, contexts, refusals, detach by either side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from attached import Pair
from scripted_core import DNS, IMSI, PCSCF, aka

from drivers.virtual import network
from drivers.virtual.card import Aka
from drivers.virtual.network import Cell, Event
from drivers.virtual.ran.core_network import CoreNetwork
from drivers.virtual.ran.effects import Uplink
from drivers.virtual.ran.nas import emm, esm
from drivers.virtual.ran.nas.message import Esm, decode_esm, encode
from drivers.virtual.ran.ue import State

CELL = Cell()


class Modem:
    """The modem's side of a core network, whose other side is a core that gives every APN but `nowhere`."""

    def __init__(self, card: Aka | None = None) -> None:
        self.pair = Pair(card)
        self.network = CoreNetwork(self, self.pair.ue, CELL)
        self.heard: list[Event] = []
        self.network.watch(self._woken)

    @property
    def now(self) -> float:
        return self.pair.now

    def settle(self) -> None:
        for effect in self.pair.ue.take():
            if isinstance(effect, Uplink):
                for answer in self._answers(effect.nas):
                    self.pair.ue.receive(answer, self.now)
                self.settle()
            else:
                self.network.hear(effect)

    async def ask(self, request: network.Request) -> list[Event]:
        """The events that come of a request."""
        self.network.ask(request, self.now)
        return await self.events()

    async def events(self) -> list[Event]:
        for _ in range(10):
            await asyncio.sleep(0)
        heard, self.heard = self.heard, []
        return heard

    async def receive(self, nas: bytes) -> list[Event]:
        """The events that come of a message of the core."""
        self.pair.ue.receive(nas, self.now)
        self.settle()
        return await self.events()

    def _woken(self) -> None:
        self.heard += self.network.tick(self.now)

    def _answers(self, nas: bytes) -> list[bytes]:
        core, message = self.pair.core, self.pair.core.open(nas)
        match message:
            case emm.AttachRequest():
                self.within = decode_esm(message.esm, "ue")
                return [core.challenge(sqn=32 + 33 * core.uplink)]
            case emm.AuthenticationResponse():
                return [core.security_mode()]
            case emm.AuthenticationFailure():
                return [encode(emm.AuthenticationReject())]
            case emm.SecurityModeComplete():
                return [core.accept(self.within)]
            case emm.DetachRequestByUe():
                return [core.seal(encode(emm.DetachAccept()))]
            case Esm(esm.PdnConnectivityRequest(apn=apn), _, transaction) if apn and apn.name == "nowhere":
                return [core.seal(bytes(Esm(esm.PdnConnectivityReject(27), 0, transaction)))]
            case Esm(esm.PdnConnectivityRequest(apn=apn), _, transaction) if apn:
                return [core.seal(bytes(core.bearer(6, transaction, f"{apn.name}.mnc001.mcc001.gprs")))]
            case Esm(esm.PdnDisconnectRequest(linked_bearer=bearer), _, transaction):
                return [core.seal(bytes(Esm(esm.DeactivateBearerRequest(36), bearer, transaction)))]
        return []


def run(scenario: Callable[[Modem], Coroutine[None, None, None]], card: Aka | None = None) -> None:
    async def whole() -> None:
        await scenario(Modem(card))

    asyncio.run(whole())


async def attached(modem: Modem) -> None:
    assert await modem.ask(network.Attach(IMSI)) == [network.Registered(CELL)]


def test_the_first_context_gets_the_connection_that_came_with_the_attach() -> None:
    async def scenario(modem: Modem) -> None:
        await attached(modem)
        (first,) = await modem.ask(network.Connect(1, "", "IPV4V6"))
        assert isinstance(first, network.Connected)
        assert (first.cid, first.apn, str(first.bearer.addresses[0].own)) == (1, "internet", "10.45.0.5/24")
        assert (first.bearer.addresses[0].gateway, first.bearer.mtu) == ("10.45.0.1", 1400)
        (second,) = await modem.ask(network.Connect(2, "IMS", "IP"))
        assert isinstance(second, network.Connected)
        assert (second.bearer.pcscf, second.bearer.dns) == ((PCSCF,), (DNS,))
        assert await modem.ask(network.Disconnect(2)) == [network.Disconnected(2)]

    run(scenario)


def test_refusals_bear_the_cores_causes() -> None:
    async def scenario(modem: Modem) -> None:
        await attached(modem)
        await modem.ask(network.Connect(1, "internet", "IP"))
        assert await modem.ask(network.Connect(3, "nowhere", "IP")) == [network.ConnectRejected(3, 27)]

    run(scenario)


def test_a_card_that_is_not_the_cores_makes_an_illegal_ue() -> None:
    async def scenario(modem: Modem) -> None:
        assert await modem.ask(network.Attach(IMSI)) == [network.AttachRejected(3)]
        assert await modem.ask(network.Connect(1, "", "IP")) == [network.ConnectRejected(1, 38)]

    run(scenario, aka(k=bytes(16)))


def test_the_core_takes_a_connection_and_the_registration_away() -> None:
    async def scenario(modem: Modem) -> None:
        await attached(modem)
        await modem.ask(network.Connect(1, "", "IP"))
        await modem.ask(network.Connect(2, "ims", "IP"))
        core = modem.pair.core
        gone = await modem.receive(core.seal(bytes(Esm(esm.DeactivateBearerRequest(36), 6, 0))))
        assert gone == [network.Disconnected(2, by_network=True)]
        detach = emm.DetachRequestByNetwork(emm.REATTACH_NOT_REQUIRED, 0)
        assert await modem.receive(core.seal(encode(detach))) == [network.DetachedByNetwork()]
        assert modem.pair.ue.state is State.DEREGISTERED

    run(scenario)


def test_a_core_that_wants_the_ue_back_makes_the_modem_attach_by_itself() -> None:
    async def scenario(modem: Modem) -> None:
        await attached(modem)
        detach = emm.DetachRequestByNetwork(emm.REATTACH_REQUIRED, 0)
        events = await modem.receive(modem.pair.core.seal(encode(detach)))
        assert events == [network.CoverageLost(), network.CoverageBack()]

    run(scenario)


def test_a_modem_leaves_without_an_event() -> None:
    async def scenario(modem: Modem) -> None:
        await attached(modem)
        await modem.ask(network.Connect(1, "", "IP"))
        assert await modem.ask(network.Detach()) == []
        assert modem.pair.ue.state is State.DEREGISTERED

    run(scenario)
