"""What a scenario leaves behind on a site, taken away and looked for, so that the next one may begin on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from drivers.host import netns, sysctl
from testbed.scenario.cast import Cast
from testbed.scenario.look import Look
from testbed.scenario.site import Site

EMPTY_S = 45.0  # a BYE that nobody answers is given up after 32 s, and its associations go some seconds later
STREAMS_S = 30.0
LOOK_AGAIN_S = 0.5
ORDER_S = 20.0
# What a process that has ended had still to say over TCP the kernel repeats, in the clear once the associations are
# gone: eight times over a minute and more, unless it is told otherwise.
BRIEF_STREAMS = {"ipv4/tcp_orphan_retries": 1}
TIME_WAIT = "06"  # a socket's state in proc(5), net/tcp: it is over, and says nothing more


async def deregister(cast: Cast, site: Site) -> None:
    """Every access works again, and every UE registers once more as release 7, which removes all that there was."""
    for access in site.plan.accesses:
        lever = site.rig.lever(access)
        lever.restore()
        lever.clear()
    for name, ue in cast.ues.items():
        access = site.plan.ues[name].accesses[0]
        await ue.order("attach", access=access, deadline_s=ORDER_S)
        await ue.order("register", access=access, move="none", deadline_s=ORDER_S)
        await ue.order("deregister", access=access, deadline_s=ORDER_S)


async def left_in_core(look: Look) -> str:
    """What is left in the core after a while; nothing, when all is well."""
    return await _still(lambda: _found(look), EMPTY_S)


async def left_on_wires(site: Site) -> str:
    """The TCP streams of UEs whose processes have ended, after a while; nothing, when all is well."""
    namespaces = [site.rig.namespace(ue) for ue in site.plan.ues]

    async def found() -> str:
        count = await asyncio.to_thread(lambda: sum(map(_streams, namespaces)))
        return f"{count} TCP streams of the UEs" if count else ""

    return await _still(found, STREAMS_S)


def keep_streams_brief(site: Site) -> None:
    """For all UEs of a rig that is up; called in a thread that has nothing else to do."""
    for ue in site.plan.ues:
        with netns.inside(site.rig.namespace(ue)):
            sysctl.write(BRIEF_STREAMS, f"UE {ue}")


async def _still(found: Callable[[], Awaitable[str]], within_s: float) -> str:
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while there := await found():
        if loop.time() > until:
            break
        await asyncio.sleep(LOOK_AGAIN_S)
    return there


def _streams(namespace: str) -> int:
    with netns.inside(namespace):
        tables = [Path("/proc/thread-self/net/tcp"), Path("/proc/thread-self/net/tcp6")]
        lines: Iterable[str] = [line for table in tables for line in table.read_text().splitlines()[1:]]
    return sum(line.split()[3] != TIME_WAIT for line in lines)


async def _found(look: Look) -> str:
    scscf = await look.scscf()
    if any(scscf.bindings.values()):
        return f"bindings of {', '.join(aor for aor, bound in scscf.bindings.items() if bound)}"
    if scscf.sessions:
        return f"{len(scscf.sessions)} sessions at the S-CSCF"
    if scscf.connections:
        return f"connections at the S-CSCF: {', '.join(scscf.connections)}"
    for name in look.pcscfs:
        if count := await look.associations(name):
            return f"{count} security associations at {name}"
    return ""
