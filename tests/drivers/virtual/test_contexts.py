"""Contexts of a virtual modem: activation, what the network gave, refusals, data calls of every maker."""

from __future__ import annotations

import pytest
from virtual_modem import VirtualModem, card

from drivers.modem.responses.table import parse
from drivers.virtual.models import MODELS


@pytest.fixture
def modem() -> VirtualModem:
    modem = VirtualModem(sim=card())
    modem.at('AT+CMEE=1;+CGEREP=2;+CGDCONT=2,"IPV4V6","ims"')
    return modem


def test_an_activated_context_has_the_addresses_of_the_network(modem: VirtualModem) -> None:
    assert modem.at("AT+CGACT=1,2") == ["+CGEV: ME PDN ACT 2", "OK"]
    v6 = "32.1.13.184.0.2.0.0.0.0.0.0.0.0.0.2"
    assert modem.at("AT+CGPADDR=2") == [f'+CGPADDR: 2,"10.2.0.2","{v6}"', "OK"]
    modem.at("AT+CGPIAF=1")
    assert modem.at("AT+CGPADDR=2") == ['+CGPADDR: 2,"10.2.0.2","2001:db8:2::2"', "OK"]


def test_dynamic_parameters_have_mask_gateway_dns_and_every_pcscf(modem: VirtualModem) -> None:
    modem.at("AT+CGACT=1,2")
    head = '+CGCONTRDP: 2,6,"ims"'
    own, gateway = '"10.2.0.2.255.255.255.0"', '"10.2.0.1"'
    *lines, _, result = modem.at("AT+CGCONTRDP=2")
    assert lines == [
        f'{head},{own},{gateway},"10.9.0.53","","10.2.0.10","10.2.0.11",0,0,1428',
        f'{head},{own},{gateway},"","","10.2.0.12","",0,0,1428',
    ]
    assert result == "OK"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("colons", [0, 1])
def test_the_drivers_parser_reads_the_dynamic_parameters_of_every_maker(name: str, colons: int) -> None:
    modem = VirtualModem(name, card())
    modem.at('AT+CGDCONT=2,"IPV4V6","ims"')
    modem.at(f"AT+CGPIAF={colons}")
    modem.at("AT+CGACT=1,2")
    lines = [line for line in modem.at("AT+CGCONTRDP=2") if line.startswith("+CGCONTRDP")]
    found = [parse("AT+CGCONTRDP=2", line) for line in lines]
    assert {one["local_address"] for one in found} == {"10.2.0.2", "2001:db8:2::2"}
    assert {one["gateway_address"] for one in found} == {"10.2.0.1", "2001:db8:2::1"}
    pcscf = ["10.2.0.10", "10.2.0.11", "10.2.0.12", "2001:db8:2::10"]
    assert [proxy for one in found for proxy in one["pcscf"]] == pcscf
    assert [one for line in found for one in line["dns"]] == ["10.9.0.53", "2001:db8:9::53"]


@pytest.mark.parametrize(("pdp_type", "families"), [("IP", 1), ("IPV6", 1), ("IPV4V6", 2)])
def test_a_context_has_the_families_it_asks_for(modem: VirtualModem, pdp_type: str, families: int) -> None:
    modem.at(f'AT+CGDCONT=2,"{pdp_type}","IMS"')
    modem.at("AT+CGACT=1,2")
    assert modem.at("AT+CGPADDR=2")[0].count('"') == 2 * families


def test_an_unknown_apn_is_refused_with_its_cause(modem: VirtualModem) -> None:
    modem.at('AT+CGDCONT=3,"IP","nowhere"')
    assert modem.at("AT+CGACT=1,3") == ["+CME ERROR: 127"]
    modem.network.connect_causes["ims"] = 33
    assert modem.at("AT+CGACT=1,2") == ["+CME ERROR: 133"]
    del modem.network.connect_causes["ims"]
    assert modem.at("AT+CGACT=1,2")[-1] == "OK"


def test_the_last_pdn_stays_while_the_modem_is_attached(modem: VirtualModem) -> None:
    assert modem.at("AT+CGACT=0,1") == ["+CME ERROR: 171"]
    modem.at("AT+CGACT=1,2")
    assert modem.at("AT+CGACT=0,2") == ["+CGEV: ME PDN DEACT 2", "OK"]


def test_the_network_ends_a_context(modem: VirtualModem) -> None:
    modem.at("AT+CGACT=1,2")
    modem.at("AT+QNETDEVCTL=1,2,1")
    modem.settle()
    modem.network.deactivate(2, modem.now)
    assert modem.settle() == ["+CGEV: NW PDN DEACT 2", "+QNETDEVSTATUS: 0"]
    assert modem.actions[-1] == "data-call"
    assert modem.at("AT+CGACT?") == ["+CGACT: 1,1", "+CGACT: 2,0", "OK"]


def test_a_context_that_waits_is_not_answered_when_coverage_goes(modem: VirtualModem) -> None:
    modem.type("AT+CGACT=1,2\r")
    modem.network.cover(False, modem.now)
    assert modem.settle()[-1] == "+CME ERROR: 30"


def test_a_context_of_a_modem_without_network_is_refused() -> None:
    modem = VirtualModem(sim=None)
    modem.at("AT+CMEE=1")
    assert modem.at("AT+CGACT=1,1") == ["+CME ERROR: 30"]
    assert modem.at("AT+CGATT=1") == ["+CME ERROR: 10"]


CALLS = {
    "quectel-ec25": ("AT+QNETDEVCTL=1,2,1", "AT+QNETDEVCTL=0,2,1", "AT+QNETDEVCTL?"),
    "huawei-me909s": ('AT^NDISDUP=2,1,"ims"', "AT^NDISDUP=2,0", "AT^NDISSTATQRY?"),
    "sierra-em7455": ("AT!SCACT=1,2", "AT!SCACT=0,2", "AT!SCACT?"),
    "telit-le910": ("AT#ECM=2,0", "AT#ECMD=0", "AT#ECM?"),
    "simcom-sim7600": ("AT$QCRMCALL=1,2", "AT$QCRMCALL=0,2", "AT$QCRMCALL?"),
    "fibocom-l850": ("AT+GTRNDIS=1,2", "AT+GTRNDIS=0,2", "AT+GTRNDIS?"),
    "cinterion-pls8": ("AT^SWWAN=1,2", "AT^SWWAN=0,2", "AT^SWWAN?"),
    "generic": ("AT+CGACT=1,2", "AT+CGACT=0,2", "AT+CGACT?"),
    "ublox-toby-l2": ("AT+CGACT=1,2", "AT+CGACT=0,2", "AT+CGACT?"),
}


def test_every_model_has_a_data_call_that_is_tested() -> None:
    assert CALLS.keys() == MODELS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_a_data_call_makes_the_nic_carry_the_context(name: str) -> None:
    begin, end, read = CALLS[name]
    modem = VirtualModem(name, card())
    modem.at('AT+CGDCONT=2,"IP","ims"')
    before = modem.at(read)
    assert modem.at(begin)[-1] in ("OK", '^NDISSTAT: 1,,,"IPV4",0,,,"IPV6"')
    modem.settle()
    assert modem.firmware.state.data_cid == 2
    assert modem.actions[-1] == "data-call"
    assert modem.at(read) != before
    modem.actions.clear()
    assert "OK" in modem.at(end)
    modem.settle()
    assert modem.firmware.state.data_cid is None
    assert "data-call" in modem.actions


def test_huawei_tells_of_the_data_call_and_of_the_lease() -> None:
    modem = VirtualModem("huawei-me909s", card())
    modem.at('AT+CGDCONT=2,"IP","ims"')
    assert modem.at("AT^NDISDUP=2,1") == ["OK"]
    assert modem.settle() == ['^NDISSTAT: 1,,,"IPV4",0,,,"IPV6"']
    lease = parse("AT^DHCP?", modem.at("AT^DHCP?")[0])
    assert (lease["addr"], lease["prefix"], lease["gw"], lease["dns1"]) == ("10.2.0.2", 24, "10.2.0.1", "10.9.0.53")
    modem.network.cover(False, modem.now)
    assert modem.settle() == ['^NDISSTAT: 0,,,"IPV4",0,,,"IPV6"']
