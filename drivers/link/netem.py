"""Shaping one direction of a link with the kernel's netem queueing discipline, through pyroute2.

pyroute2 0.9.7 sends delay, jitter and loss faithfully and says nothing about what it leaves out, so every setting is
read back and compared.  Jitter larger than the distance between two packets reorders them, as on a real radio.
"""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from drivers.errors import DriverError
from drivers.link.interfaces import Interfaces
from drivers.protocols import Shape

LIMIT_PACKETS = 10_000  # the kernel's default of 1000 drops packets of a fast stream behind a long delay
TOLERANCE = 0.001


class NetemShaper:
    """The egress of one device."""

    def __init__(self, interfaces: Interfaces, device: str) -> None:
        self._interfaces, self._device = interfaces, device
        self._present = False

    def apply(self, shape: Shape) -> None:
        """Put a shape in force.  Packets already waiting keep the delay they were given."""
        verb = "change" if self._present else "add"
        self._tc(verb, shape)
        self._present = True
        actual = self.read()
        if not _same(actual, shape):
            raise DriverError(f"asked for {shape}, the kernel has {actual}", where=self._where)

    def act(self, shape: Shape) -> None:
        """Put a shape in force without reading it back: for triggers, which must act at once."""
        self._tc("change", shape)

    def read(self) -> Shape:
        """The shape in force; raises DriverError when there is no netem."""
        index = self._interfaces.index(self._device)
        for qdisc in self._interfaces.netlink.get_qdiscs(index):
            if qdisc.get_attr("TCA_KIND") == "netem":
                return _decode(qdisc.get_attr("TCA_OPTIONS"))
        raise DriverError("no netem is in force", where=self._where)

    @property
    def _where(self) -> str:
        return f"{self._interfaces.namespace}/{self._device}"

    def _tc(self, verb: str, shape: Shape) -> None:
        try:
            self._interfaces.netlink.tc(
                verb,
                "netem",
                self._interfaces.index(self._device),
                0x10000,
                delay=round(shape.delay_ms * 1000),
                jitter=round(shape.jitter_ms * 1000),
                loss=shape.loss_percent,
                limit=LIMIT_PACKETS,
            )
        except NetlinkError as refused:
            mend = "the kernel lacks netem: use --kernel uml, or see `testbed doctor`"
            raise DriverError(f"netem was refused: {refused}", where=self._where, mend=mend) from refused


def _decode(options: Any) -> Shape:
    from pyroute2.netlink.rtnl.tcmsg.common import tick_in_usec

    per_ms = tick_in_usec * 1000
    return Shape(options["delay"] / per_ms, options["jitter"] / per_ms, options["loss"] * 100 / 0xFFFFFFFF)


def _same(one: Shape, other: Shape) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(abs(a - b) <= max(TOLERANCE, TOLERANCE * b) for a, b in pairs)
