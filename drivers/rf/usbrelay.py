"""A relay of a USB HID relay module (16c0:05df, "USBRelay2" of dcttech), by the tool of Debian's package `usbrelay`.

Source: usbrelay(1).  `usbrelay ID_2=1` switches the second relay of module ID on; without arguments it prints a line
`ID_N=0|1` for each relay there is.  Run on any host, so the module may be plugged in elsewhere.
"""

from __future__ import annotations

from drivers.protocols import Host
from drivers.rf.errors import NotTaken, Unreachable

TIMEOUT_S = 10.0


class UsbRelay:
    """One relay: `name` is as the tool prints it, `HURTM_1`."""

    def __init__(self, host: Host, name: str, closed_is_on: bool = True, own_host: bool = False) -> None:
        self._host, self._name, self._closed_is_on = host, name, closed_is_on
        self._own_host = own_host  # nobody else uses it: it is closed with this
        self.where = f"relay {name} at {host.name}"

    def set_on(self, on: bool) -> None:
        self._switch(on == self._closed_is_on)

    def is_on(self) -> bool:
        return self._closed() == self._closed_is_on

    def states(self) -> list[bool]:
        return [self._closed()]

    def restore(self, states: list[bool]) -> None:
        self._switch(states[0])

    def close(self) -> None:
        if self._own_host:
            self._host.close()

    def _switch(self, close: bool) -> None:
        self._closed()  # the tool says nothing of a relay that is not there
        self._host.run(["usbrelay", f"{self._name}={int(close)}"], timeout_s=TIMEOUT_S)
        if self._closed() != close:
            raise NotTaken(f"was told to {'close' if close else 'open'} and has not", where=self.where)

    def _closed(self) -> bool:
        lines = self._host.run(["usbrelay"], timeout_s=TIMEOUT_S).split()
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        if found.get(self._name) not in ("0", "1"):
            there = f"there are {', '.join(sorted(found))}" if found else "there is none"
            mend = "plug it in, and let this user open its /dev/hidraw device (a udev rule, or root)"
            raise Unreachable(f"no such relay; {there}", where=self.where, mend=mend)
        return found[self._name] == "1"
