"""An access point that runs OpenWrt, reached by SSH: configured by uci, asked and told by ubus.

Written from OpenWrt's documentation of /etc/config/wireless and of hostapd's ubus methods, and tested against a host
that answers as they say: no real one has been here.  The configuration that it had is put back by :meth:`stop`; whoever
keeps a journal writes down what :meth:`saved` returns before :meth:`start`, and calls :meth:`restore` with it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

from drivers.host.errors import CommandFailed
from drivers.protocols import AssociatedStation, Host
from drivers.wifi import radio
from drivers.wifi.configuration import LAST_OF_2_GHZ, ApConfiguration, frequency_mhz, neighbour_report
from drivers.wifi.errors import BadConfiguration, CommandRefused, DaemonGone, Unreadable
from drivers.wifi.text import mac

SECTION = "testbed"  # our network's name in the configuration: no other is touched but to be switched off
READY_S, LOOK_S = 30.0, 0.5  # netifd and hostapd take seconds on a small processor, and have no event for it
SWITCH_BEACONS, VALIDITY_TU = 5, 255
ENCRYPTION = {"open": "none", "wpa2-psk": "psk2+ccmp", "wpa3-sae": "sae", "wpa2-wpa3": "sae-mixed"}
PROTECTED_MANAGEMENT = {"open": 0, "wpa2-psk": 1, "wpa3-sae": 2, "wpa2-wpa3": 1}


class OpenWrtAccessPoint:
    """One radio (`radio0`) of an OpenWrt machine.  See :class:`drivers.protocols.AccessPoint`.

    `network` is the one of /etc/config/network into which stations come.
    """

    def __init__(
        self, name: str, host: Host, radio_name: str, configuration: ApConfiguration, network: str = "lan"
    ) -> None:
        self.name, self.where = name, f"access point {name} ({radio_name} on {host.name})"
        self.configuration = configuration
        self._host, self._radio, self._network = host, radio_name, network
        self._before: str | None = None
        self._device: str | None = None  # the network device, once there is one

    async def saved(self) -> str:
        """The configuration of all radios, as :meth:`restore` takes it; it holds passphrases."""
        return await self._run("uci", "export", "wireless")

    async def restore(self, saved: str) -> None:
        """Put such a configuration in force."""
        await self._run("uci", "revert", "wireless")
        await self._run("uci", "import", "wireless", stdin=saved.encode())
        await self._apply()

    async def start(self) -> None:
        """Beacons are sent when it returns.  Raises BadConfiguration, DaemonGone, or CommandRefused."""
        self.configuration.check(self.where)
        if self._before is None:
            self._before = await self.saved()
        others = [line.split("=")[0] for line in (await self._show()) if line.endswith("=wifi-iface")]
        batch = [f"set {other}.disabled='1'" for other in others if other != f"wireless.{SECTION}"]
        batch += [f"set wireless.{self._radio}.{key}={_quoted(value)}" for key, value in self._device_options()]
        batch += [f"set wireless.{SECTION}='wifi-iface'"]
        batch += [f"set wireless.{SECTION}.{key}={_quoted(value)}" for key, value in self._network_options()]
        # By its input, not its arguments: the passphrase shows in nobody's list of processes.
        await self._run("uci", "batch", stdin="".join(f"{line}\n" for line in batch).encode())
        await self._apply()
        await self._ready()

    async def stop(self) -> None:
        """The configuration is as it was before :meth:`start`."""
        self._device = None
        before, self._before = self._before, None
        if before is not None:
            await self.restore(before)

    async def enable(self) -> None:
        """Send beacons again after :meth:`disable`."""
        await self._run("wifi", "up", self._radio)
        await self._ready()

    async def disable(self) -> None:
        """Send nothing more; stations are told first, as hostapd does it."""
        self._device = None
        await self._run("wifi", "down", self._radio)

    async def set_channel(self, channel: int) -> None:
        """Go to another channel of the same band; stations are told beforehand and may follow."""
        if (channel <= LAST_OF_2_GHZ) != (self.configuration.channel <= LAST_OF_2_GHZ):
            mend = "stop it, and start it with another configuration"
            raise BadConfiguration("a change of channel stays in its band", where=self.where, mend=mend)
        await self._hostapd("switch_chan", freq=frequency_mhz(channel), bcn_count=SWITCH_BEACONS)

    async def channel(self) -> int | None:
        """The channel in use."""
        found = (await self._hostapd("get_status")).get("channel")
        return found if isinstance(found, int) else None

    def set_power_dbm(self, dbm: float) -> None:
        radio.set_power_dbm(self._host, self._there(), dbm)

    def power_dbm(self) -> float:
        return radio.power_dbm(self._host, self._there())

    async def deauthenticate(self, station: str, reason: int = 3) -> None:
        """Send a station away; it may come back at once."""
        await self._hostapd("del_client", addr=mac(station), reason=reason, deauth=True, ban_time=0)

    async def request_transition(self, station: str, target: str, target_channel: int) -> None:
        """Ask a station to go to another access point, by its BSSID."""
        report = neighbour_report(target, target_channel).hex()
        await self._hostapd(
            "bss_transition_request",
            addr=mac(station),
            disassociation_imminent=False,
            disassociation_timer=0,
            validity_period=VALIDITY_TU,
            neighbors=[report],
            abridged=True,
        )

    async def stations(self) -> Sequence[AssociatedStation]:
        """Who is associated, with the signal of each."""
        clients = (await self._hostapd("get_clients")).get("clients", {})
        if not isinstance(clients, dict):
            raise Unreadable(f"get_clients gives {clients!r}", where=self.where)
        return [
            AssociatedStation(mac(address), each.get("signal"), bool(each.get("authorized")), None, None)
            for address, each in clients.items()
        ]

    def _device_options(self) -> Iterator[tuple[str, str]]:
        wanted = self.configuration
        yield from (("disabled", "0"), ("channel", str(wanted.channel)))
        yield "band", "2g" if wanted.channel <= LAST_OF_2_GHZ else "5g"
        yield from (
            ("htmode", "HT20" if wanted.high_throughput else "NOHT"),
            ("beacon_int", str(wanted.beacon_interval_tu)),
        )
        if wanted.country:
            yield "country", wanted.country

    def _network_options(self) -> Iterator[tuple[str, str]]:
        wanted, domain = self.configuration, self.configuration.fast_transition
        credentials = wanted.credentials
        yield from (("device", self._radio), ("mode", "ap"), ("network", self._network), ("disabled", "0"))
        yield from (("ssid", credentials.ssid), ("encryption", ENCRYPTION[credentials.security]))
        if credentials.security != "open":
            yield from (
                ("key", credentials.passphrase),
                ("ieee80211w", str(PROTECTED_MANAGEMENT[credentials.security])),
            )
        yield from (("bss_transition", str(int(wanted.bss_transition))), ("ieee80211k", "1"))
        yield "ieee80211r", "1" if domain and credentials.security != "open" else "0"
        if domain and credentials.security != "open":
            yield from (("mobility_domain", domain.mobility_domain.lower()), ("ft_over_ds", "0"))
            yield "ft_psk_generate_local", "0" if domain.key else "1"
            if domain.key:
                yield "r0kh", f"ff:ff:ff:ff:ff:ff,*,{domain.key}"
                yield "r1kh", f"00:00:00:00:00:00,00:00:00:00:00:00,{domain.key}"

    async def _ready(self) -> None:
        """Wait until netifd has the device and hostapd sends."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_S
        while True:
            self._device = self._device_in(await self._ubus("network.wireless", "status"))
            if self._device:
                try:
                    if (await self._hostapd("get_status")).get("status") == "ENABLED":
                        return
                except CommandRefused:  # hostapd does not have it yet
                    self._device = None
            if loop.time() >= deadline:
                mend = "look at `logread` there; the channel may not be allowed in its country"
                raise DaemonGone(f"no beacon within {READY_S:g} s", where=self.where, mend=mend)
            await asyncio.sleep(LOOK_S)

    def _device_in(self, status: dict[str, Any]) -> str | None:
        """The network device of our section, where it is up."""
        if self._radio not in status:
            mend = f"there are {', '.join(sorted(status)) or 'none'}"
            raise BadConfiguration(f"there is no {self._radio}", where=self.where, mend=mend)
        for each in status[self._radio].get("interfaces", []):
            if each.get("section") == SECTION and status[self._radio].get("up"):
                device = each.get("ifname")
                return device if isinstance(device, str) else None
        return None

    def _there(self) -> str:
        if self._device is None:
            raise DaemonGone("sends nothing", where=self.where, mend="start it")
        return self._device

    async def _apply(self) -> None:
        await self._run("uci", "commit", "wireless")
        await self._run("wifi", "reload")

    async def _show(self) -> list[str]:
        return (await self._run("uci", "show", "wireless")).splitlines()

    async def _hostapd(self, method: str, **arguments: Any) -> dict[str, Any]:
        return await self._ubus(f"hostapd.{self._there()}", method, **arguments)

    async def _ubus(self, thing: str, method: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = await self._run("ubus", "call", thing, method, json.dumps(arguments))
        except CommandFailed as failed:
            what = f"{thing} refuses {method}: {failed.completed.stderr.strip()}"
            raise CommandRefused(what, where=self.where) from failed
        try:
            found = json.loads(answer or "{}")
        except ValueError as wrong:
            raise Unreadable(f"{thing} answers no JSON to {method}: {answer[:200]!r}", where=self.where) from wrong
        if not isinstance(found, dict):
            raise Unreadable(f"{thing} answers {found!r} to {method}", where=self.where)
        return found

    async def _run(self, *argv: str, stdin: bytes = b"") -> str:
        return await asyncio.to_thread(self._host.run, list(argv), stdin=stdin)


def _quoted(value: str) -> str:
    """As uci batch reads it: in single quotes, a single quote as in a shell."""
    return "'" + value.replace("'", "'\\''") + "'"
