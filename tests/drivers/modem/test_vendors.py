"""Vendors as data: chosen rightly, every command a command line, every answer one that can be read."""

from __future__ import annotations

import pytest

from drivers.modem.at.command import Command, parts_of
from drivers.modem.errors import ModemError, NoDataCall
from drivers.modem.responses.table import PARSERS, parse
from drivers.modem.vendors.model import KINDS, Vendor
from drivers.modem.vendors.registry import VENDORS, by_name, choose

ALL = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)


@pytest.mark.parametrize(
    ("said", "usb", "name"),
    [
        ("Quectel\nEC25\nRevision: EC25EFAR06A11M4G", None, "Quectel"),
        ("Sierra Wireless, Incorporated\nEM7455", (0x1199, 0x9071), "Sierra"),
        ("Sierra Wireless, Incorporated\nDW5811e", (0x413C, 0x81B6), "Sierra"),
        ("QUALCOMM INCORPORATED\nSIMCOM_SIM7600E-H", (0x1E0E, 0x9001), "SIMCom"),
        ("Telit\nLE910C1-EU", None, "Telit"),
        ("u-blox\nTOBY-L210", None, "u-blox"),
        ("Manufacturer: huawei\nModel: E3372", None, "Huawei"),
        ("Fibocom Wireless Inc.\nL850-GL", (0x2CB7, 0x0007), "Fibocom"),
        ("Cinterion\nPLS62-W", None, "Cinterion"),
        ("", (0x2C7C, 0x0125), "Quectel"),
        ("", (0x12D1, 0x1442), "Huawei"),
        ("", (0x413C, 0x1234), "generic"),
        ("Quectel", (0x1199, 0x9071), "Quectel"),
        ("QUALCOMM INCORPORATED\n0", (0x05C6, 0x9025), "generic"),
        ("", None, "generic"),
    ],
)
def test_a_vendor_is_chosen_by_what_the_modem_says_then_by_usb(
    said: str, usb: tuple[int, int] | None, name: str
) -> None:
    assert choose(said, usb).name == name


def commands_of(vendor: Vendor) -> list[str]:
    calls = [line for call in vendor.data_calls for line in (call.up, call.down, call.state) if line]
    filled = [line.format(cid=1, apn="ims") for line in calls]
    bands = list(vendor.lock_bands([1, 3, 7])) if vendor.band_lock else []
    single = [vendor.airplane_on, vendor.airplane_off, vendor.reset]
    return [
        *vendor.signal,
        *vendor.iccid,
        *filled,
        *vendor.rats.values(),
        *bands,
        *single,
        *vendor.ims_off,
        *vendor.setup,
    ]


@ALL
def test_every_command_is_a_command_line(vendor: Vendor) -> None:
    for line in commands_of(vendor):
        Command(line)
        assert "{" not in line


@ALL
def test_every_answer_that_the_driver_asks_for_can_be_read(vendor: Vendor) -> None:
    asked = [*vendor.signal, *vendor.iccid, *(call.state for call in vendor.data_calls)]
    assert [line for line in asked if parts_of(line)[0][0] not in PARSERS] == []


@ALL
def test_every_vendor_names_its_source(vendor: Vendor) -> None:
    assert vendor.source and by_name(vendor.name.upper()) is vendor


@pytest.mark.parametrize(
    ("vendor", "commands"),
    [
        ("Quectel", ('AT+QCFG="band",0,45,0,1',)),
        ("Huawei", ('AT^SYSCFGEX="03",3FFFFFFF,1,2,45,,',)),
        ("Fibocom", ("AT+GTACT=2,,,101,103,107",)),
        ("Sierra", ('AT!BAND=11,"testbed",0,45,0', "AT!BAND=11")),
        ("Telit", ("AT#BND=0,0,69",)),
    ],
)
def test_bands_are_locked_in_the_vendors_own_form(vendor: str, commands: tuple[str, ...]) -> None:
    chosen = by_name(vendor)
    assert chosen and chosen.lock_bands([7, 1, 3]) == commands


def test_what_is_not_known_is_refused_with_what_is() -> None:
    generic = by_name("generic")
    assert generic
    with pytest.raises(ModemError, match="cannot be locked"):
        generic.lock_bands([1])
    with pytest.raises(ModemError, match=r"technology nr cannot be selected\n  mend: known: auto, gsm, umts, lte"):
        generic.select("nr")
    with pytest.raises(NoDataCall, match="no mbim data call is known for generic"):
        generic.data_call("mbim")


@pytest.mark.parametrize(("driver", "tool"), [("qmi_wwan", "qmicli"), ("cdc_mbim", "mbimcli")])
def test_a_call_that_only_a_tool_can_make_names_the_tool(driver: str, tool: str) -> None:
    quectel = by_name("Quectel")
    assert quectel
    with pytest.raises(NoDataCall, match=f"cannot be made over AT\n  mend: make it with {tool}"):
        quectel.data_call(KINDS[driver])


def test_the_signal_of_cinterion_is_read() -> None:
    line = "^SMONI: 4G,1300,3,10,10,FDD,262,02,BF75,0345103,350,33,-94,-7,NOCONN"
    parsed = parse("AT^SMONI", line)
    assert (parsed["rsrp"], parsed["rsrq"], parsed["band"], parsed["tac"]) == (-94, -7, 3, 0xBF75)
