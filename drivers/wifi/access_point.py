"""An access point made of a radio and hostapd, on this machine, in a namespace of it, or on a host by SSH."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.host.local import LocalHost
from drivers.protocols import AssociatedStation, Host
from drivers.rf.targets import PowerFade
from drivers.wifi import events, radio, reports
from drivers.wifi.configuration import LAST_OF_2_GHZ, ApConfiguration, frequency_mhz, neighbour_report, render
from drivers.wifi.control import Control, ControlInterface
from drivers.wifi.control_cli import CliControl
from drivers.wifi.daemon import Daemon
from drivers.wifi.errors import (
    BadConfiguration,
    ChannelNotAllowed,
    CommandRefused,
    DaemonGone,
    Unreadable,
)
from drivers.wifi.events import Event
from drivers.wifi.text import mac

READY_S = 10.0  # from the start to the first beacon; waiting for radar (DFS) takes a minute more
SWITCH_BEACONS = 5  # announced before a change of channel
REASON_LEAVING = 3  # deauthenticated because the sender leaves (IEEE 802.11-2020 table 9-49)
NOT_ALLOWED = ("not allowed for AP mode", "not found from the channel list", "Could not select hw_mode and channel")

logger = logging.getLogger(__name__)


class HostapdAccessPoint:
    """`folder` is one of `host` for the configuration and the socket; nobody else's file may be there.

    See :class:`drivers.protocols.AccessPoint`.
    """

    def __init__(
        self, name: str, host: Host, device: str, configuration: ApConfiguration, folder: str, log: Path | None = None
    ) -> None:
        self.name, self.where = name, f"access point {name} ({device} on {host.name})"
        self.configuration = configuration
        self._host, self._device, self._folder, self._log = host, device, folder, log
        self._daemon: Daemon | None = None
        self._control: ControlInterface | None = None
        self._on_event: Callable[[Event], None] | None = None
        self._enabled = False

    async def start(self) -> None:
        """Beacons are sent when it returns; one that has been started is started anew.

        Raises BadConfiguration, ChannelNotAllowed, RadioBlocked, and DaemonGone or DaemonSilent with hostapd's words.
        """
        sockets, path = f"{self._folder}/hostapd", f"{self._folder}/{self._device}.conf"
        text = render(self.configuration, self._device, sockets, self.where)
        if self._daemon:
            await self.stop()
        await asyncio.to_thread(radio.switch_on, self._host, self._device)
        await asyncio.to_thread(self._host.run, ["mkdir", "-p", "-m", "700", self._folder])
        await asyncio.to_thread(self._host.write, path, text.encode(), mode=0o600)
        self._daemon = Daemon(
            self._host, ["hostapd", path], self.where, log=self._log, on_line=self._said, on_end=self._ended
        )
        try:
            await self._daemon.start(lambda: self._enabled, READY_S, "beacon")
            self._control = self._interface(sockets)
            self._control.watch(self._heard)
            await self._control.open()
        except DaemonGone as gone:
            words = self._daemon.lines
            await self.stop()
            raise self._reason(gone, words) from gone
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it; it may have ended already."""
        self._enabled = False
        control, self._control = self._control, None
        daemon, self._daemon = self._daemon, None
        if control:
            control.close()
            if isinstance(control, CliControl):
                await control.closed()
        if daemon:
            await daemon.end()
        await asyncio.to_thread(self._host.remove, f"{self._folder}/{self._device}.conf")

    async def enable(self) -> None:
        """Send beacons again after :meth:`disable`."""
        await self._order("ENABLE", timeout_s=READY_S)

    async def disable(self) -> None:
        """Send nothing more, as one that is switched off; stations are told first, as hostapd does it."""
        await self._order("DISABLE", timeout_s=READY_S)

    async def set_channel(self, channel: int) -> None:
        """Go to another channel of the same band; stations are told beforehand and may follow (802.11 CSA).

        Raises ChannelNotAllowed when the radio may not transmit there.
        """
        if (channel <= LAST_OF_2_GHZ) != (self.configuration.channel <= LAST_OF_2_GHZ):
            mend = "stop it, and start it with another configuration"
            raise BadConfiguration("a change of channel stays in its band", where=self.where, mend=mend)
        high = " ht" if self.configuration.high_throughput else ""
        try:
            await self._order(f"CHAN_SWITCH {SWITCH_BEACONS} {frequency_mhz(channel)}{high}")
        except CommandRefused as refused:
            mend = "`iw phy` lists the channels of the radio and what is not allowed there"
            raise ChannelNotAllowed(f"cannot go to channel {channel}", where=self.where, mend=mend) from refused

    async def channel(self) -> int | None:
        """The channel in use; None while nothing is sent."""
        status = await self.status()
        return status.channel if status.state == "ENABLED" else None

    async def status(self) -> reports.ApStatus:
        return reports.ap_status(await self._request("STATUS"))

    def set_power_dbm(self, dbm: float) -> None:
        """Transmit with so much power; raises WifiError where the radio does not do that."""
        radio.set_power_dbm(self._host, self._device, dbm)

    def power_dbm(self) -> float:
        return radio.power_dbm(self._host, self._device)

    def power_attenuator(self, least_dbm: float = 0.0) -> PowerFade:
        """Its power as an attenuator, from what it has now down to `least_dbm`."""
        return PowerFade(
            self.set_power_dbm, self.power_dbm, full_dbm=self.power_dbm(), least_dbm=least_dbm, where=self.where
        )

    async def deauthenticate(self, station: str, reason: int = REASON_LEAVING) -> None:
        """Send a station away; raises CommandRefused when it is not here."""
        await self._order(f"DEAUTHENTICATE {mac(station)} reason={reason}")

    async def request_transition(self, station: str, target: str, target_channel: int) -> None:
        """Ask a station to go to another access point, by its BSSID (802.11v BSS Transition Management Request)."""
        report = neighbour_report(target, target_channel)
        neighbour = f"{mac(target)},0x0000,{','.join(str(octet) for octet in report[-3:])}"
        await self._order(f"BSS_TM_REQ {mac(station)} pref=1 abridged=1 valid_int=255 neighbor={neighbour}")

    async def stations(self) -> Sequence[AssociatedStation]:
        """Who is associated, with the signal of each."""
        found: list[AssociatedStation] = []
        answer = await self._request_or_nothing("STA-FIRST")
        while answer.strip():
            found.append(reports.associated_station(answer))
            answer = await self._request_or_nothing(f"STA-NEXT {found[-1].address}")
        return found

    def watch(self, on_event: Callable[[Event], None]) -> None:
        """Call back for what happens; when hostapd dies it is Terminating."""
        self._on_event = on_event

    def _interface(self, folder: str) -> ControlInterface:
        if isinstance(self._host, LocalHost):
            return Control(Path(folder) / self._device, Path(self._folder), self.where)
        return CliControl("hostapd_cli", self._host, folder, self._device, self.where)

    async def _order(self, command: str, *, timeout_s: float = 5.0) -> None:
        await self._there().order(command, timeout_s=timeout_s)

    async def _request(self, command: str) -> str:
        return await self._there().request(command)

    async def _request_or_nothing(self, command: str) -> str:
        """hostapd answers FAIL to who asks for a station behind the last one."""
        try:
            return await self._request(command)
        except CommandRefused:
            return ""

    def _there(self) -> ControlInterface:
        if self._control is None:
            raise DaemonGone("is not started", where=self.where, mend="start it")
        return self._control

    def _reason(self, gone: DaemonGone, words: Sequence[str]) -> Exception:
        """What hostapd's last words mean."""
        said = [line for each in NOT_ALLOWED for line in words if each in line]
        if not said:
            return gone
        mend = "`iw phy` lists the channels that are allowed; set country to where the bench is"
        return ChannelNotAllowed(
            f"cannot use channel {self.configuration.channel}: {said[0]}", where=self.where, mend=mend
        )

    def _said(self, line: str) -> None:
        if "AP-ENABLED" in line:
            self._enabled = True

    def _ended(self) -> None:
        self._tell(events.Terminating())

    def _heard(self, datagram: str) -> None:
        try:
            self._tell(events.parse(datagram))
        except Unreadable as unclear:
            logger.warning("%s: %s", self.where, unclear)

    def _tell(self, event: Event) -> None:
        if self._on_event:
            self._on_event(event)
