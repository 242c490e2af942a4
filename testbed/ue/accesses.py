"""The accesses of a UE, by cable, by modem or by Wi-Fi, and what the networks gave on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.link.wired import WiredAccess
from drivers.protocols import AccessEvent
from testbed.errors import RigError, UsageError
from testbed.ue.setup import AccessSetup, UeSetup

if TYPE_CHECKING:
    from drivers.modem.access import ModemAccess
    from drivers.wifi.access import WifiAccess
    from drivers.wifi.dhcp_client import DhcpClient
    from drivers.wifi.station import Station

Told = Callable[[AccessEvent], None]


class Accesses:
    """All of one UE; `told` hears of what happens to them by themselves."""

    def __init__(self, setup: UeSetup, told: Told) -> None:
        self._where = f"UE {setup.config.name}"
        self._setups = {access.name: access for access in setup.accesses}
        self._told = told
        self._expected = {access.name: access.addresses for access in setup.accesses}
        self._locks = {access.name: asyncio.Lock() for access in setup.accesses}  # one thing at a time with each
        self._wired: dict[str, WiredAccess] = {}
        self._modems: dict[str, ModemAccess] = {}
        self._wifis: dict[str, tuple[WifiAccess, Station, DhcpClient]] = {}

    def open(self) -> None:
        """Open cables' and radios' devices, and begin to open modems' ports."""
        for access in self._setups.values():
            if access.modem is not None:
                self._modems[access.name] = _modem(access)
            elif access.wifi is not None:
                self._wifis[access.name] = _wifi(access)
            else:
                self._wired[access.name] = WiredAccess(access.name, access.device, access.table, access.addresses)
        for each in self._all():
            each.watch(self._told)

    async def close(self) -> None:
        for each in self._all():
            each.close()
        for _, station, dhcp in self._wifis.values():
            await dhcp.release()
            await station.stop()

    async def attach(self, name: str) -> None:
        """Get on an access network, unless we are on it and it is whole."""
        setup, expected = self.known(name), self._expected[name]
        async with self._locks[name]:
            if self.has_carrier(name):
                return
            given = tuple(await self._access(name).attach())
        if not {each.address for each in given} <= {each.address for each in expected}:
            await self.detach(name)
            got, wanted = (", ".join(each.address for each in some) for some in (given, expected))
            mend = "give the subscriber this address in the packet core, or the access that one in the topology"
            raise RigError(f"the network gave {got}, the topology says {wanted}", where=f"access {name}", mend=mend)
        self._setups[name] = replace(setup, addresses=given)

    async def detach(self, name: str) -> None:
        """Leave an access network."""
        access = self._access(name)
        async with self._locks[name]:
            await access.detach()

    def has_carrier(self, name: str) -> bool:
        """Whether an access that we are on still carries anything, as far as we have been told."""
        return self._access(name).carrier

    async def signal_dbm(self, name: str) -> float | None:
        """What is received of an access by radio, attached or not; None where that is nothing."""
        access = self._access(name)
        if isinstance(access, WiredAccess):
            raise UsageError(f"access {name} has no signal", where=self._where)
        async with self._locks[name]:
            if access.carrier or name not in self._wifis:
                return await access.signal_dbm()
            _, station, _ = self._wifis[name]
            wifi = self.known(name).wifi
            assert wifi is not None
            if not station.running:
                await station.start()
            return max((each.signal_dbm for each in await station.scan() if each.ssid == wifi.ssid), default=None)

    async def roam(self, name: str) -> str:
        """Go to the strongest other access point of a Wi-Fi network that we are in; its BSSID."""
        if name not in self._wifis:
            raise UsageError(f"access {name} is no Wi-Fi", where=self._where)
        wifi, (_, station, _) = self.known(name).wifi, self._wifis[name]
        assert wifi is not None
        async with self._locks[name]:
            now = (await station.status()).bssid
            heard = await station.scan()
            others = [each for each in heard if each.ssid == wifi.ssid and each.bssid != now]
            if not others:
                raise RigError("no other access point of the network is heard", where=f"access {name}")
            await station.roam(others[0].bssid)  # the strongest comes first
        return others[0].bssid

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

    def _all(self) -> Iterator[WiredAccess | ModemAccess | WifiAccess]:
        yield from self._wired.values()
        yield from self._modems.values()
        yield from (wifi for wifi, _, _ in self._wifis.values())

    def _access(self, name: str) -> WiredAccess | ModemAccess | WifiAccess:
        self.known(name)
        if name in self._wifis:
            return self._wifis[name][0]
        return self._modems.get(name) or self._wired[name]


def _modem(access: AccessSetup) -> ModemAccess:
    from drivers.modem.access import ModemAccess  # pyserial and all parsers come with it
    from drivers.modem.usb import PortName

    modem = access.modem
    assert modem is not None
    port = PortName.parse(modem.port)
    return ModemAccess(access.name, port, modem.apn, access.table, low_dbm=modem.low_dbm)


def _wifi(access: AccessSetup) -> tuple[WifiAccess, Station, DhcpClient]:
    """Its daemons are started when it is first attached; they live in our own namespace."""
    from drivers.host.local import LocalHost
    from drivers.wifi.access import WifiAccess
    from drivers.wifi.configuration import Credentials
    from drivers.wifi.dhcp_client import DhcpClient
    from drivers.wifi.station import Station

    wifi = access.wifi
    assert wifi is not None
    folder = Path(wifi.folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    host = LocalHost()
    station = Station(host, access.device, folder, folder / "wpa_supplicant.log", wifi.channels)
    dhcp = DhcpClient(host, access.device, wifi.folder, folder / "udhcpc.log")
    credentials = Credentials(wifi.ssid, wifi.security, wifi.passphrase)
    return (
        WifiAccess(access.name, access.device, access.table, station, dhcp, credentials, low_dbm=wifi.low_dbm),
        station,
        dhcp,
    )
