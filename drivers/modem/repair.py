"""Brings a modem's context back: what each rung of the ladder does (:mod:`drivers.modem.recovery`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from drivers.modem.modem import IMS_CID, Modem
from drivers.modem.recovery import LADDER, Action, Rung, Step, climb
from drivers.protocols import PowerSwitch

POWER_OFF_S = 2.0  # for its capacitors


async def recover(
    modem: Modem,
    apn: str,
    cid: int = IMS_CID,
    *,
    tell: Callable[[Step], None],
    power: PowerSwitch | None = None,
    ladder: Sequence[Rung] = LADDER,
) -> Step:
    """Bring the context back by the mildest means that works; each step is told.  Raises RecoveryFailed.

    `power` switches the modem's USB port; without it the last rung is skipped, and said so.
    """

    async def dial() -> None:
        await modem.disconnect(cid)
        await modem.bring_up(apn, cid)

    async def cycle() -> None:
        await modem.airplane(True)
        await modem.airplane(False)
        await modem.bring_up(apn, cid)

    async def reset() -> None:
        await modem.reset()
        await modem.bring_up(apn, cid)

    actions: dict[str, Action] = {"re-dial": dial, "cfun-cycle": cycle, "reset": reset}
    if power is not None:
        actions["usb-power"] = _power_cycle(modem, power, apn, cid)
    return await climb(actions, lambda: modem.is_there, tell, str(modem.name), ladder)


def _power_cycle(modem: Modem, power: PowerSwitch, apn: str, cid: int) -> Action:
    async def cycle() -> None:
        power.set_on(False)
        try:
            await asyncio.sleep(POWER_OFF_S)
        finally:
            power.set_on(True)  # whatever happens: a port left off is a modem lost
        await modem.come_back()
        await modem.bring_up(apn, cid)

    return cycle
