"""What the verbs of `testbed modem` have in common: how a port and a vendor are named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drivers.modem.errors import ModemError
from drivers.modem.usb import PortName
from drivers.modem.vendors.model import Vendor
from drivers.modem.vendors.registry import VENDORS, by_name
from testbed.errors import UsageError

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _Port(click.ParamType):
    """A port's name, read before anything is opened."""

    name = "PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PortName:
        if isinstance(value, PortName):
            return value
        if not value.startswith(("serial:", "usb:")):  # a path, perhaps one from the current folder
            value = str(Path(value).absolute())
        try:
            return PortName.parse(value)
        except ModemError as wrong:
            raise UsageError(wrong.what, where="PORT", mend=wrong.mend) from wrong


class _Vendor(click.ParamType):
    """A vendor of drivers.modem.vendors."""

    name = "vendor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Vendor:
        if isinstance(value, Vendor):
            return value
        if found := by_name(value):
            return found
        known = ", ".join(vendor.name for vendor in VENDORS)
        raise UsageError(f"no vendor {value} is known", where="--vendor", mend=f"known: {known}")


PORT = click.argument("port", type=_Port())
VENDOR = click.option("--vendor", type=_Vendor(), help="Whose modem it is, where that cannot be found out.")
