"""Opening a modem for a person: what is in the way is said at once, not waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.modem.errors import PortError, PortNotBack
from drivers.modem.machine import ModemEvent
from drivers.modem.modem import Modem
from drivers.modem.usb import PortName
from drivers.modem.vendors.model import Vendor


@asynccontextmanager
async def opened(
    name: PortName,
    vendor: Vendor | None,
    on_event: Callable[[ModemEvent], None] = lambda event: None,
    low_dbm: float | None = None,
) -> AsyncIterator[Modem]:
    """A modem on its port; raises the PortError that says why not."""
    modem = Modem(name, on_event=on_event, low_dbm=low_dbm, vendor=vendor)
    try:
        try:
            await modem.open(deadline_s=0.0)
        except PortNotBack as late:
            raise late.__cause__ if isinstance(late.__cause__, PortError) else late from None
        yield modem
    finally:
        modem.close()
