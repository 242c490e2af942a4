"""One radio, told by every maker in its own way: the driver's parsers read the same numbers from each."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_modem import VirtualModem, card

from drivers.modem.responses.table import parse
from drivers.virtual.network import Cell
from drivers.virtual.state import Signal

SIGNAL = Signal(rsrp_dbm=-97, rsrq_db=-11, sinr_db=13, rssi_dbm=-68)
CELL = Cell(plmn="26201", operator="Rig", tac=0xBEEF, ci=0x1A2B303, pci=42, earfcn=1300, band=3)


def read(name: str, command: str) -> dict[str, Any]:
    modem = VirtualModem(name, card(), boot=False)
    modem.network.cell = CELL
    modem.firmware.power_on(modem.now)
    modem.firmware.set_signal(SIGNAL, modem.now)
    modem.settle()
    *lines, result = modem.at(command)
    assert result == "OK"
    return parse(command, "\r\n".join(lines))


def values(found: dict[str, Any], *keys: str) -> list[Any]:
    return [found[key] for key in keys]


def test_quectel() -> None:
    found = read("quectel-ec25", "AT+QCSQ")
    assert values(found, "rssi", "rsrp", "sinr_db", "rsrq") == [-68, -97, 13.0, -11]
    found = read("quectel-ec25", 'AT+QENG="servingcell"')
    keys = ("mcc", "mnc", "cellid", "pci", "earfcn", "band", "tac", "rsrp", "rsrq", "rssi", "sinr_raw")
    assert values(found, *keys) == ["262", "01", CELL.ci, 42, 1300, 3, CELL.tac, -97, -11, -68, 13]


def test_huawei() -> None:
    found = read("huawei-me909s", "AT^HCSQ?")
    assert values(found["derived"], "rssi_dbm", "rsrp_dbm", "sinr_db", "rsrq_db") == [-68, -97, 13.0, -11.0]


def test_sierra() -> None:
    found = read("sierra-em7455", "AT!GSTATUS?")
    keys = ("rx_chan", "tac", "cell_id", "rsrq", "sinr", "band", "mode")
    assert values(found, *keys) == [1300, CELL.tac, CELL.ci, -11.0, 13.0, "B3", "ONLINE"]
    assert (found["rssi"], found["rsrp"]) == ([-68], [-97])


def test_telit() -> None:
    found = read("telit-le910", "AT#RFSTS")
    keys = ("plmn", "earfcn", "rsrp", "rssi", "rsrq", "tac", "cellid", "netname")
    assert values(found, *keys) == ["26201", 1300, -97, -68, -11, CELL.tac, CELL.ci, "Rig"]


def test_simcom() -> None:
    found = read("simcom-sim7600", "AT+CPSI?")
    keys = ("mcc", "mnc", "tac", "cell", "pci", "earfcn", "rsrq_db", "rsrp_dbm", "rssi_dbm", "rssnr")
    assert values(found, *keys) == ["262", "01", CELL.tac, CELL.ci, 42, 1300, -11.0, -97.0, -68.0, 13]


def test_fibocom() -> None:
    found = read("fibocom-l850", "AT+XCESQ?")
    assert values(found, "rsrq", "rsrp", "rssnr") == [-11.0, -97.0, 13.0]


@pytest.mark.parametrize("name", ["generic", "ublox-toby-l2", "cinterion-pls8"])
def test_the_standards_own(name: str) -> None:
    found = read(name, "AT+CESQ")
    assert values(found, "rsrp", "rsrq") == [-97.0, -11.0]
