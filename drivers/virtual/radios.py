"""Virtual Wi-Fi radios (mac80211_hwsim): made, put into a namespace under a name, and taken away.

A radio is made in this process's network namespace, where its medium registers too, and goes where it is used.  When
that namespace goes the kernel brings it back here.
"""

from __future__ import annotations

import os
from pathlib import Path

from drivers.errors import DriverError
from drivers.host.local import LocalHost
from drivers.link.interfaces import NAME_LENGTH
from drivers.virtual.hwsim import Hwsim

PHYS = Path("/sys/class/ieee80211")


def make(name: str, address: bytes, namespace: str, device: str) -> None:
    """A radio whose phy is called `name`, in a namespace, where its network device is called `device`; down.

    Raises DriverError when a name is taken or the kernel has no virtual radios.
    """
    where = f"virtual radio {name}"
    if len(device) > NAME_LENGTH:
        raise DriverError(f"the name {device} has more than {NAME_LENGTH} letters", where=where)
    if (PHYS / name).exists():
        raise DriverError("exists already", where=where, mend="run `testbed clean`")
    host = LocalHost()
    with Hwsim() as hwsim:
        hwsim.new_radio(name, address)
        try:
            first = next((PHYS / name / "device" / "net").iterdir()).name
            host.run(["ip", "link", "set", "dev", first, "name", device])
            host.run(["iw", "phy", name, "set", "netns", "name", namespace])
        except BaseException:
            hwsim.remove_radio(name)
            raise


def remove(name: str, namespace: str) -> bool:
    """Take a radio away, wherever it is: in its namespace, or here; True when there was one."""
    host = LocalHost()
    # The kernel removes a radio only from the namespace in which it is.
    host.execute(["ip", "netns", "exec", namespace, "iw", "phy", name, "set", "netns", str(os.getpid())])
    with Hwsim() as hwsim:
        return hwsim.remove_radio(name)
