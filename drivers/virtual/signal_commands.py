"""How each maker tells of signal and cell; the numbers all come from the same radio conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from drivers.virtual.answers import CmeError, Reply
from drivers.virtual.at_line import Call
from drivers.virtual.network import Cell
from drivers.virtual.state import Signal

if TYPE_CHECKING:
    from drivers.virtual.firmware import Firmware

Handler = Callable[["Firmware", Call], Reply]
BANDWIDTH = 5  # index of 20 MHz


def _radio(modem: Firmware) -> tuple[Signal, Cell] | None:
    cell = modem.state.cell
    return (modem.state.signal, cell) if cell else None


def _qcsq(modem: Firmware, call: Call) -> Reply:
    """+QCSQ: RSSI, RSRP, SINR in fifths of a dB above -20, RSRQ."""
    if not (found := _radio(modem)):
        return ['+QCSQ: "NOSERVICE"']
    signal, _ = found
    sinr = min(max((signal.sinr_db + 20) * 5, 0), 250)
    return [f'+QCSQ: "LTE",{signal.rssi_dbm},{signal.rsrp_dbm},{sinr},{signal.rsrq_db}']


def _qeng(modem: Firmware, call: Call) -> Reply:
    """+QENG="servingcell": SINR in dB as the EC25 has it, and the cell."""
    if not (found := _radio(modem)):
        return ['+QENG: "servingcell","SEARCH"']
    if call.text(0) != "servingcell":
        return []
    signal, cell = found
    where = f"{cell.plmn[:3]},{cell.plmn[3:]},{cell.ci:X},{cell.pci},{cell.earfcn},{cell.band}"
    levels = f"{signal.rsrp_dbm},{signal.rsrq_db},{signal.rssi_dbm},{signal.sinr_db},-"
    state = "CONNECT" if modem.state.data_cid else "NOCONN"
    return [f'+QENG: "servingcell","{state}","LTE","FDD",{where},{BANDWIDTH},{BANDWIDTH},{cell.tac:X},{levels}']


def _qnwinfo(modem: Firmware, call: Call) -> Reply:
    if not (found := _radio(modem)):
        return ["+QNWINFO: No Service"]
    cell = found[1]
    return [f'+QNWINFO: "FDD LTE","{cell.plmn}","LTE BAND {cell.band}",{cell.earfcn}']


def _hcsq(modem: Firmware, call: Call) -> Reply:
    return huawei_signal(modem)


def huawei_signal(modem: Firmware) -> list[str]:
    """^HCSQ: RSSI above -121 dBm, RSRP above -141, SINR in fifths of a dB above -20.2, RSRQ in halves above -20."""
    if not (found := _radio(modem)):
        return ["^HCSQ: NOSERVICE"]
    signal, _ = found
    sinr = round((signal.sinr_db + 20.2) * 5)
    levels = (signal.rssi_dbm + 121, signal.rsrp_dbm + 141, sinr, (signal.rsrq_db + 20) * 2)
    return [f'^HCSQ: "LTE",{",".join(str(max(level, 0)) for level in levels)}']


def _sysinfoex(modem: Firmware, call: Call) -> Reply:
    served = int(modem.state.stat.registered)
    roaming = int(modem.state.stat == 5)
    return [f'^SYSINFOEX: {2 * served},{3 * served},{roaming},{int(modem.card is not None)},,6,"LTE",101,"LTE"']


def _gstatus(modem: Firmware, call: Call) -> Reply:
    """!GSTATUS?: two columns of name and value, parted by tabs."""
    if not (found := _radio(modem)):
        return ["!GSTATUS: ", "System mode:   No service \tPS state:    Not attached"]
    signal, cell = found
    return [
        "!GSTATUS: ",
        "Current Time:  1373\t\tTemperature: 40",
        "Reset Counter: 1\t\tMode:        ONLINE         ",
        "System mode:   LTE        \tPS state:    Attached     ",
        f"LTE band:      B{cell.band}     \t\tLTE bw:      20 MHz  ",
        f"LTE Rx chan:   {cell.earfcn}\t\tLTE Tx chan: {cell.earfcn + 18000}",
        "EMM state:     Registered     \tNormal Service ",
        "RRC state:     RRC Connected  ",
        "IMS reg state: No Srv  \t\t",
        "",
        f"PCC RxM RSSI:  {signal.rssi_dbm}\t\tRSRP (dBm):  {signal.rsrp_dbm}",
        f"Tx Power:      --\t\tTAC:         {cell.tac:04X} ({cell.tac})",
        f"RSRQ (dB):     {signal.rsrq_db}.0\t\tCell ID:     {cell.ci:08X} ({cell.ci})",
        f"SINR (dB):      {signal.sinr_db}.0",
    ]


def _rfsts(modem: Firmware, call: Call) -> Reply:
    if not (found := _radio(modem)):
        return ["#RFSTS: ,,,,,,,,,,,,,,"]
    signal, cell = found
    levels = f"{signal.rsrp_dbm},{signal.rssi_dbm},{signal.rsrq_db}"
    where = f'"{cell.plmn[:3]} {cell.plmn[3:]}",{cell.earfcn}'
    imsi = modem.card.subscription.imsi if modem.card else ""
    tail = f'{cell.ci:07X},"{imsi}","{cell.operator}",3,{cell.band},108'
    return [f"#RFSTS: {where},{levels},{cell.tac:X},,128,3,1,{tail}"]


def _cpsi(modem: Firmware, call: Call) -> Reply:
    """+CPSI?: RSRQ, RSRP and RSSI in tenths."""
    if not (found := _radio(modem)):
        return ["+CPSI: NO SERVICE,Online"]
    signal, cell = found
    where = f"{cell.plmn[:3]}-{cell.plmn[3:]},0x{cell.tac:04X},{cell.ci},{cell.pci}"
    where += f",EUTRAN-BAND{cell.band},{cell.earfcn}"
    levels = f"{signal.rsrq_db * 10},{signal.rsrp_dbm * 10},{signal.rssi_dbm * 10},{signal.sinr_db}"
    return [f"+CPSI: LTE,Online,{where},{BANDWIDTH},{BANDWIDTH},{levels}"]


def _xcesq(modem: Firmware, call: Call) -> Reply:
    """+XCESQ?: as +CESQ, and the SINR in halves of a dB."""
    if not (found := _radio(modem)):
        return ["+XCESQ: 0,99,99,255,255,255,255,255"]
    signal, _ = found
    return [f"+XCESQ: 0,99,99,255,255,{(signal.rsrq_db + 20) * 2},{signal.rsrp_dbm + 141},{signal.sinr_db * 2}"]


def _smoni(modem: Firmware, call: Call) -> Reply:
    """^SMONI: EARFCN, band, bandwidths, mode, MCC, MNC, TAC, cell, PCI, transmit power, RSRP, RSRQ, connection."""
    if not (found := _radio(modem)):
        return ["^SMONI: Searching"]
    signal, cell = found
    where = f"{cell.plmn[:3]},{cell.plmn[3:]},{cell.tac:04X},{cell.ci:07X},{cell.pci}"
    return [f"^SMONI: 4G,{cell.earfcn},{cell.band},20,20,FDD,{where},0,{signal.rsrp_dbm},{signal.rsrq_db},CONN"]


def _only(prefix_forms: tuple[str, ...], handler: Handler) -> Handler:
    """A command that exists in some forms only."""

    def checked(modem: Firmware, call: Call) -> Reply:
        if call.form not in prefix_forms:
            raise CmeError(50)
        return handler(modem, call)

    return checked


SIGNAL_COMMANDS: Mapping[str, Mapping[str, Handler]] = {
    "quectel": {"+QCSQ": _qcsq, "+QENG": _only(("=",), _qeng), "+QNWINFO": _qnwinfo},
    "huawei": {"^HCSQ": _only(("?",), _hcsq), "^SYSINFOEX": _sysinfoex},
    "sierra": {"!GSTATUS": _only(("?",), _gstatus)},
    "telit": {"#RFSTS": _rfsts},
    "simcom": {"+CPSI": _only(("?",), _cpsi)},
    "fibocom": {"+XCESQ": _only(("?",), _xcesq)},
    "cinterion": {"^SMONI": _smoni},
}
