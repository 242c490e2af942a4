"""A real core, NextEPC, and our eNB and UE: S1, AKA, bearers, GTP-U, idle and paging, and what the core refuses."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Any

import dissection
import pytest
from lte_station import EEA2_EIA2, IMS, INTERNET, Cell, Phone, cell, ping
from scripted_core import OPC, K, aka
from stick_process import plan

from drivers.epc.core import STAND_IN, NextEpc
from drivers.epc.errors import CoreFailed, NotSupported, OtherKey
from drivers.epc.settings import CoreSettings, PdnSubscription, Pool, SubscriberSettings
from drivers.host import netns
from drivers.host.local import NamespaceHost
from drivers.modem.errors import ContextRefused
from drivers.modem.modem import Modem
from drivers.modem.usb import PortName
from drivers.virtual.network import Cell as StickCell
from drivers.virtual.ran.core_network import CoreNetwork
from drivers.virtual.ran.effects import AttachRejected, BearerDown, ConnectRejected, Detached, Registered, Updated
from drivers.virtual.ran.errors import CoreGone
from drivers.virtual.ran.nas.elements import IPV4V6
from drivers.virtual.ran.ue import State
from testbed.measure.capture import Capture
from testbed.rig.stick import make

pytestmark = [pytest.mark.rig, pytest.mark.simulated]
CORE, PHONE = "test-core", "test-phone"
MME, SGW, NOBODYS = IPv4Address("127.0.1.1"), IPv4Address("127.0.1.2"), IPv4Address("10.9.9.9")
IMSI, UNKNOWN = "001010123456789", "001010999999999"
INTERNET_GATEWAY, IMS_GATEWAY, PCSCF = "10.45.0.1", "10.46.0.1", "10.46.0.1"
IMS_GATEWAY_6 = PCSCF_6 = "fd46:0:0:1::1"
SETTINGS = CoreSettings(
    pools=(
        Pool("internet", IPv4Interface(f"{INTERNET_GATEWAY}/24"), device="pgw-internet"),
        Pool("ims", IPv4Interface(f"{IMS_GATEWAY}/24"), IPv6Interface(f"{IMS_GATEWAY_6}/64"), device="pgw-ims"),
    ),
    s1=MME,
    s1u=SGW,
    pcscf=(IPv4Address(PCSCF), IPv6Address(PCSCF_6)),
    dns=(IPv4Address(INTERNET_GATEWAY),),
)
SUBSCRIBER = SubscriberSettings(
    IMSI, K.hex(), OPC.hex(), (PdnSubscription("internet"), PdnSubscription("ims", "ipv4v6", qci=5)), sqn=1 << 10
)
READY_S = 60.0
RA_S = 10.0  # router solicitations are 4 s apart, and a new address is checked for a second


@pytest.fixture(scope="module")
def namespaces() -> Iterator[None]:
    """One for the core and the eNB, one for the UE's devices."""
    if not shutil.which("nextepc-mmed"):
        pytest.skip("needs NextEPC: apt-get install nextepc-hss nextepc-pcrf nextepc-pgw nextepc-sgw nextepc-mme")
    netns.share_folder()
    for name in (CORE, PHONE):
        with netns.making(name, "test"):
            pass
    yield
    for name in (CORE, PHONE):
        netns.remove(name, "test")


@pytest.fixture(scope="module")
def capture(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Capture]:
    """All that the core says and hears."""
    found = Capture(tmp_path_factory.mktemp("core") / "s1.pcapng", namespace=CORE)
    found.start(READY_S)
    yield found
    found.kill()


@pytest.fixture(scope="module")
def core(capture: Capture, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NextEpc]:
    """NextEPC, ready, with a subscriber."""
    folder = tmp_path_factory.mktemp("epc")
    host = NamespaceHost(CORE)
    found = NextEpc(host, SETTINGS, str(folder), stand_in=True, logs=folder)
    found.start()
    try:
        found.wait_ready(READY_S)
        found.provision(SUBSCRIBER)
        yield found
        found.check()
    finally:
        found.stop()


def under_a_cell(test: Any) -> None:
    """Run a test's coroutine with a cell of the core."""

    async def run() -> None:
        async with cell(CORE, MME) as found:
            await test(found)

    asyncio.run(run())


def phone_of(found: Cell, **card: Any) -> Phone:
    return found.phone(IMSI, aka(**card), PHONE)


def test_it_says_what_it_is_and_that_its_database_is_a_stand_in(core: NextEpc) -> None:
    assert core.version() == f"NextEPC 0.3.10, {STAND_IN}"
    for refused in (core.sessions, lambda: core.detach(IMSI), lambda: core.release_bearer(IMSI, "ims")):
        with pytest.raises(NotSupported, match="use Open5GS"):
            refused()


def test_a_subscriber_never_gets_another_key(core: NextEpc) -> None:
    with pytest.raises(OtherKey, match="is there already, with another k\n"):
        core.provision(replace(SUBSCRIBER, k="ff" * 16))


def test_a_ue_attaches_gets_its_pcscf_and_talks_through_gtp_u(core: NextEpc) -> None:
    async def test(found: Cell) -> None:
        phone = phone_of(found)
        internet = await phone.attach()
        assert (internet.apn, str(internet.address.ipv4)[:8]) == ("internet", "10.45.0.")
        assert internet.pco.dns == (INTERNET_GATEWAY,)
        ims = await phone.connect(IMS)
        assert (ims.apn, ims.qci, ims.pco.pcscf) == ("ims", 5, (PCSCF, PCSCF_6))
        assert await ping(PHONE, f"lte{internet.bearer}", INTERNET_GATEWAY)
        assert await ping(PHONE, f"lte{ims.bearer}", IMS_GATEWAY)
        assert (found.station.users.counts.down, found.station.users.counts.lost) == (2, 0)
        phone.ue.disconnect(ims.bearer, phone.station.now)
        phone.station.settle()
        assert await phone.event(BearerDown) == BearerDown(ims.bearer, False, 36)
        await phone.detach()
        assert phone.ue.state is State.DEREGISTERED

    under_a_cell(test)


def test_with_both_families_the_prefix_comes_by_a_router_advertisement(core: NextEpc) -> None:
    async def test(found: Cell) -> None:
        phone = phone_of(found, sqn_ms=1 << 20)
        await phone.attach()
        up = await phone.connect(replace(IMS, pdn_type=IPV4V6))
        assert up.address.ipv4 and up.address.interface_id and PCSCF_6 in up.pco.pcscf
        device = f"lte{up.bearer}"
        shown = ["ip", "-6", "address", "show", "dev", device, "scope", "global", "-tentative"]
        async with asyncio.timeout(RA_S):
            while "inet6 fd46:0:0:1:" not in NamespaceHost(PHONE).run(shown):
                await asyncio.sleep(0.1)
        assert await ping(PHONE, device, IMS_GATEWAY_6)
        assert await ping(PHONE, device, IMS_GATEWAY)
        await phone.detach()

    under_a_cell(test)


@pytest.mark.parametrize(
    ("stand_in", "words"),
    [(False, "hss on .*: ended with status 0: .*Failed to connect to server"), (True, "mme on .*S1AP path")],
    ids=["no-database", "no-s1-address"],
)
def test_a_core_that_does_not_come_up_says_why(core: NextEpc, tmp_path: Path, stand_in: bool, words: str) -> None:
    other = NextEpc(NamespaceHost(PHONE), replace(SETTINGS, s1=NOBODYS), str(tmp_path), stand_in=stand_in)
    other.start()
    try:
        with pytest.raises(CoreFailed, match=words):
            other.wait_ready(READY_S)
    finally:
        other.stop()
    assert NamespaceHost(PHONE).run(["ip", "-br", "link"]).split()[0] == "lo"


def test_a_cell_of_another_tracking_area_is_refused(core: NextEpc) -> None:
    async def test() -> None:
        with pytest.raises(CoreGone, match="S1 setup: the MME refuses: misc: unknown-PLMN"):
            async with cell(CORE, MME, tac=99):
                pass

    asyncio.run(test())


def test_idle_it_is_paged_and_wakes_up_to_send(core: NextEpc) -> None:
    async def test(found: Cell) -> None:
        phone = phone_of(found, sqn_ms=0)
        up = await phone.attach()
        own, device = str(up.address.ipv4), f"lte{up.bearer}"
        NamespaceHost(PHONE).run(["ip", "route", "add", "default", "dev", device])
        await phone.idle()
        assert await ping(PHONE, device, INTERNET_GATEWAY), "what the UE wants to send waits for the service request"
        await phone.idle()
        assert await ping(CORE, None, own), "what comes for the UE waits for it to be paged"
        await phone.idle()
        phone.ue.update(phone.station.now)
        phone.station.settle()
        await phone.event(Updated)
        await phone.detach()

    under_a_cell(test)


def test_a_guti_and_its_keys_are_good_for_the_next_attach(core: NextEpc) -> None:
    async def test(found: Cell) -> None:
        phone = phone_of(found)
        await phone.attach()
        first = phone.ue.guti
        await phone.detach()
        phone.begin()
        assert first and (await phone.event(Registered)).guti
        await phone.detach()

    under_a_cell(test)


def test_a_card_that_is_ahead_brings_the_network_into_step(core: NextEpc) -> None:
    async def test(found: Cell) -> None:
        phone = phone_of(found, sqn_ms=1 << 30)
        await phone.attach()
        await phone.detach()

    under_a_cell(test)


@pytest.mark.parametrize(
    ("imsi", "k", "refusal"),
    [(IMSI, bytes(16), AttachRejected(None, own_cause=20)), (UNKNOWN, K, AttachRejected(2))],
    ids=["wrong-key", "unknown-imsi"],
)
def test_who_is_no_subscriber_is_refused(core: NextEpc, imsi: str, k: bytes, refusal: AttachRejected) -> None:
    async def test(found: Cell) -> None:
        phone = found.phone(imsi, aka(k=k), PHONE)
        phone.begin()
        assert await phone.event(AttachRejected) == refusal

    under_a_cell(test)


def test_an_apn_that_is_not_his_is_refused(core: NextEpc) -> None:
    async def test(found: Cell) -> None:
        phone = phone_of(found, sqn_ms=1 << 31)
        await phone.attach()
        phone.ue.connect(replace(INTERNET, apn="nowhere"), phone.station.now)
        phone.station.settle()
        assert (await phone.event(ConnectRejected)).cause == 27
        await phone.detach()

    under_a_cell(test)


def test_a_virtual_sticks_modem_tells_what_the_core_gave(core: NextEpc, tmp_path: Path) -> None:
    async def test(found: Cell) -> None:
        link = tmp_path / "modem"
        phone = phone_of(found, sqn_ms=1 << 32)
        network = CoreNetwork(found.station, phone.ue, StickCell())
        phone.also = network.hear
        stick = make(plan("test", form="pty", link=str(link), boot_s=0.1), lambda event: None, network)
        modem = Modem(PortName.parse(str(link)))
        try:
            stick.do_plug()
            await modem.open()
            context = await modem.bring_up("ims")
            (address,) = context.addresses
            assert (address.address[:8], address.gateway, context.pcscf) == ("10.46.0.", IMS_GATEWAY, (PCSCF,))
            assert await modem.at("AT+CGATT?") == ["+CGATT: 1"]
            assert (await modem.at("AT+CGCONTRDP=1"))[0].startswith('+CGCONTRDP: 1,5,"internet","10.45.0.')
            with pytest.raises(ContextRefused, match="unknown"):
                await modem.connect("nowhere", cid=3)
            await modem.disconnect()
            await modem.detach()
            assert await modem.at("AT+CGATT?") == ["+CGATT: 0"]
            await modem.attach()  # once the core has heard that it left
            assert await modem.at("AT+CGACT?") == ["+CGACT: 1,1", "+CGACT: 2,0", "+CGACT: 3,0"]
            stick.do_unplug()
            await phone.event(Detached)
        finally:
            modem.close()
            stick.close()
            network.close()

    under_a_cell(test)


def test_tshark_finds_nothing_malformed_in_all_that(core: NextEpc, capture: Capture) -> None:
    wrong = "((s1ap || gtp) && (_ws.malformed || _ws.expert.severity == error))"
    names = ("_ws.malformed", "_ws.expert.message", "icmp.type")
    capture.stop(READY_S)
    rows = dissection.fields(capture.path, *names, only=f"{wrong} || (gtp && icmp)")
    assert {tuple(row) for row in rows} == {("", "", "0"), ("", "", "8")}
    said = {one for (row,) in dissection.fields(capture.path, "nas_eps.nas_msg_esm_type") for one in row.split(",")}
    assert {"0xc1", "0xc2", "0xd9", "0xda", "0xd1", "0xd2"} <= said, "ESM messages are read, for they are not ciphered"


def test_ciphered_with_eea2_it_is_the_same(core: NextEpc) -> None:
    """Last, and not in the capture: tshark takes some of what it cannot decipher for plain, and calls it malformed."""

    async def test(found: Cell) -> None:
        phone = found.phone(IMSI, aka(sqn_ms=1 << 33), PHONE, EEA2_EIA2)
        await phone.attach()
        assert (await phone.connect(IMS)).pco.pcscf == (PCSCF, PCSCF_6)
        await phone.idle()
        phone.ue.update(phone.station.now)
        phone.station.settle()
        await phone.event(Updated)
        await phone.detach()

    under_a_cell(test)
