"""NextEPC at work on a host: TUN devices, database, daemons; see :class:`drivers.protocols.PacketCore`."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from drivers.epc import nextepc
from drivers.epc.daemon import Daemon, Recipe, wait_ready
from drivers.epc.errors import NotSupported
from drivers.epc.settings import CoreSettings, SubscriberSettings
from drivers.epc.subscribers import SubscriberBase
from drivers.errors import DriverError
from drivers.protocols import CoreSession, Host
from drivers.virtual.mongodb.server import READY

DATABASE_S = 20.0
STAND_IN, REAL = "stand-in for MongoDB", "MongoDB"
_STARTED = "NextEPC daemon start"
_HOPELESS = ("ASSERT:", "Can't establish")  # an MME that cannot have its address runs on, without S1
_NEEDS = {
    "hss": ("CONNECTED TO 'mme.localdomain'",),
    "pcrf": ("CONNECTED TO 'pgw.localdomain'",),
    "pgw": ("CONNECTED TO 'pcrf.localdomain'",),
    "sgw": (),
    "mme": ("CONNECTED TO 'hss.localdomain'",),
}
_PACKAGE_MEND = "apt-get install nextepc-hss nextepc-pcrf nextepc-pgw nextepc-sgw nextepc-mme"


class NextEpc:
    """A NextEPC core on one host or namespace, started by us.

    `folder` is a folder there, which is there already: configuration and PID files lie in it.  With `stand_in` the
    database is not a MongoDB, and :attr:`database` says so.
    """

    def __init__(
        self, host: Host, settings: CoreSettings, folder: str, *, stand_in: bool, logs: Path | None = None
    ) -> None:
        self.name = f"NextEPC {settings.name} on {host.name}"
        self.database = STAND_IN if stand_in else REAL
        self._host, self._settings, self._folder, self._logs = host, settings, folder, logs
        self._daemons: list[Daemon] = []
        self._said = threading.Condition()
        self._devices: list[str] = []
        self._subscribers = SubscriberBase(settings.database, nextepc.DATABASE, host)

    def version(self) -> str:
        said = self._host.execute([_program("mme"), "-v"])
        found = re.search(r"daemon v([\d.]+)", said.stdout + said.stderr)
        if not found:
            raise DriverError("does not tell its version", where=self.name, mend=_PACKAGE_MEND)
        return f"NextEPC {found[1]}, {self.database}"

    def start(self) -> None:
        """Devices, database and daemons; on an error all of it is taken back."""
        try:
            for pool in self._settings.pools:
                if pool.device not in self._devices:
                    self._host.run(["ip", "tuntap", "add", "name", pool.device, "mode", "tun"])
                    self._devices.append(pool.device)
                for own in pool.interfaces:
                    self._host.run(["ip", "address", "add", str(own), "dev", pool.device])
                self._host.run(["ip", "link", "set", pool.device, "up"])
            if self.database == STAND_IN:
                self._start_database()
            for name, text in nextepc.files(self._settings).items():
                path = f"{self._folder}/{name}.yaml"
                self._host.write(path, text.encode())
                argv = (_program(name), "-f", path, "-p", f"{self._folder}/{name}.pid", "-l", "/dev/null")
                recipe = Recipe(name, argv, (_STARTED, *_NEEDS[name]), _HOPELESS)
                self._daemons.append(Daemon(self._host, recipe, self._logs, self._said))
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, deadline_s: float) -> None:
        """Until every daemon has said that it runs and has its peers.  Raises CoreFailed with its own words."""
        wait_ready(self._daemons, self._said, time.monotonic() + deadline_s)

    def check(self) -> None:
        """Raises CoreFailed when a daemon has ended by itself."""
        for daemon in self._daemons:
            daemon.check()

    def stop(self) -> None:
        """End the daemons, the last one first, and take the devices away; they may be gone already."""
        for daemon in reversed(self._daemons):
            daemon.end()
        self._daemons.clear()
        for device in self._devices:
            with contextlib.suppress(DriverError):
                self._host.execute(["ip", "link", "delete", device])
        self._devices.clear()

    def provision(self, subscriber: SubscriberSettings) -> None:
        self._subscribers.put(nextepc.document(subscriber))

    def remove(self, imsi: str) -> bool:
        return self._subscribers.remove(imsi)

    def sessions(self) -> list[CoreSession]:
        raise self._cannot("tells its sessions nowhere")

    def detach(self, imsi: str) -> None:
        raise self._cannot("has no way to detach a subscriber")

    def release_bearer(self, imsi: str, apn: str) -> None:
        raise self._cannot("releases a bearer only when an Rx session ends")

    def _start_database(self) -> None:
        place = urlsplit(self._settings.database)
        argv = (sys.executable, "-m", "drivers.virtual.mongodb.server", place.hostname or "", str(place.port))
        database = Daemon(self._host, Recipe("mongodb", argv, (READY,)), self._logs, self._said)
        self._daemons.append(database)
        wait_ready(
            [database], self._said, time.monotonic() + DATABASE_S
        )  # the HSS gives up at once where there is none

    def _cannot(self, what: str) -> NotSupported:
        return NotSupported(f"NextEPC {what}", where=self.name, mend="use Open5GS for this")


def _program(daemon: str) -> str:
    return f"nextepc-{daemon}d"
