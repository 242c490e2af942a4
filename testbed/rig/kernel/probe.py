"""Ask the running kernel for everything that a wired rig needs, in a throw-away network namespace.

Run as a program (`python -m testbed.rig.kernel.probe`): what it makes goes with its process.  It prints one JSON
object, {feature: null | "why not"}.  Without root it makes a user namespace first, so that it can still say what the
kernel has.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from drivers.errors import DriverError
from drivers.link.xfrm import AUTHENTICATION, ENCRYPTION, SecurityAssociation, Xfrm

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
LINK, PEER, BRIDGE = "probe0", "probe1", "probe2"
V4, V6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")
SPI = 0x7E57


def probe() -> dict[str, str | None]:
    """What the kernel lacks: the reason where it lacks a feature, None where it has it."""
    missing = _namespace()
    if missing:
        return {"netns": missing}
    return {"netns": None, **{name: _try(test) for name, test in TESTS.items()}}


def _namespace() -> str | None:
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET) == 0:
        return None
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return os.strerror(ctypes.get_errno())
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as refused:
        return f"user namespace: {refused.strerror}"
    return None


def _try(test: Callable[[], None]) -> str | None:
    try:
        test()
    except NetlinkError as refused:
        return os.strerror(refused.code)
    except (OSError, DriverError) as refused:
        return str(refused).splitlines()[0]
    return None


def _veth() -> None:
    with IPRoute() as netlink:
        netlink.link("add", ifname=LINK, kind="veth", peer={"ifname": PEER})


def _bridge() -> None:
    with IPRoute() as netlink:
        netlink.link("add", ifname=BRIDGE, kind="bridge")


def _netem() -> None:
    with IPRoute() as netlink:
        index = netlink.link_lookup(ifname="lo")[0]
        netlink.tc("add", "netem", index, 0x10000, delay=1000, jitter=100, loss=1)


def _esp(ends: tuple[str, str]) -> None:
    """Every pair of algorithms that a UE may offer (TS 33.203 annex H)."""
    key_sizes = {"null": 0, "aes-cbc": 16, "des-ede3-cbc": 24, "hmac-sha-1-96": 20, "hmac-md5-96": 16}
    xfrm = Xfrm()
    try:
        xfrm.allocate_spi(*ends, reqid=1)
        for number, (auth, encr) in enumerate((auth, encr) for auth in AUTHENTICATION for encr in ENCRYPTION):
            keys = (bytes(range(1, 1 + key_sizes[auth])), bytes(range(1, 1 + key_sizes[encr])))
            sa = SecurityAssociation(*ends, 5062, 5064, SPI + number, "out", auth, keys[0], encr, keys[1], reqid=2)
            try:
                xfrm.add(sa)
                if number == 0:
                    xfrm.protect(sa)
            except DriverError as refused:
                raise DriverError(f"{auth} with {encr}: {refused.what.rpartition(': ')[2]}") from refused
    finally:
        xfrm.close()


TESTS: dict[str, Callable[[], None]] = {
    "veth": _veth,
    "bridge": _bridge,
    "netem": _netem,
    "esp4": lambda: _esp(V4),
    "esp6": lambda: _esp(V6),
}


if __name__ == "__main__":
    json.dump(probe(), sys.stdout)
