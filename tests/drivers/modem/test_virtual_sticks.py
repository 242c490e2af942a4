"""The driver on every vendor's virtual stick, on a pseudo-terminal: from opening it to a recovery, and its faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from stick_process import plan, process
from virtual_modem import DOMAIN, ICCID, IMPI, IMPUS, IMSI, OPC, K

from drivers.modem import repair
from drivers.modem.card import identities
from drivers.modem.card.authentication import Keys
from drivers.modem.card.identities import Identities
from drivers.modem.errors import ModemError, PortGone, Refused, ResponseError, Unanswered
from drivers.modem.machine import ModemEvent
from drivers.modem.modem import Modem
from drivers.modem.recovery import Step
from drivers.modem.usb import PortName
from drivers.virtual.models import MODELS
from drivers.virtual.orders import Client
from testbed.ims.aka import generate_vector

Test = Callable[[Modem, Client, list[ModemEvent]], Awaitable[None]]
WAITS_S = {"silent": 0.5, "late": 0.5, "half": 3.0}  # where the answer never comes whole; others are not timed
ALL = pytest.mark.parametrize("model", MODELS)


@contextmanager
def stick(folder: Path, model: str = "quectel-ec25", **more: Any) -> Iterator[Client]:
    with process() as (_, client):
        client.order("setup", plan=plan("test", model, form="pty", link=str(folder / "modem"), boot_s=0.1, **more))
        client.order("plug")
        yield client


@pytest.fixture(scope="module")
def quectel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    """A stick that serves several tests; it is plugged in when each begins."""
    folder = tmp_path_factory.mktemp("stick")
    with stick(folder) as client:
        yield client, folder


def drive(client: Client, folder: Path, test: Test) -> None:
    async def run() -> None:
        told: list[ModemEvent] = []
        modem = Modem(PortName.parse(str(folder / "modem")), on_event=told.append)
        try:
            await modem.open(20)
            await modem.attach()
            await modem.wait_registered(20)
            await test(modem, client, told)
        finally:
            modem.close()

    asyncio.run(run())


async def until(told: list[ModemEvent], what: str) -> ModemEvent:
    async with asyncio.timeout(20):
        while not (found := [event for event in told if event.what == what]):
            await asyncio.sleep(0.01)
    return found[-1]


@ALL
def test_every_vendors_stick_is_known_measured_called_and_brought_back(model: str, tmp_path: Path) -> None:
    async def test(modem: Modem, client: Client, told: list[ModemEvent]) -> None:
        client.order("signal", rsrp_dbm=-97)
        assert modem.vendor.name.lower().replace("-", "") == MODELS[model].dialect
        assert (await modem.signal()).rsrp_dbm == -97
        await modem.sim.wait_ready()
        assert (await modem.sim.imsi(), await modem.sim.iccid(modem.vendor.iccid)) == (IMSI, ICCID)
        context = await modem.connect("ims")
        assert (context.addresses[0].address, context.pcscf) == ("10.2.0.2", ("10.2.0.10", "10.2.0.11"))
        await modem.call(apn="ims")
        assert client.wait_for("data-call", cid=2)["addresses"] == ["10.2.0.2/24"]
        client.order("deactivate", cid=2)
        assert (await until(told, "context-lost")).detail == "deactivated by the network"
        steps: list[Step] = []
        await repair.recover(modem, "ims", tell=steps.append)
        assert [(step.rung, step.outcome) for step in steps] == [("re-dial", "works")]
        await modem.reset()
        assert [event.what for event in told if event.what in ("gone", "back")] == ["gone", "back"]

    with stick(tmp_path, model) as client:
        drive(client, tmp_path, test)


@pytest.mark.parametrize("fetches_response", [True, False])
def test_the_sticks_card_answers_a_challenge_and_says_who_it_is(fetches_response: bool, tmp_path: Path) -> None:
    async def test(modem: Modem, client: Client, told: list[ModemEvent]) -> None:
        vector = generate_vector(K, OPC, b"\x80\x00", 1 << 20, bytes(range(16)))
        answer = await modem.aka.authenticate(vector.rand, vector.autn)
        assert answer == Keys(vector.xres, vector.ck, vector.ik)
        assert str(modem.aka.way) == "ISIM over +CGLA"
        assert await identities.of_isim(modem.run) == Identities(IMPI, IMPUS, DOMAIN)

    with stick(tmp_path, fetches_response=fetches_response) as client:
        drive(client, tmp_path, test)


@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        ({"kind": "silent"}, Unanswered),
        ({"kind": "late", "seconds": 2.0}, Unanswered),
        ({"kind": "garbage", "data": "00ff7e0d0a", "at": 0}, None),
        ({"kind": "garbage", "data": "00ff7e", "at": 12}, ResponseError),
        ({"kind": "half", "at": 10}, Unanswered),
        ({"kind": "half", "at": 19}, None),  # OK is there, its line end is not
        ({"kind": "error", "code": 100}, Refused),
        ({"kind": "urc", "data": b"+CEREG: 5".hex(), "at": 0}, None),
        ({"kind": "wrong-echo"}, None),
        ({"kind": "vanish", "at": 9}, PortGone),
        ({"kind": "reboot"}, PortGone),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_each_fault_has_its_error_and_the_next_question_is_answered(
    fault: dict[str, Any], ends: type[ModemError] | None, quectel: tuple[Client, Path]
) -> None:
    async def test(modem: Modem, client: Client, told: list[ModemEvent]) -> None:
        await modem.at("ATE1" if fault["kind"] == "wrong-echo" else "ATE0")
        client.order("fault", command="+CSQ", **fault)
        try:
            async with asyncio.timeout(60):
                await modem.read("AT+CSQ", WAITS_S.get(fault["kind"], 20.0))
            raised = None
        except ModemError as error:
            raised = type(error)
        assert raised is ends
        assert client.order("state")["faults"][-1]["fired"] == 1
        if not modem.is_there:
            client.order("plug")
            await modem.open(20)
        assert (await modem.read("AT+CSQ"))["dbm"] is not None

    drive(*quectel, test)
