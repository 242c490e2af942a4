"""The triggers of an access network: its cable cut, or its packets vanishing.

A lever is made when the rig is brought up and acts at once: its socket is open, its messages are encoded.
"""

from __future__ import annotations

from dataclasses import replace

from drivers.link.interfaces import switch
from drivers.link.netlink import Netlink
from testbed.rig.blueprint import UE_CABLE_INDEX, shaper, uplink_and_downlink
from testbed.topology.plan import AccessPlan


class AccessLever:
    """Acts on one access; `netlink` is a socket in its namespace.  Each call returns when the kernel has done it."""

    def __init__(self, access: AccessPlan, netlink: Netlink, seed: int | None = None) -> None:
        self._netlink = netlink
        self._cut = [switch(UE_CABLE_INDEX, False, f"cable of {access.name}")]
        self._restore = [switch(UE_CABLE_INDEX, True, f"cable of {access.name}")]
        shaped = uplink_and_downlink(access)
        shapers = [shaper(one, netlink, seed) for one in shaped]
        pairs = list(zip(shapers, shaped, strict=True))
        self._blackhole = [shaper.request(replace(one.shape, loss_percent=100.0)) for shaper, one in pairs]
        self._clear = [shaper.request(one.shape) for shaper, one in pairs]

    def cut(self) -> None:
        """Carrier loss: the UE is told at once; what had passed the cable still arrives, nothing else does."""
        self._netlink.batch(self._cut)

    def restore(self) -> None:
        """Plug the cable in again."""
        self._netlink.batch(self._restore)

    def blackhole(self) -> None:
        """From now on all packets vanish, both ways, and nobody is told; what had passed still arrives."""
        self._netlink.batch(self._blackhole)

    def clear(self) -> None:
        """End the blackhole; the link is as the topology says."""
        self._netlink.batch(self._clear)
