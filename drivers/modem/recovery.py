"""The ladder of recovery: what is tried when a modem does not work, from the mildest, how often and how long.

The ladder itself is without I/O; :func:`climb` walks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.errors import DriverError
from drivers.modem.errors import ModemError

Outcome = Literal["works", "failed", "skipped"]


@dataclass(frozen=True)
class Rung:
    """A way to recover; `deadline_s` bounds one attempt, with all that it waits for.

    `needs_port`: it is of no use while the port is away.
    """

    name: str
    attempts: int
    deadline_s: float
    needs_port: bool = True


LADDER: tuple[Rung, ...] = (
    Rung("re-dial", 2, 60.0),
    Rung("cfun-cycle", 2, 90.0),
    Rung("reset", 2, 120.0),
    Rung("usb-power", 2, 120.0, needs_port=False),
)


@dataclass(frozen=True)
class Step:
    """One attempt on one rung, as it is reported."""

    rung: str
    attempt: int
    outcome: Outcome
    why: str = ""


class RecoveryFailed(ModemError):
    """Every rung was tried; `steps` says what became of each."""

    def __init__(self, steps: Sequence[Step], where: str) -> None:
        tried = "; ".join(f"{step.rung} {step.attempt}: {step.why or step.outcome}" for step in steps)
        super().__init__(f"nothing brought the modem back: {tried}", where=where, mend="look at the modem itself")
        self.steps = tuple(steps)


Action = Callable[[], Awaitable[None]]


async def climb(
    actions: Mapping[str, Action],
    port_is_there: Callable[[], bool],
    tell: Callable[[Step], None],
    where: str,
    ladder: Sequence[Rung] = LADDER,
) -> Step:
    """Try rung by rung until an action returns; each tells by an error that it did not help.

    `actions`: by the rung's name; one that is missing cannot be done here.  Raises RecoveryFailed.
    """
    steps: list[Step] = []
    for rung in ladder:
        for attempt in range(1, rung.attempts + 1):
            step = await _attempt(rung, attempt, actions.get(rung.name), port_is_there())
            steps.append(step)
            tell(step)
            if step.outcome == "works":
                return step
            if step.outcome == "skipped":
                break
    raise RecoveryFailed(steps, where)


async def _attempt(rung: Rung, attempt: int, action: Action | None, port_is_there: bool) -> Step:
    if action is None:
        return Step(rung.name, attempt, "skipped", "it cannot be done here")
    if rung.needs_port and not port_is_there:
        return Step(rung.name, attempt, "skipped", "the port is away")
    try:
        async with asyncio.timeout(rung.deadline_s):
            await action()
    except TimeoutError:
        return Step(rung.name, attempt, "failed", f"not done within {rung.deadline_s:g} s")
    except DriverError as error:
        return Step(rung.name, attempt, "failed", error.what)
    return Step(rung.name, attempt, "works")
