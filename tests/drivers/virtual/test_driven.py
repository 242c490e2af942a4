"""The modem driver on virtual sticks of every maker, over a pseudo-terminal: what it is meant for, from end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from stick_process import plan
from virtual_modem import ICCID, IMEI, IMS, IMSI, OPC, K

from drivers.errors import DriverError
from drivers.modem.card.authentication import Keys, OutOfStep
from drivers.modem.errors import ContextRefused, ForeignNetwork, NoService, PortGone, SimLocked, SimMissing
from drivers.modem.machine import ModemEvent
from drivers.modem.modem import Modem
from drivers.modem.usb import PortName
from drivers.virtual.models import MODELS
from drivers.virtual.network import (
    Attach,
    Cell,
    Connect,
    Connected,
    DetachedByNetwork,
    Event,
    Network,
    Registered,
    Request,
)
from drivers.virtual.stick import Stick
from testbed.ims.aka import generate_vector, next_sqn, resynchronise
from testbed.rig.stick import make

RAND = bytes.fromhex("23553cbe9637a89d218ae64dae47bf35")
AMF = bytes.fromhex("8000")
VENDORS = {
    "generic": "generic",
    "quectel-ec25": "Quectel",
    "huawei-me909s": "Huawei",
    "sierra-em7455": "Sierra",
    "telit-le910": "Telit",
    "simcom-sim7600": "SIMCom",
    "fibocom-l850": "Fibocom",
    "cinterion-pls8": "Cinterion",
    "ublox-toby-l2": "u-blox",
}


class Bench:
    """A stick, the driver on its port, and what the driver told."""

    def __init__(self, stick: Stick, modem: Modem, events: list[ModemEvent]) -> None:
        self.stick, self.modem, self.events = stick, modem, events

    async def event(self, what: str) -> ModemEvent:
        """The next event of this kind, which must come soon."""
        async with asyncio.timeout(10):
            while not (found := [event for event in self.events if event.what == what]):
                await asyncio.sleep(0.01)
        self.events.remove(found[0])
        return found[0]


@asynccontextmanager
async def bench(
    folder: Path, model: str = "quectel-ec25", pin: str | None = None, network: Network | None = None, **more: Any
) -> AsyncIterator[Bench]:
    link = folder / "modem"
    timing = {"boot_s": 0.1, "attach_s": 0.05, "connect_s": 0.02}
    own = {**plan("test", model, form="pty", link=str(link), **timing), **more}
    stick = make(own, lambda event: None, network)
    events: list[ModemEvent] = []
    modem = Modem(PortName.parse(str(link)), on_event=events.append, low_dbm=-110, pin=pin)
    try:
        stick.do_plug()
        await modem.open()
        yield Bench(stick, modem, events)
    finally:
        modem.close()
        stick.close()


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_every_model_is_driven() -> None:
    assert VENDORS.keys() == MODELS.keys()


@pytest.mark.parametrize("model", MODELS)
def test_a_modem_is_identified_registered_and_connected(model: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, model) as own:
            modem = own.modem
            assert modem.vendor.name == VENDORS[model]
            assert modem.identity.imei == IMEI
            context = await modem.bring_up("ims")
            assert await modem.sim.imsi() == IMSI
            assert await modem.sim.iccid(modem.vendor.iccid) == ICCID
            (address,) = context.addresses
            assert (address.address, address.gateway) == ("10.2.0.2", "10.2.0.1")
            assert context.pcscf == ("10.2.0.10", "10.2.0.11")
            await modem.call(apn="ims")
            assert own.stick.do_state()["data_cid"] == 2
            own.stick.do_signal(rsrp_dbm=-101, rsrq_db=-12, sinr_db=7, rssi_dbm=-71)
            assert (await modem.signal()).rsrp_dbm == -101
            await modem.hang_up()
            assert own.stick.do_state()["data_cid"] is None

    run(scenario)


@pytest.mark.parametrize("fetches", [True, False])
@pytest.mark.parametrize("model", ["quectel-ec25", "generic"])
def test_the_card_answers_challenges(model: str, fetches: bool, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, model, fetches_response=fetches) as own:
            vector = generate_vector(K, OPC, AMF, next_sqn(0), RAND)
            answer = await own.modem.aka.authenticate(vector.rand, vector.autn)
            assert isinstance(answer, Keys)
            assert (answer.res, answer.ck, answer.ik) == (vector.xres, vector.ck, vector.ik)
            again = await own.modem.aka.authenticate(vector.rand, vector.autn)
            assert isinstance(again, OutOfStep)
            assert resynchronise(K, OPC, RAND, again.auts) == next_sqn(0)
            foreign = generate_vector(K, bytes(16), AMF, next_sqn(0), RAND)
            with pytest.raises(ForeignNetwork):
                await own.modem.aka.authenticate(foreign.rand, foreign.autn)

    run(scenario)


def test_what_happens_by_itself_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as own:
            await own.modem.bring_up("ims")
            own.stick.do_deactivate(2)
            assert (await own.event("context-lost")).cid == 2
            own.stick.do_coverage(False)
            await own.event("searching")
            own.events.clear()
            own.stick.do_coverage(True)
            await own.event("registered")
            own.stick.do_signal(rsrp_dbm=-115)
            await own.modem.signal()
            await own.event("signal-low")

    run(scenario)


def test_a_modem_that_is_reset_comes_back_and_can_be_used_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as own:
            await own.modem.bring_up("ims")
            await own.modem.reset(20)
            await own.event("gone")
            await own.event("back")
            assert (await own.modem.bring_up("ims")).pcscf == ("10.2.0.10", "10.2.0.11")

    run(scenario)


def test_a_stick_that_is_pulled_out_in_the_middle_of_a_command_is_an_error_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as own:
            own.stick.do_fault("vanish", at=3)
            with pytest.raises(PortGone):
                async with asyncio.timeout(10):
                    await own.modem.at("AT+CSQ", 60)
            await own.event("gone")
            own.stick.do_plug()
            await own.modem.open()
            assert (await own.modem.wait_registered()) == "registered"

    run(scenario)


def test_a_context_that_is_refused_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as own:
            await own.modem.wait_registered()
            own.stick.do_network(connect_causes={"ims": 33})
            with pytest.raises(ContextRefused, match="not subscribed"):
                await own.modem.connect("ims")

    run(scenario)


def test_a_registration_that_is_refused_is_an_error_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as own:
            await own.modem.wait_registered()
            own.stick.do_network(attach_cause=11)
            own.stick.do_coverage(False)
            own.stick.do_coverage(True)
            await own.event("denied")
            with pytest.raises(NoService, match="denied"):
                await own.modem.wait_registered()

    run(scenario)


def test_a_locked_card_is_unlocked_once_and_a_wrong_pin_is_not_sent_again(tmp_path: Path) -> None:
    sim = {**plan("test")["sim"], "pin": "1234"}

    async def right() -> None:
        async with bench(tmp_path, pin="1234", sim=sim) as own:
            assert (await own.modem.bring_up("ims")).addresses

    async def wrong() -> None:
        async with bench(tmp_path, pin="9999", sim=sim) as own:
            for _ in range(3):
                with pytest.raises(SimLocked):
                    await own.modem.bring_up("ims")
            assert own.stick.firmware.card is not None
            assert own.stick.firmware.card.pin_tries == 2

    run(right)
    run(wrong)


def test_a_modem_without_a_card_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, sim=None) as own:
            with pytest.raises(SimMissing):
                await own.modem.bring_up("ims")

    run(scenario)


class Core:
    """A packet core as a stick sees it: it works in its own time, and says so when something has happened."""

    deadline = None

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._events: list[Event] = []
        self._wake: Callable[[], None] = lambda: None

    def watch(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def ask(self, request: Request, now: float) -> None:
        self.requests.append(request)
        if isinstance(request, Attach):
            asyncio.get_running_loop().call_later(0.02, self.happen, Registered(Cell(plmn="99970")))
        elif isinstance(request, Connect):
            asyncio.get_running_loop().call_later(0.02, self.happen, Connected(request.cid, "ims", IMS))

    def tick(self, now: float) -> list[Event]:
        events, self._events = self._events, []
        return events

    def happen(self, event: Event) -> None:
        self._events.append(event)
        self._wake()


def test_a_packet_core_may_stand_behind_a_stick(tmp_path: Path) -> None:
    async def scenario() -> None:
        core = Core()
        async with bench(tmp_path, network=core) as own:
            await own.modem.wait_registered()
            assert (await own.modem.read("AT+COPS?"))["operator"] == "Rig"
            assert (await own.modem.connect("ims")).mtu == IMS.mtu
            assert core.requests[-2:] == [Connect(1, "", "IPV4V6"), Connect(2, "ims", "IPV4V6")]
            core.happen(DetachedByNetwork())
            assert (await own.event("context-lost")).cid == 2
            with pytest.raises(DriverError, match="packet core"):
                own.stick.do_coverage(False)

    run(scenario)
