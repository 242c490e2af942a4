"""The process of one virtual stick: `python -m testbed.rig.stick FD`.

It serves the driver's stick (:mod:`drivers.virtual`) with a card that computes what the project's software SIM
computes.  Orders come over a socket, its only argument (:mod:`drivers.virtual.orders`); the plan's `sim` holds `k` and
`opc` in hexadecimal, and `sqn`, beside what is written on the card.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from drivers.modem.card.authentication import Keys, OutOfStep
from drivers.virtual.card import Aka, AkaAnswer
from drivers.virtual.network import Network
from drivers.virtual.orders import Server
from drivers.virtual.plan import StickPlan
from drivers.virtual.stick import Stick, Told
from testbed.ims.aka import AkaResult, MacFailure, SoftwareSim


def software_aka(sim: SoftwareSim) -> Aka:
    """The authentication functions of a card, by the software SIM."""

    def authenticate(rand: bytes, autn: bytes) -> AkaAnswer:
        try:
            answer = sim.authenticate(rand, autn)
        except MacFailure:
            return None
        return Keys(answer.res, answer.ck, answer.ik) if isinstance(answer, AkaResult) else OutOfStep(answer.auts)

    return authenticate


def make(plan: Mapping[str, Any], told: Told, network: Network | None = None) -> Stick:
    """A stick from its plan as JSON; `network` is a packet core in place of the plan's own."""
    sim, aka = plan.get("sim"), None
    if sim is not None:
        written = dict(sim)
        keys = bytes.fromhex(written.pop("k")), bytes.fromhex(written.pop("opc"))
        aka = software_aka(SoftwareSim(*keys, written.pop("sqn", 0)))
        plan = {**plan, "sim": written}
    return Stick(StickPlan.from_json(plan), aka, told, network)


async def _serve(control: socket.socket) -> None:
    await Server(control, make).run()


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.setblocking(False)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(control))
    os._exit(0)  # a thread may still wait for a host that does not read; it has nothing left to do


if __name__ == "__main__":
    main()
