"""The power of one port of a USB hub, by uhubctl (Debian's package of that name), on any host.

Source: uhubctl's README.  It prints for each hub `Current status for hub 1-1 [..., ppps]`, then a line a port,
`  Port 2: 0103 power enable connect [...]` or `  Port 2: 0000 off`; after a change `New status for hub`.  Of a
USB 3 hub it switches both faces.  Only a hub that switches port by port (`ppps`) will do; with a `ganged` one the
neighbours go too.
"""

from __future__ import annotations

import re

from drivers.host.errors import CommandFailed
from drivers.protocols import Host
from drivers.rf.errors import LeverError, NotTaken, Unreachable

HUB = re.compile(r"(?:Current|New) status for hub (\S+) \[(.*)\]")
PORT = re.compile(r"\s+Port (\d+): [0-9a-f]{4} (.*)")
TIMEOUT_S = 30.0


class UsbPortPower:
    """`hub` is as uhubctl and the kernel name it, `1-1.4`."""

    def __init__(self, host: Host, hub: str, port: int, own_host: bool = False) -> None:
        self._host, self._hub, self._port = host, hub, port
        self._own_host = own_host  # nobody else uses it: it is closed with this
        self.where = f"port {port} of USB hub {hub} at {host.name}"

    def set_on(self, on: bool) -> None:
        self._uhubctl("-a", "on" if on else "off")
        if self.is_on() != on:
            raise NotTaken(f"was switched {'on' if on else 'off'} and is not", where=self.where)

    def is_on(self) -> bool:
        printed = self._uhubctl()
        states = port_states(printed, self._hub, self._port)
        if not states:
            raise LeverError("uhubctl tells nothing of it", where=self.where, mend="see what `uhubctl` lists")
        return "power" in states[-1].split()

    def states(self) -> list[bool]:
        return [self.is_on()]

    def restore(self, states: list[bool]) -> None:
        self.set_on(states[0])

    def close(self) -> None:
        if self._own_host:
            self._host.close()

    def _uhubctl(self, *action: str) -> str:
        argv = ["uhubctl", "-l", self._hub, "-p", str(self._port), *action]
        try:
            printed = self._host.run(argv, timeout_s=TIMEOUT_S)
        except CommandFailed as failed:
            if failed.completed.status == 127:
                raise
            mend = "see what `uhubctl` lists (few hubs can do it); it takes root, or a udev rule"
            words = (failed.completed.stderr + failed.completed.stdout).strip().splitlines()
            raise Unreachable(words[0] if words else "uhubctl failed", where=self.where, mend=mend) from failed
        if any(hub == self._hub and "ganged" in described for hub, described in HUB.findall(printed)):
            mend = "use a hub that switches each port by itself"
            raise LeverError("the hub switches all its ports together", where=self.where, mend=mend)
        return printed


def port_states(printed: str, hub: str, port: int) -> list[str]:
    """What uhubctl said of a port of a hub, each time it did."""
    found, of = [], ""
    for line in printed.splitlines():
        if head := HUB.match(line):
            of = head[1]
        elif (state := PORT.match(line)) and of == hub and int(state[1]) == port:
            found.append(state[2])
    return found
