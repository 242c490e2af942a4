"""A Wi-Fi station: wpa_supplicant on a radio of the UE's, by its control interface.

It lives where the radio's device is: `host` is a namespace or this machine.  Every wait has a limit and ends with an
error that names the cause, as far as wpa_supplicant and the radio tell it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drivers.protocols import Host
from drivers.wifi import events, network, radio, reports
from drivers.wifi.configuration import Credentials, frequency_mhz
from drivers.wifi.control import Control
from drivers.wifi.daemon import Daemon
from drivers.wifi.errors import (
    AssociationFailed,
    CommandRefused,
    DaemonGone,
    RadioBlocked,
    Unreadable,
    WifiError,
)
from drivers.wifi.events import Event
from drivers.wifi.text import mac

READY_S, SCAN_S, CONNECT_S, ROAM_S = 5.0, 15.0, 20.0, 5.0
RETRY_S = 0.02  # the socket comes a moment after the words that it is about to
SCANS = 2  # a network that is in none of so many is not there
RESCAN_S = 1  # between scans for a network that was not found

logger = logging.getLogger(__name__)


class Station:
    """`folder`, on this machine, is for sockets; two stations do not share one.

    It looks for networks on `channels` only, where they are given: a scan of all takes four seconds.
    """

    def __init__(
        self, host: Host, device: str, folder: Path, log: Path | None = None, channels: Sequence[int] = ()
    ) -> None:
        self.where = f"station {device} on {host.name}"
        self._host, self._device, self._folder, self._log = host, device, folder, log
        self._frequencies = [str(frequency_mhz(channel)) for channel in channels]
        self._daemon: Daemon | None = None
        self._control: Control | None = None
        self._on_event: Callable[[Event], None] | None = None
        self._listening: list[asyncio.Queue[Event]] = []

    async def start(self) -> None:
        """Start wpa_supplicant, anew if need be.  Raises RadioBlocked, DaemonGone or DaemonSilent."""
        await self.stop()
        await asyncio.to_thread(radio.switch_on, self._host, self._device)
        folder = self._folder / "wpa"
        argv = ["wpa_supplicant", "-i", self._device, "-D", "nl80211", "-C", str(folder)]
        self._daemon = Daemon(self._host, argv, self.where, log=self._log, on_line=self._said, on_end=self._ended)
        self._initialized = False
        await self._daemon.start(lambda: self._initialized, READY_S, "wpa_supplicant")
        try:
            self._control = await self._opened(self._daemon, folder / self._device)
            await self._control.order(f"SCAN_INTERVAL {RESCAN_S}")
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it; it may have ended already.  The device is down then."""
        control, self._control = self._control, None
        daemon, self._daemon = self._daemon, None
        if control:
            control.close()
        if daemon:
            await daemon.end()

    @property
    def running(self) -> bool:
        return self._daemon is not None and self._daemon.running

    async def scan(self, timeout_s: float = SCAN_S) -> Sequence[reports.Bss]:
        """Look for access points and return those that are heard, the strongest first."""
        with self._events() as heard:
            if (await self.status()).state == "INTERFACE_DISABLED":
                await self._switch_on()
            try:
                await self._there().order(f"SCAN freq={','.join(self._frequencies)}" if self._frequencies else "SCAN")
            except CommandRefused as refused:
                if "FAIL-BUSY" not in refused.what:  # it is scanning already: its results will do
                    raise await self._unusable(refused) from refused
            deadline = asyncio.get_running_loop().time() + timeout_s
            while True:
                event = await self._next(heard, deadline, "the end of a scan")
                if isinstance(event, events.ScanResults):
                    return reports.scan_results(await self._there().request("SCAN_RESULTS"))
                if isinstance(event, events.ScanFailed):
                    raise await self._unusable(WifiError(f"the scan failed ({event.errno})", where=self.where))

    async def connect(
        self, wanted: Credentials, *, bssid: str | None = None, timeout_s: float = CONNECT_S
    ) -> events.Connected:
        """Get into a network, at one access point of it or any.

        Raises NoSuchNetwork, WrongPassphrase, RadioBlocked, DaemonGone, AssociationFailed; nothing is tried any more
        when it has raised.
        """
        wanted.check(self.where)
        control = self._there()
        if (await self.status()).state == "INTERFACE_DISABLED":
            await self._switch_on()
        with self._events() as heard:
            try:
                await control.order("REMOVE_NETWORK all")
                number = (await control.request("ADD_NETWORK")).strip()
                for name, value in network.settings(wanted, bssid, self._frequencies):
                    await control.order(f"SET_NETWORK {number} {name} {value}")
                await control.order(f"SELECT_NETWORK {number}")
                return await self._connected(heard, wanted, timeout_s)
            except BaseException:
                await self._give_up()
                raise

    async def disconnect(self) -> None:
        """Leave the network, and look for none."""
        await self._there().order("REMOVE_NETWORK all")
        await self._there().order("DISCONNECT")

    async def roam(self, bssid: str, timeout_s: float = ROAM_S) -> None:
        """Go to another access point of the same network.  Raises AssociationFailed."""
        with self._events() as heard:
            await self._there().order(f"ROAM {mac(bssid)}")
            deadline = asyncio.get_running_loop().time() + timeout_s
            while True:
                event = await self._next(heard, deadline, f"an association with {bssid}")
                if isinstance(event, events.Connected) and event.bssid == mac(bssid):
                    return
                if isinstance(event, events.AssociationRejected | events.AuthenticationRejected):
                    raise AssociationFailed(f"{bssid} refuses it (status {event.status})", where=self.where)

    async def status(self) -> reports.StationStatus:
        return reports.station_status(await self._there().request("STATUS"))

    async def signal(self) -> reports.LinkSignal:
        """The access point's signal; raises CommandRefused while there is none."""
        return reports.link_signal(await self._there().request("SIGNAL_POLL"))

    async def monitor_signal(self, threshold_dbm: int, hysteresis_db: int = 2) -> None:
        """Have :class:`drivers.wifi.events.SignalChange` told when the beacons' average crosses a threshold."""
        await self._there().order(f"SIGNAL_MONITOR THRESHOLD={threshold_dbm} HYSTERESIS={hysteresis_db}")

    def watch(self, on_event: Callable[[Event], None]) -> None:
        """Call back for what happens; when wpa_supplicant dies it is Terminating."""
        self._on_event = on_event

    async def _opened(self, daemon: Daemon, path: Path) -> Control:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_S
        while True:
            control = Control(path, self._folder, self.where)
            control.watch(self._heard)
            try:
                await control.open()
            except DaemonGone:
                if not daemon.running:
                    raise daemon.gone() from None
                if loop.time() >= deadline:
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                return control

    async def _connected(self, heard: asyncio.Queue[Event], wanted: Credentials, timeout_s: float) -> events.Connected:
        deadline = asyncio.get_running_loop().time() + timeout_s
        scans, fresh, anew = 0, False, False
        while True:
            event = await self._next(heard, deadline, f"an association with {wanted.ssid!r}")
            if isinstance(event, events.Connected):
                return event
            if isinstance(event, events.ScanResults):
                fresh = True
            elif isinstance(event, events.NetworkNotFound) and fresh:  # and not in what was heard before
                scans, fresh = scans + 1, False
                if scans == SCANS:
                    found = reports.scan_results(await self._there().request("SCAN_RESULTS"))
                    raise network.not_heard(wanted, found, self.where)
            elif isinstance(event, events.AuthenticationRejected) and event.of_confirm:
                raise network.kept_out(wanted, network.WRONG_KEY, self.where)
            elif isinstance(event, events.TemporarilyDisabled) and (anew or event.reason == network.WRONG_KEY):
                raise network.kept_out(wanted, event.reason, self.where)
            elif isinstance(event, events.TemporarilyDisabled):
                # What it remembers of the access point may be out of date: once more after another look.
                anew = True
                await self._there().order("BSS_FLUSH 0")
                await self._there().order(f"SELECT_NETWORK {event.network}")

    async def _switch_on(self) -> None:
        """After rfkill, or somebody who took the device down."""
        with self._events() as heard:
            await asyncio.to_thread(radio.switch_on, self._host, self._device)
            deadline = asyncio.get_running_loop().time() + READY_S
            while (await self.status()).state == "INTERFACE_DISABLED":
                await self._next(heard, deadline, "a device that is up")

    async def _unusable(self, failed: WifiError) -> WifiError:
        """Why the radio does nothing."""
        try:
            await asyncio.to_thread(radio.switch_on, self._host, self._device)
        except RadioBlocked as blocked:
            return blocked
        return failed

    async def _give_up(self) -> None:
        if self._control:
            for command in ("REMOVE_NETWORK all", "DISCONNECT"):
                try:
                    await self._control.order(command)
                except WifiError as why:
                    logger.info("%s", why)

    async def _next(self, heard: asyncio.Queue[Event], deadline: float, what: str) -> Event:
        """The next event.  Raises DaemonGone when there will be none, AssociationFailed when the time is up."""
        left = deadline - asyncio.get_running_loop().time()
        try:
            event = await asyncio.wait_for(heard.get(), max(left, 0))
        except TimeoutError as late:
            raise AssociationFailed(f"not within the time: {what}", where=self.where) from late
        if isinstance(event, events.Terminating):
            raise self._daemon.gone() if self._daemon else DaemonGone("it has ended", where=self.where)
        if isinstance(event, events.InterfaceDisabled):
            raise await self._unusable(AssociationFailed("its device was taken down", where=self.where))
        return event

    @contextmanager
    def _events(self) -> Iterator[asyncio.Queue[Event]]:
        """All events from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._listening.append(queue)
        try:
            yield queue
        finally:
            self._listening.remove(queue)

    def _there(self) -> Control:
        if self._control is None:
            raise DaemonGone("wpa_supplicant is not started", where=self.where, mend="start it")
        return self._control

    def _said(self, line: str) -> None:
        if "Successfully initialized wpa_supplicant" in line:
            self._initialized = True

    def _ended(self) -> None:
        self._tell(events.Terminating())

    def _heard(self, datagram: str) -> None:
        try:
            event = events.parse(datagram)
        except Unreadable as unclear:
            logger.warning("%s: %s", self.where, unclear)
            return
        if not isinstance(event, events.Terminating):  # that comes when the process has ended
            self._tell(event)

    def _tell(self, event: Event) -> None:
        for queue in self._listening:
            queue.put_nowait(event)
        if self._on_event:
            self._on_event(event)
