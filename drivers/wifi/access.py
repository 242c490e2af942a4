"""A Wi-Fi access as an IP-CAN (TS 23.228 annex L): association, then a lease, then addresses and routes.

It looks like a wired one (:mod:`drivers.link.wired`): a routing table of its own, chosen by source address, so that
connections over several accesses live side by side.  Losing the association, or the lease, is losing the carrier.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from drivers.errors import DriverError
from drivers.link.interfaces import SET, address, default_route, no_rule, rule, switch
from drivers.link.netlink import Netlink, Request
from drivers.protocols import AccessAddress, AccessEvent, Happening, Host
from drivers.wifi import events
from drivers.wifi.configuration import Credentials
from drivers.wifi.dhcp6_client import sip_servers
from drivers.wifi.dhcp_client import DhcpClient
from drivers.wifi.errors import NoPcscf, WifiError
from drivers.wifi.lease import Lease, Report
from drivers.wifi.router_discovery import RouterDiscovery
from drivers.wifi.station import CONNECT_S, Station

RTM_DELADDR, RTM_DELROUTE = 21, 25


class WifiAccess:
    """`table` is the number of this access's routing table; no two accesses of a UE share one.

    It lives in the namespace of `device`.  `pcscf` is configured where the access's DHCP gives none.  A signal that
    falls below `low_dbm`, and one that is above it again, is told.  With `ipv6` it has both families.
    """

    def __init__(
        self,
        name: str,
        device: str,
        table: int,
        station: Station,
        dhcp: DhcpClient,
        credentials: Credentials,
        *,
        pcscf: str | None = None,
        connect_s: float = CONNECT_S,
        low_dbm: int | None = None,
        ipv6: Ipv6 | None = None,
    ) -> None:
        self.name = name
        self._device, self._table, self._pcscf = device, table, pcscf
        self._connect_s, self._low_dbm = connect_s, low_dbm
        self._station, self._dhcp, self._credentials = station, dhcp, credentials
        self._ipv6 = ipv6
        self._netlink = Netlink(socket.NETLINK_ROUTE, f"access {name}")
        self._index = socket.if_nametoindex(device)
        self._undo: list[Request] = []
        self._carrier: bool | None = None  # None: we are not attached
        self._low = False
        self._early: events.SignalChange | None = None  # came while we were getting on
        self._on_event: Callable[[AccessEvent], None] | None = None
        station.watch(self._happened)
        dhcp.watch(self._lease_changed)
        if ipv6:
            ipv6.watch(lambda: self._tell(False, "the IPv6 address is lost"))

    async def attach(self) -> Sequence[AccessAddress]:
        """Associated, with a lease, its address and routes in force.

        Raises what :meth:`Station.connect` and :meth:`DhcpClient.acquire` raise, and NoPcscf; nothing is left then.
        """
        await self.detach()
        try:
            if not self._station.running:
                await self._station.start()
            await self._station.connect(self._credentials, timeout_s=self._connect_s)
            self._early = None
            if self._low_dbm is not None:
                await self._station.monitor_signal(self._low_dbm)
            own = [self._own(await self._dhcp.acquire())]
            self._put_in_force(own[0])
            if self._ipv6:
                own.append(await self._ipv6.acquire())
                self._put_in_force(own[1])
        except BaseException as why:
            try:
                await self.detach()
            except DriverError as also:  # what came first is the cause
                why.add_note(f"and then: {also}")
            raise
        self._carrier, self._low = True, False
        if self._early is not None:  # nobody tells again of a signal that was low from the beginning
            self._signal(self._early)
        return tuple(own)

    async def detach(self) -> None:
        """The lease given back, addresses and routes gone, the network left; the device stays up, to scan."""
        self._carrier = None
        await self._dhcp.release()
        self._netlink.batch(self._undo)
        self._undo = []
        if self._ipv6:
            await self._ipv6.release()
        if self._station.running:
            await self._station.disconnect()

    @property
    def carrier(self) -> bool:
        """Whether we are attached and associated."""
        return bool(self._carrier)

    async def signal_dbm(self) -> float | None:
        """The access point's signal as its last frame had it; None while there is none.

        The kernel's average over beacons is that of the association before, until the first beacon comes.
        """
        try:
            return float((await self._station.signal()).rssi_dbm)
        except WifiError:
            return None

    def watch(self, on_event: Callable[[AccessEvent], None]) -> None:
        """Call back when the association is lost or comes back, the lease is lost, or the signal is low."""
        self._on_event = on_event

    def close(self) -> None:
        """Stop watching; the station and its DHCP are their owner's to end."""
        self._on_event = None
        self._netlink.close()
        if self._ipv6:
            self._ipv6.close()

    def _own(self, lease: Lease) -> AccessAddress:
        pcscf = next((each for each in lease.pcscf if _is_address(each)), self._pcscf)
        if pcscf is None:
            named = f", only names: {', '.join(lease.pcscf)}" if lease.pcscf else ""
            what = f"DHCP gives no P-CSCF (option 120){named}"
            raise NoPcscf(what, where=f"access {self.name}", mend="have the server give it, or configure one")
        return AccessAddress(4, lease.address, lease.prefix, lease.router, pcscf)

    def _put_in_force(self, own: AccessAddress) -> None:
        """Its address, unless the kernel has set it already (IPv6), and its own way."""
        way = default_route(self._index, own.gateway, self._table)
        new = [switch(self._index, True, self._device), way, rule(own.address, self._table)]
        undo = [
            no_rule(own.address, self._table),
            replace(way, kind=RTM_DELROUTE, flags=0, fine=(errno.ESRCH,)),
        ]
        if own.family == 4:
            here = address(self._index, own.address, own.prefix, SET)
            new.insert(1, here)
            undo.append(replace(here, kind=RTM_DELADDR, flags=0, fine=(errno.EADDRNOTAVAIL,)))
        self._undo += undo
        self._netlink.batch(new)

    def _happened(self, event: events.Event) -> None:
        if isinstance(event, events.Connected):
            self._tell(True, f"associated with {event.bssid}")
        elif isinstance(event, events.Disconnected):
            whose = "it left" if event.by_itself else "it was sent away"
            self._tell(False, f"{whose}, reason {event.reason}, {event.bssid}")
        elif isinstance(event, events.InterfaceDisabled):
            self._tell(False, "the radio is off")
        elif isinstance(event, events.Terminating):
            self._tell(False, "wpa_supplicant has ended")
        elif isinstance(event, events.SignalChange):
            self._signal(event)

    def _signal(self, event: events.SignalChange) -> None:
        """The kernel tells again and again while the signal moves; we tell which side of the threshold it is on."""
        if self._carrier is None:
            self._early = event
        if not self._carrier or event.above != self._low:
            return
        self._low = not event.above
        what: Happening = "signal-low" if self._low else "signal-back"
        if self._on_event:
            self._on_event(AccessEvent(self.name, what, f"{event.signal_dbm} dBm"))

    def _lease_changed(self, report: Report) -> None:
        """Another address is no carrier for what uses the old one: who wants to go on attaches again."""
        if report.lease:
            self._tell(False, f"DHCP gave another address, {report.lease.address}")
        else:
            self._tell(False, "the lease is lost")

    def _tell(self, carrier: bool, detail: str) -> None:
        if self._carrier is None or carrier == self._carrier:
            return
        self._carrier = carrier
        if self._on_event:
            self._on_event(AccessEvent(self.name, "carrier-back" if carrier else "carrier-lost", detail))


class Ipv6:
    """The other family of a Wi-Fi access: router discovery, and the P-CSCF by DHCPv6 unless `pcscf` is configured."""

    def __init__(self, host: Host, device: str, folder: str, log: Path | None = None, pcscf: str | None = None) -> None:
        self._host, self._device, self._folder, self._log, self._pcscf = host, device, folder, log, pcscf
        self._discovery = RouterDiscovery(host, device)

    async def acquire(self) -> AccessAddress:
        """Raises NoLease and NoPcscf."""
        found = await self._discovery.acquire()
        pcscf = self._pcscf
        if pcscf is None:
            given = await sip_servers(self._host, self._device, self._folder, self._log)
            if not given:
                mend = "have the server give it, or configure one"
                raise NoPcscf("DHCPv6 gives no P-CSCF (option 22)", where=self._discovery.where, mend=mend)
            pcscf = given[0]
        return AccessAddress(6, found.address, found.prefix, found.router, pcscf)

    async def release(self) -> None:
        await self._discovery.release()

    def watch(self, on_lost: Callable[[], None]) -> None:
        self._discovery.watch(on_lost)

    def close(self) -> None:
        self._discovery.close()


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
