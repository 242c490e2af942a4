"""Shaping one direction of a link with the kernel's netem queueing discipline, through pyroute2's messages.

pyroute2 0.9.7 encodes delay, jitter and loss faithfully and says nothing about what it leaves out, so every setting is
read back and compared.  Jitter larger than the distance between two packets reorders them, as on a real radio.

What netem draws repeats where it is given a seed, which Linux takes from 6.6 on and pyroute2 does not know; an older
kernel ignores it.  Every change starts the sequence anew.
"""

from __future__ import annotations

import struct
import sys
from typing import Any

from pyroute2.netlink.rtnl.tcmsg import tcmsg
from pyroute2.netlink.rtnl.tcmsg.common import tick_in_usec
from pyroute2.netlink.rtnl.tcmsg.sched_netem import get_parameters

from drivers.errors import DriverError
from drivers.link.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Netlink,
    Request,
    attribute,
    attributes,
    decode,
    encode,
)
from drivers.protocols import Shape

RTM_NEWQDISC, RTM_GETQDISC = 36, 38
ROOT, HANDLE = 0xFFFFFFFF, 0x10000
TCMSG_BYTES, NETEM_BYTES = 20, 24  # the fixed part of a message, and of netem's options
TCA_OPTIONS, TCA_NETEM_PRNG_SEED = 2, 14
LIMIT_PACKETS = 10_000  # the kernel's default of 1000 drops packets of a fast stream behind a long delay
TOLERANCE = 0.001
MEND = "the kernel lacks netem: use --kernel uml, or see `testbed doctor`"


class NetemShaper:
    """The egress of one device, given by its number, in the namespace of the netlink socket."""

    def __init__(self, netlink: Netlink, index: int, where: str, seed: int | None = None) -> None:
        """`seed` (64 bits) makes jitter and loss repeat; without one they are random."""
        self._netlink, self._index, self._where, self._seed = netlink, index, where, seed
        self._present = False
        self.seeded = False  # once applied: whether the kernel has taken the seed

    def apply(self, shape: Shape) -> None:
        """Put a shape in force and read it back.  Packets already waiting keep the delay they were given."""
        request = self.request(shape)
        flags = 0 if self._present else NLM_F_CREATE | NLM_F_EXCL
        self._netlink.request(request.kind, request.body, request.what, flags=flags, mend=MEND)
        self._present = True
        actual, seed = self._read()
        if not _same(actual, shape):
            raise DriverError(f"asked for {shape}, the kernel has {actual}", where=self._where)
        self.seeded = self._seed is not None and seed == self._seed
        if self._seed is not None and seed is not None and not self.seeded:
            raise DriverError(f"asked for the seed {self._seed}, the kernel has {seed}", where=self._where)

    def request(self, shape: Shape) -> Request:
        """The change to a shape, made beforehand: for triggers, which must act at once and read nothing back."""
        parameters = get_parameters(
            {
                "delay": round(shape.delay_ms * 1000),
                "jitter": round(shape.jitter_ms * 1000),
                "loss": shape.loss_percent,
                "limit": LIMIT_PACKETS,
            }
        )
        given = [("TCA_KIND", "netem"), ("TCA_OPTIONS", parameters)]
        body = encode(tcmsg, index=self._index, handle=HANDLE, parent=ROOT, attributes=given)
        if self._seed is not None:
            body = _with_seed(body, self._seed)
        return Request(RTM_NEWQDISC, body, f"netem {shape}")

    def read(self) -> Shape:
        """The shape in force; raises DriverError when there is no netem."""
        return self._read()[0]

    def _read(self) -> tuple[Shape, int | None]:
        """The shape in force and its seed, None where the kernel knows no seeds."""
        wanted = encode(tcmsg, index=self._index)
        found: list[tuple[Shape, int | None]] = []
        for _, payload in self._netlink.exchange(RTM_GETQDISC, wanted, "netem in force", NLM_F_DUMP):
            if int.from_bytes(payload[4:8], "little", signed=True) != self._index:
                continue
            message = decode(tcmsg, payload)
            if message.get_attr("TCA_KIND") == "netem":
                found.append((_decode(message.get_attr("TCA_OPTIONS")), _seed(payload)))
        if not found:
            raise DriverError("no netem is in force", where=self._where)
        return found[0]


def _with_seed(body: bytes, seed: int) -> bytes:
    """Append the seed to netem's options, which are the message's last attribute."""
    options = attributes(body[TCMSG_BYTES:])[TCA_OPTIONS]
    before = body[: -len(attribute(TCA_OPTIONS, options))]
    padded = options + bytes(-len(options) % 4)
    return before + attribute(TCA_OPTIONS, padded + attribute(TCA_NETEM_PRNG_SEED, struct.pack("=Q", seed)))


def _seed(payload: bytes) -> int | None:
    options = attributes(payload[TCMSG_BYTES:])[TCA_OPTIONS]
    value = attributes(options[NETEM_BYTES:]).get(TCA_NETEM_PRNG_SEED)
    return None if value is None else int.from_bytes(value, sys.byteorder)


def _decode(options: Any) -> Shape:
    per_ms = tick_in_usec * 1000
    return Shape(options["delay"] / per_ms, options["jitter"] / per_ms, options["loss"] * 100 / 0xFFFFFFFF)


def _same(one: Shape, other: Shape) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(abs(a - b) <= max(TOLERANCE, TOLERANCE * b) for a, b in pairs)
