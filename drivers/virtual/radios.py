"""Virtual Wi-Fi radios (mac80211_hwsim): made, put into a namespace under a name, and taken away.

A radio is made in this process's network namespace, where its medium registers too, and goes where it is used.  When
that namespace goes the kernel brings it back here.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from drivers.errors import DriverError
from drivers.host import netns
from drivers.host.local import LocalHost
from drivers.link.interfaces import NAME_LENGTH
from drivers.virtual.hwsim import Hwsim

PHYS = Path("/sys/class/ieee80211")
BACK_S, LOOK_S = 0.5, 0.01  # the kernel brings radios back a moment after their namespace is gone, and tells nobody


def make(name: str, address: bytes, namespace: str, device: str) -> None:
    """A radio whose phy is called `name`, in a namespace, where its network device is called `device`; down.

    Raises DriverError when a name is taken or the kernel has no virtual radios.
    """
    where = f"virtual radio {name}"
    if len(device) > NAME_LENGTH:
        raise DriverError(f"the name {device} has more than {NAME_LENGTH} letters", where=where)
    host = LocalHost()
    with Hwsim() as hwsim:
        number = hwsim.new_radio(name, address)
        try:
            if not (PHYS / name).exists():
                raise DriverError("exists already", where=where, mend="run `testbed clean`")
            first = next((PHYS / name / "device" / "net").iterdir()).name
            host.run(["ip", "link", "set", "dev", first, "name", device])
            host.run(["iw", "phy", name, "set", "netns", "name", namespace])
        except BaseException:
            hwsim.remove_radio(number)
            raise


def remove(name: str, namespace: str) -> bool:
    """Take a radio away, wherever it is: in its namespace, or here; True when there was one."""
    # The kernel removes a radio only from the namespace in which it is.
    ours = ["iw", "phy", name, "set", "netns", str(os.getpid())]
    LocalHost().execute(["ip", "netns", "exec", namespace, *ours])
    deadline = time.monotonic() + (0.0 if netns.exists(namespace) else BACK_S)
    with Hwsim() as hwsim:
        while not (removed := hwsim.remove_radio(name)) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
    return removed
