"""What breaks an access network and mends it: its cable, its packets, its modem or its access points.

A lever is made when the rig is brought up and acts at once: its socket is open, its messages are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from drivers.link.interfaces import switch
from drivers.link.netlink import Netlink
from drivers.protocols import PowerSwitch
from testbed.errors import UsageError
from testbed.rig.blueprint import UE_CABLE_INDEX, shaper, uplink_and_downlink
from testbed.topology.plan import AccessPlan

if TYPE_CHECKING:
    from testbed.rig.radios import RigRadios
    from testbed.rig.sticks import RigStick

Deed = Callable[[], None]


class AccessLever:
    """Acts on one access; `netlink` is a socket in its namespace.  Each call returns when it is done."""

    def __init__(
        self,
        access: AccessPlan,
        netlink: Netlink,
        seed: int | None = None,
        stick: RigStick | None = None,
        radios: RigRadios | None = None,
        port: PowerSwitch | None = None,
    ) -> None:
        """`port` is the USB port of a real modem."""
        self._netlink, self._name = netlink, access.name
        self._cut = [switch(UE_CABLE_INDEX, False, f"cable of {access.name}")]
        self._restore = [switch(UE_CABLE_INDEX, True, f"cable of {access.name}")]
        shaped = uplink_and_downlink(access)
        shapers = [shaper(one, netlink, seed) for one in shaped]
        pairs = list(zip(shapers, shaped, strict=True))
        self._blackhole = [shaper.request(replace(one.shape, loss_percent=100.0)) for shaper, one in pairs]
        self._clear = [shaper.request(one.shape) for shaper, one in pairs]
        self._deeds: Mapping[str, tuple[Deed, Deed]] = {
            **({"carrier-loss": (self.cut, self.restore)} if port is None else _of_port(port)),
            "blackhole": (self.blackhole, self.clear),
            **(_of_stick(stick) if stick is not None else {}),
            **(_of_radios(radios, access.name) if radios is not None else {}),
        }

    @property
    def triggers(self) -> frozenset[str]:
        """What can be had to happen to it from here."""
        return frozenset(self._deeds)

    def trigger(self, kind: str) -> None:
        """Have happened what a trigger is called by.  Raises UsageError where this access cannot."""
        self._deed(kind)[0]()

    def mend(self, kind: str) -> None:
        """Have it over, as far as it does not pass by itself."""
        self._deed(kind)[1]()

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

    def _deed(self, kind: str) -> tuple[Deed, Deed]:
        if kind not in self._deeds:
            mend = f"its triggers are {', '.join(self._deeds)}; the others are of other kinds of access"
            raise UsageError(f"{kind} cannot happen to it", where=f"access {self._name}", mend=mend)
        return self._deeds[kind]


def passes() -> None:
    """The UE gets over it by attaching again."""


def _of_port(port: PowerSwitch) -> Mapping[str, tuple[Deed, Deed]]:
    """What can be done to a modem whose radio is not ours."""
    return {"usb-port-disabled": (lambda: port.set_on(False), lambda: port.set_on(True))}


def _of_radios(radios: RigRadios, access: str) -> Mapping[str, tuple[Deed, Deed]]:
    power = (lambda: radios.enable(access, False), lambda: radios.enable(access, True))
    return {
        "carrier-loss": power,
        "ap-power-off": power,
        "ap-silent": (lambda: radios.mute(access, True), lambda: radios.mute(access, False)),
        "ap-deauth": (lambda: radios.deauthenticate(access), passes),
        "signal-low": (lambda: radios.weaken(access, True), lambda: radios.weaken(access, False)),
    }


def _of_stick(stick: RigStick) -> Mapping[str, tuple[Deed, Deed]]:
    return {
        "stick-pulled": (stick.pull, stick.plug),
        "usb-port-disabled": (lambda: stick.power(False), lambda: stick.power(True)),
        "coverage-loss": (lambda: stick.cover(False), lambda: stick.cover(True)),
        "signal-low": (lambda: stick.weaken(True), lambda: stick.weaken(False)),
        "context-deactivated": (stick.deactivate, passes),
        "network-detach": (stick.detach, passes),
    }
