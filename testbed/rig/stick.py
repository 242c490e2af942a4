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

from drivers.virtual.card import Accepted, Aka, AkaAnswer, OutOfStep
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
        return Accepted(answer.res, answer.ck, answer.ik) if isinstance(answer, AkaResult) else OutOfStep(answer.auts)

    return authenticate


def make(plan: Mapping[str, Any], told: Told) -> Stick:
    """A stick from its plan as JSON."""
    sim, aka = plan.get("sim"), None
    if sim is not None:
        written = dict(sim)
        keys = bytes.fromhex(written.pop("k")), bytes.fromhex(written.pop("opc"))
        aka = software_aka(SoftwareSim(*keys, written.pop("sqn", 0)))
        plan = {**plan, "sim": written}
    return Stick(StickPlan.from_json(plan), aka, told)


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
