"""The accesses of a UE: by a cable or by a modem, and what the networks gave on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from drivers.link.wired import WiredAccess
from drivers.protocols import AccessEvent
from testbed.errors import RigError, UsageError
from testbed.ue.setup import AccessSetup, UeSetup

if TYPE_CHECKING:
    from drivers.modem.access import ModemAccess

Told = Callable[[AccessEvent], None]


class Accesses:
    """All of one UE; `told` hears of what happens to them by themselves."""

    def __init__(self, setup: UeSetup, told: Told) -> None:
        self._where = f"UE {setup.config.name}"
        self._setups = {access.name: access for access in setup.accesses}
        self._told = told
        self._wired: dict[str, WiredAccess] = {}
        self._modems: dict[str, ModemAccess] = {}

    def open(self) -> None:
        """Open cables' devices, and begin to open modems' ports."""
        for access in self._setups.values():
            if access.modem is None:
                self._wired[access.name] = WiredAccess(access.name, access.device, access.table, access.addresses)
            else:
                self._modems[access.name] = _modem(access)
        for each in self._all():
            each.watch(self._told)

    def close(self) -> None:
        for each in self._all():
            each.close()

    async def attach(self, name: str) -> None:
        """Get on an access network."""
        setup = self.known(name)
        given = tuple(await self._access(name).attach())
        if {each.address for each in setup.addresses} != {each.address for each in given}:
            got, wanted = (", ".join(each.address for each in some) for some in (given, setup.addresses))
            mend = "give the subscriber this address in the packet core, or the access that one in the topology"
            raise RigError(f"the network gave {got}, the topology says {wanted}", where=f"access {name}", mend=mend)
        self._setups[name] = replace(setup, addresses=given)

    async def detach(self, name: str) -> None:
        """Leave an access network."""
        await self._access(name).detach()

    def has_carrier(self, name: str) -> bool:
        """Whether an access that we are on still carries anything, as far as we have been told."""
        return self._access(name).carrier

    def known(self, name: str) -> AccessSetup:
        """What is known of an access.  Raises UsageError when there is none of this name."""
        if name not in self._setups:
            known = ", ".join(self._setups)
            raise UsageError(f"no access {name!r}", where=self._where, mend=f"one of {known}")
        return self._setups[name]

    def modem(self, name: str) -> ModemAccess:
        """The modem of an access.  Raises UsageError when it has none."""
        self.known(name)
        if name not in self._modems:
            raise UsageError(f"access {name} has no modem", where=self._where)
        return self._modems[name]

    def _all(self) -> Iterator[WiredAccess | ModemAccess]:
        yield from self._wired.values()
        yield from self._modems.values()

    def _access(self, name: str) -> WiredAccess | ModemAccess:
        self.known(name)
        return self._modems.get(name) or self._wired[name]


def _modem(access: AccessSetup) -> ModemAccess:
    from drivers.modem.access import ModemAccess  # pyserial and all parsers come with it
    from drivers.modem.usb import PortName

    modem = access.modem
    assert modem is not None
    port = PortName.parse(modem.port)
    return ModemAccess(access.name, port, modem.apn, modem.mac, access.table, low_dbm=modem.low_dbm)
