"""The virtual Wi-Fi of a rig: radios, the air between them, and access points with their DHCP servers (drivers/wifi).

An access point's radio is bridged to the access's `ue0`, where a cable would end.  The UE's radio lies in the UE's
namespace under the access's name; wpa_supplicant and the DHCP client there are the UE's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import secrets
import select
import subprocess
import sys
import threading
from collections.abc import Coroutine, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from drivers.host import netns
from drivers.host.local import LocalHost, NamespaceHost
from drivers.host.processes import VARIABLE
from drivers.virtual import radios
from drivers.virtual.medium_orders import Client, RemoteAttenuator
from drivers.wifi.access_point import HostapdAccessPoint
from drivers.wifi.configuration import ApConfiguration, Credentials, FastTransition
from drivers.wifi.dhcp_server import DhcpPlan, DhcpServer
from testbed.errors import RigError
from testbed.rig.journal import Entry
from testbed.topology.plan import UE_CABLE, AccessPlan, WifiPlan, WifiPoint

RUN = Path("/run")
DOMAIN = "7e57"  # the mobility domain (802.11r) of a network with several access points
NEAR_DB = 60.0  # between radios that nothing attenuates: -40 dBm of 20 dBm
FARTHER_DB = 6.0  # a second access point is so much weaker: the UE begins with the first
BELOW_DB = 5.0  # a weak signal is so much below the threshold
READY_S, END_S = 10.0, 5.0
DO_S = 60.0  # every single thing that is asked of an access point has a shorter limit of its own
T = TypeVar("T")


class Spawn(Protocol):
    """Starts a process of the rig; `host` None is where the controller itself is."""

    def __call__(
        self, host: str | None, argv: Sequence[str], *, log: Path | None = None, stdout: IO[bytes] | int | None = None
    ) -> subprocess.Popen[bytes]: ...


class RigRadios:
    """All of one rig.  Access points and their DHCP servers live in an event loop in a thread of their own."""

    def __init__(self, rig: str, accesses: Sequence[AccessPlan], mark: str, seed: int | None) -> None:
        self._rig, self._seed = rig, seed
        self._accesses = {access.name: access for access in accesses}
        self.folder = RUN / f"testbed-{rig}.wifi"
        self._environment = {VARIABLE: mark}
        self._client: Client | None = None
        self._medium: subprocess.Popen[bytes] | None = None
        self._points: dict[str, list[HostapdAccessPoint]] = {}
        self._servers: dict[str, DhcpServer] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def refuse_taken(self) -> None:
        """Raises RigError where somebody else has what we are about to make, and would then undo."""
        names = [radio for access in self._accesses.values() for radio, _ in self._radios(access)]
        taken = [name for name in names if (radios.PHYS / name).exists()]
        taken += [str(self.folder)] if self.folder.exists() else []
        if taken:
            mend = "use another rig with --rig NAME, or remove them"
            raise RigError(f"not ours, but there already: {', '.join(taken)}", where="virtual radios", mend=mend)

    def entries(self) -> list[Entry]:
        """What is to be journalled before it is made."""
        made = [Entry("folder", {"path": str(self.folder)})]
        for access in self._accesses.values():
            for radio, host in self._radios(access):
                made.append(Entry("wifi-radio", {"name": radio, "namespace": f"{self._rig}-{host}"}))
        return made

    def make(self) -> None:
        """Radios, each where it belongs."""
        self.folder.mkdir(mode=0o700)
        for access in self._accesses.values():
            wifi = _wifi(access)
            macs = [wifi.station_mac, *(point.mac for point in wifi.points)]
            named = [access.name, *(point.device for point in wifi.points)]
            for (radio, host), mac, device in zip(self._radios(access), macs, named, strict=True):
                radios.make(radio, _packed(mac), f"{self._rig}-{host}", device)

    def start(self, spawn: Spawn) -> None:
        """The air, then access points and DHCP servers; they serve when this returns."""
        self._start_medium(spawn)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"wifi-{self._rig}", daemon=True)
        self._thread.start()
        for access in self._accesses.values():
            self._do(self._serve(access))

    def stop(self) -> None:
        """End them; what is left is the journal's to undo."""
        ending = [server.stop for server in self._servers.values()]
        ending += [point.stop for point in chain.from_iterable(self._points.values())]
        for stop in ending:
            with contextlib.suppress(Exception):  # it may be gone already
                self._do(stop())
        self._servers.clear()
        self._points.clear()
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(END_S)
            self._loop.close()
            self._loop = self._thread = None
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._medium is not None:
            self._medium.terminate()
            try:
                self._medium.wait(END_S)
            except subprocess.TimeoutExpired:
                self._medium.kill()
                self._medium.wait()
            self._medium = None

    # What breaks an access and mends it

    def enable(self, access: str, on: bool) -> None:
        """Switch an access point off or on; stations are told when it goes, as hostapd does it."""
        for point in self._points[access]:
            self._do(point.enable() if on else point.disable())

    def deauthenticate(self, access: str) -> None:
        """Send the UE away (IEEE 802.11-2020 11.3.4.5)."""
        station = _wifi(self._accesses[access]).station_mac
        for point in self._points[access]:
            if any(each.address == station for each in self._do(point.stations())):
                self._do(point.deauthenticate(station))

    def mute(self, access: str, on: bool) -> None:
        """Nothing leaves the access point's antenna any more, and nobody is told; or all is well again."""
        for point in _wifi(self._accesses[access]).points:
            self._order("mute", radio=_in_the_air(self._accesses[access], point), on=on)

    def weaken(self, access: str, weak: bool) -> None:
        """Have the UE's signal fall below what it calls low, or be as it was."""
        low_dbm = _wifi(self._accesses[access]).low_dbm
        if low_dbm is None:
            mend = "give the access low_dbm in the topology"
            raise RigError("the UE calls no signal low", where=f"access {access}", mend=mend)
        self.attenuator(access).set_attenuation_db(-40 - low_dbm + BELOW_DB if weak else 0.0)

    def attenuator(self, access: str) -> RemoteAttenuator:
        """The air between the access points and the UE."""
        assert self._client is not None
        plan = self._accesses[access]
        return self._client.attenuator([(_in_the_air(plan, point), f"{access}-ue") for point in _wifi(plan).points])

    # Inside

    def _radios(self, access: AccessPlan) -> list[tuple[str, str]]:
        """The names of its radios, the UE's first, each with the host where it goes."""
        points = [(f"{self._rig}-{_in_the_air(access, point)}", access.namespace) for point in _wifi(access).points]
        return [(f"{self._rig}-{access.name}-ue", access.ue), *points]

    def _start_medium(self, spawn: Spawn) -> None:
        given: dict[str, dict[str, str]] = {}
        for access in self._accesses.values():
            given[f"{access.name}-ue"] = {"address": _wifi(access).station_mac}
            given |= {_in_the_air(access, point): {"address": point.mac} for point in _wifi(access).points}
        farther = {_in_the_air(each, point) for each in self._accesses.values() for point in _wifi(each).points[1:]}
        pairs = [(one, other) for one in given for other in given if one < other]
        losses = [[*pair, NEAR_DB + (FARTHER_DB if farther & {*pair} else 0.0)] for pair in pairs]
        plan = self.folder / "medium.json"
        plan.write_text(json.dumps({"radios": given, "losses_db": losses, "seed": self._seed or 0}))
        orders, log = self.folder / "orders", self.folder / "medium.log"
        argv = [sys.executable, "-m", "drivers.virtual.medium", str(plan), "--orders", str(orders)]
        self._medium = spawn(None, argv, log=log, stdout=subprocess.PIPE)
        assert self._medium.stdout is not None
        with self._medium.stdout as said:
            ready, _, _ = select.select([said], [], [], READY_S)
            if not ready or not said.readline():
                raise RigError(f"did not start: {log.read_text()[-300:].strip()}", where="virtual medium")
        self._client = Client(orders)

    async def _serve(self, access: AccessPlan) -> None:
        wifi = _wifi(access)
        host = NamespaceHost(f"{self._rig}-{access.namespace}", self._environment)
        folder = self.folder / access.name
        folder.mkdir(mode=0o700)
        credentials = Credentials(wifi.ssid, wifi.security, wifi.passphrase)
        key = secrets.token_hex(32) if wifi.security == "wpa3-sae" else ""  # with a PSK each derives its own
        several = FastTransition(DOMAIN, key) if len(wifi.points) > 1 else None
        self._points[access.name] = []
        for point in wifi.points:
            configuration = ApConfiguration(credentials, point.channel, fast_transition=several, bridge=UE_CABLE)
            log = folder / f"{point.device}.log"
            one = HostapdAccessPoint(access.name, host, point.device, configuration, str(folder / point.device), log)
            await one.start()
            self._points[access.name].append(one)
        server = DhcpServer(host, UE_CABLE, _dhcp(access), str(folder), folder / "dnsmasq.log")
        await server.start()
        self._servers[access.name] = server

    def _order(self, verb: str, **values: Any) -> None:
        assert self._client is not None
        self._client.order(verb, **values)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        doing = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return doing.result(DO_S)
        except BaseException:
            doing.cancel()
            raise


def there(values: Mapping[str, Any]) -> list[str]:
    """What is left of a radio; `values` are those of its journal entry."""
    name = values["name"]
    # iw finds a phy by its name in sysfs, of which `ip netns exec` mounts the namespace's own.
    inside = LocalHost().execute(netns.argv(values["namespace"], ["iw", "phy", name, "info"]))
    return [f"virtual radio {name}"] if inside.status == 0 or (radios.PHYS / name).exists() else []


def undo(values: Mapping[str, Any]) -> list[str]:
    """Take a radio away, if it is there: after a loss of power the kernel may not even know what virtual radios are."""
    if not there(values):
        return []
    removed = radios.remove(values["name"], values["namespace"])
    return [f"removed virtual radio {values['name']}"] if removed else []


def _dhcp(access: AccessPlan) -> DhcpPlan:
    own = access.address(4)
    network = ipaddress.ip_network(f"{own.address}/{own.prefix}", strict=False)
    fixed = {_wifi(access).station_mac: own.address}
    return DhcpPlan(str(network), own.address, own.address, own.gateway, pcscf=[own.pcscf], fixed=fixed)


def _in_the_air(access: AccessPlan, point: WifiPoint) -> str:
    """What the medium knows an access point as."""
    return f"{access.name}-{point.device}"


def _wifi(access: AccessPlan) -> WifiPlan:
    assert access.wifi is not None
    return access.wifi


def _packed(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
