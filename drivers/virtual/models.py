"""Sticks that can be had: what each tells on USB, what it calls itself over AT, and which dialect it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivers.errors import DriverError

# Which of the kernel's drivers takes the AT port: cdc_acm, or a driver that knows the maker's identity (option) and
# wants vendor-specific interfaces.
AtPort = Literal["acm", "vendor"]
Nic = Literal["ecm", "ncm"]
Dialect = Literal["generic", "quectel", "huawei", "sierra", "telit", "simcom", "fibocom", "cinterion", "ublox"]


@dataclass(frozen=True)
class Model:
    """`at_interface` is the number of the AT port's USB interface, which stable names of ports contain."""

    name: str
    vendor_id: int
    product_id: int
    usb_manufacturer: str
    usb_product: str
    dialect: Dialect
    manufacturer: str  # +CGMI
    model: str  # +CGMM
    revision: str  # +CGMR
    at_port: AtPort = "acm"
    at_interface: int = 0
    nic: Nic = "ecm"
    ready_urcs: tuple[str, ...] = ()  # what it says when it has booted


_ALL = (
    # 1d6b:0104 is the kernel's own identity for gadgets of several functions: nobody takes it for a stick of theirs.
    Model("generic", 0x1D6B, 0x0104, "Testbed", "Virtual modem", "generic", "Testbed", "Virtual", "1.0"),
    Model(
        "quectel-ec25", 0x2C7C, 0x0125, "Quectel", "EC25", "quectel", "Quectel", "EC25", "EC25EFAR06A06M4G",
        at_port="vendor", at_interface=2, ready_urcs=("RDY",),
    ),
    Model(
        "huawei-me909s", 0x12D1, 0x15C1, "Huawei", "ME909s-120", "huawei", "huawei", "ME909s-120", "11.617.24.00.00",
        nic="ncm", ready_urcs=("^SYSSTART",),
    ),
    Model(
        "sierra-em7455", 0x1199, 0x9071, "Sierra Wireless", "EM7455", "sierra", "Sierra Wireless, Incorporated",
        "EM7455", "SWI9X30C_02.24.05.06",
    ),
    Model("telit-le910", 0x1BC7, 0x1201, "Telit", "LE910", "telit", "Telit", "LE910-EU V2", "20.00.403"),
    Model(
        "simcom-sim7600", 0x1E0E, 0x9011, "SimTech", "SIM7600E", "simcom", "SIMCOM INCORPORATED", "SIMCOM_SIM7600E",
        "LE20B03SIM7600M22", ready_urcs=("RDY",),
    ),
    Model("fibocom-l850", 0x2CB7, 0x0007, "Fibocom", "L850-GL", "fibocom", "Fibocom Wireless Inc.", "L850 LTE Module",
          "18500.5001.00.05.27.30", nic="ncm"),
    Model("cinterion-pls8", 0x1E2D, 0x0061, "Cinterion", "PLSx", "cinterion", "Cinterion", "PLS8-E", "REVISION 03.017",
          ready_urcs=("^SYSSTART",)),
    Model("ublox-toby-l2", 0x1546, 0x1146, "u-blox", "TOBY-L210", "ublox", "u-blox", "TOBY-L210", "09.19"),
)  # fmt: skip
MODELS = {model.name: model for model in _ALL}


def model(name: str) -> Model:
    """A model by its name; raises DriverError, which lists them."""
    if name not in MODELS:
        raise DriverError(f"no virtual stick {name}", mend=f"choose one of {', '.join(MODELS)}")
    return MODELS[name]
